"""Sound: sent, received, and searched for its echo.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    audio        microphone and ear: frames out at a steady pace, frames in with times
    webrtc       WebRTC's statistics: jitter, loss, concealment
    echo_search  what was said, found in what was heard
    snr          the signal-to-noise ratio of an echo
    signal       chirps and bed tone, and where they are in a recording
"""
