"""The restic command.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    repository  restic's commands and their results, one process each
    process     one restic process: password, retries, errors
    standstill  a process that hangs is killed
"""
