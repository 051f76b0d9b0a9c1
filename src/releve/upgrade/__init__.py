"""Move v0.x LiveKit agent code to the v1 framework: rewrite what is certain, flag the rest.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    cli      the command `releve upgrade-code`
    tree     the files of a project: found, upgraded, written
    engine   one module upgraded: detect, rewrite, repeat, check
    rules    what is known, one subject a module
    context  what a rule's detector is given
    era      which SDK a program was written for
    check    the result held against the target
    syntax   LibCST: a parsed module, its names, types, imports and edits
    table    docs/upgrading.md
    sarif    findings as SARIF
    versions requirements files and pyproject.toml
    gone     names that v1 does not have
    target   the release that code is moved to, as data
    model    rule, finding, edit, note
    start    run by an agent's Python: starts its program
    trial    run by an agent's Python: do these files import?
"""
