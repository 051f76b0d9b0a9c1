"""LiveKit's agent protocol and nothing else: a server, and thousands of workers."""
