"""The controller: it moves the weights of a rollout, watches, goes on or goes back by itself.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    cli         the command `releve rollout`
    controller  the loop: observe, decide, write down, act
    lease       what is wanted, kept in force at the gateway, and its lease renewed
    sources     sentinels, the gateway and its figures, the comparison probe
    operator    status, approve, pause and resume over a unix socket
    notify      each change as a sentence, and as JSON to the notify_urls
    folder      the state folder: one controller, one journal for each rollout
    policy      what happens next, and what the gateway is to have in force: pure
    state       where a rollout is, folded from its journal: pure
    journal     what happened, appended to a file and synced
    plan        the plan file: schedule, gates, lease, deadlines
"""
