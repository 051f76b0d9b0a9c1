"""API keys, tokens and the certificate for workers.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    tokens       a worker's token verified, a job's token re-signed
    api_keys     the API keys in force, read again when their file changes
    certificate  the certificate that workers are shown, read again when its files change
"""
