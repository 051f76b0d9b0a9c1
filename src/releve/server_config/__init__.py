"""LiveKit Server's configuration: the inventory's keys over the user's own file.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    document      both merged, written as YAML, shown without secrets; answers explained
    surroundings  variables, options and published ports that decide over it
    check         wrong values, as sentences with their key
"""
