"""Python's syntax, by LibCST.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    neighbours what a project's own modules give each other
    kinds    which variables hold which of LiveKit's objects
    imports  imports that rewritten code needs
    listener a callback that is registered for an event
    own      classes of the file itself
    text     whether an expression is text or a list
    library  types of LiveKit's names in one release
    code     one parsed module and what can be asked about it
    names    LiveKit's names, however they were imported
    types    types of LiveKit's attributes, calls and events
    edit     pieces of syntax, and the transformer that applies edits
"""
