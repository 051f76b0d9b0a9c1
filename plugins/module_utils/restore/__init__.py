"""A backup, used: verified, restored, or started beside the original.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    verify        a backup proven: read, restored, compared
    compare       two trees, file by file
    scratch_copy  a copy of a stack beside it, to rehearse on
    restore       a stack put back, whole or in part
    put_back      files and volumes put back
    rehearsal     restored server and agent, started where nobody else is
    launch        containers made from saved definitions
"""
