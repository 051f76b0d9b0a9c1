"""Whether the gateway's certificate would be taken by an agent that speaks wss to its server."""

from __future__ import annotations

import ssl

STEPS = 10  # each passes on what one side has said; a handshake takes four


def refused(host: str, cert: str, key: str, authorities: str | None) -> str | None:
    """Why a client that expects `host` would not go on, or None: tried in memory.

    It trusts this machine's authorities, and those in the file `authorities` if given. What the
    agent itself trusts is not known.
    """
    try:
        theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        theirs.load_cert_chain(cert, key)
        mine = ssl.create_default_context()
        if authorities:
            mine.load_verify_locations(authorities)
    except OSError as error:  # ssl.SSLError is one
        return f"{cert} with {key} cannot be used: {error}"
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = mine.wrap_bio(to_client, to_server, server_hostname=host)
    server = theirs.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    for _ in range(STEPS):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return f"{cert} is not to be trusted for {host}: {error.verify_message}"
            except ssl.SSLError as error:
                return f"{cert} cannot be shown for {host}: {error.reason}"
        if not waiting:
            return None
    return f"{cert} cannot be shown for {host}: the handshake does not end"
