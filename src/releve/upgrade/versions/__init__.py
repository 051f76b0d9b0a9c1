"""Versions that a project asks for, moved to the target's.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    pins     requirements files, pyproject.toml and others: rewritten, or flagged
    beside   what LiveKit's packages leave open
    closure  what a target's packages need of others
"""
