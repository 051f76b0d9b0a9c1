"""Relève: replace a LiveKit voice agent while people are talking to it."""

__version__ = "0.1.0"
