"""The restic command.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    repository  its questions and answers, one process each
    process     one restic process: password, retries, errors
    standstill  a process that will never go on is ended
"""
