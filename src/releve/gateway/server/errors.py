"""What goes wrong with the server, or with what answers in its place."""

from __future__ import annotations


class ServerError(Exception):
    """LiveKit Server gave no usable answer; the text says what came instead."""


class NotFound(ServerError):
    """It answered that there is no such room or dispatch."""
