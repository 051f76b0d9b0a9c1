"""Sound: sent, received, and searched for its echo.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    audio        microphone and audio sink: frames sent at a steady pace, received with times
    speaker      a microphone that sends next to nothing between sentences
    webrtc       WebRTC's statistics: jitter, loss, concealment, the flow of packets
    echo_search  chirps found in the received audio
    snr          the signal-to-noise ratio of an echo
    signal       chirps and bed tone, and where they are in a recording
"""
