"""The result held against the target: names, attributes, calls, events and overridden methods.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    binding  what does not fit, with its line
    derived  classes of a program's own that derive from the target's
    advice   what to write instead
    fits     whether arguments fit a signature
    library  the target's types, for variables to be followed by
    rules    what the page says of them
"""
