"""The release that code is moved to: what its packages have and take, as data of the real wheels.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    signatures  a target's names, members and signatures
    record      run by a target's own Python: writes its data
    needs       what its packages need of others
    hints       annotations and signatures as the data tells them

The data of one target is `<livekit-agents' version>.json`: `modules` by name, `classes` and
`functions` by the name they were defined under. A reference is `m:` a module, `c:` a class, `f:` a
function, `v:` a value and its type; a member is `a:` and its type, or `s:` and its signature. It is
made again, or made for a newer target, with:

        uv venv --python 3.11 /tmp/target
        uv pip install --python /tmp/target/bin/python --exclude-newer 2025-07-15 \\
            livekit==1.0.10 livekit-agents==1.1.3 livekit-plugins-openai==1.1.3 …
        cd src/releve/upgrade/target && /tmp/target/bin/python record.py > 1.1.3.json

with every plugin that a program may use, and dependencies of the time of that release.
"""
