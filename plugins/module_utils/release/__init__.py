"""A release: what is brought in, made from what runs and from what the inventory changes.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    preflight     a release looked at, on the engine and the host, before anything is changed
    container     the container of a colour, brought to its definition
    host          what the host tells: files that are mounted, volumes that only one may open
    difference    two effective definitions side by side, without values of secrets
    redaction     which values are secrets
    definition    the container of a release, made from the one in service
    hardened      a container that may do little
    mounts        mounts of a container, by their place in it
    image_part    what an image contributes to its container
    wanted        what the inventory says of a release
"""
