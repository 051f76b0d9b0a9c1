"""What the Flutter app does and relies on, step by step.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    in_browser  the suite in headless Chromium, by LiveKit's JavaScript SDK
    suite       the suite by this package's own client
    reader      text streams read by that client
    client      signalling and peer connections as the app's SDK does them
    media       its audio tracks
    answers     what the server must answer
    peer        the agent's side of text and data, by the SDK
    texts       text streams, reassembled from packets
"""
