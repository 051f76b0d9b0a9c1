"""Python's syntax, by LibCST.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    kinds    which variables hold which of LiveKit's objects
    imports  imports that rewritten code needs
    code     one parsed module and what can be asked about it
    names    LiveKit's names, however they were imported
    types    types of LiveKit's attributes, calls and events
    edit     pieces of syntax, and the transformer that applies edits
"""
