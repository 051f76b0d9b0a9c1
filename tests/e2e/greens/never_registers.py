"""A green that starts, and never registers."""

import signal

signal.pause()
