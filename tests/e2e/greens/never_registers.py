"""A green that starts, and never registers."""

import signal

signal.signal(signal.SIGTERM, lambda *_: None)  # the first process of a container has no default
signal.pause()
