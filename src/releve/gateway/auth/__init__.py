"""API keys and tokens.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    tokens    a worker's token verified, a job's token re-signed
    api_keys  the API keys in force, read again when their file changes
"""
