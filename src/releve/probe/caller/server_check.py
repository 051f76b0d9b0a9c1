"""Whether a LiveKit Server can be used from here: certificate, key, API, a worker's door."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import aiohttp
from livekit import api

from releve.probe.caller.join import CONNECT_SECONDS, Server, ServerError


async def check(server: Server) -> None:
    """As the gateway will use it. Raises ServerError with a sentence that says what to change."""
    try:
        async with asyncio.timeout(2 * CONNECT_SECONDS), aiohttp.ClientSession() as session:
            await _rooms(session, server)
            await _worker(session, server)
    except aiohttp.ClientConnectorCertificateError as error:
        raise ServerError(_certificate(server.url, error.certificate_error)) from error
    except aiohttp.ClientConnectorSSLError as error:
        raise ServerError(
            f"{server.url} does not speak TLS there ({error.os_error}): write ws:// or name the "
            "port that does"
        ) from error
    except aiohttp.ClientConnectorDNSError as error:
        raise ServerError(
            f"the name {urlsplit(server.url).hostname} is not known where the agent is: set "
            "`server_url` to an address that is reached from there"
        ) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise ServerError(
            f"nothing answers as LiveKit Server at {server.url} from where the agent is "
            f"({str(error) or 'no answer in time'}): set `server_url`"
        ) from error


async def _rooms(session: aiohttp.ClientSession, server: Server) -> None:
    url, keys = server.url.replace("ws", "http", 1), server.keys
    client = api.LiveKitAPI(url, keys.api_key, keys.secret, session=session)
    try:
        await client.room.list_rooms(api.ListRoomsRequest())
    except api.TwirpError as error:
        if error.code in (api.TwirpErrorCode.UNAUTHENTICATED, api.TwirpErrorCode.PERMISSION_DENIED):
            raise ServerError(
                f"{server.url} does not know the API key {keys.api_key}, or its secret is another: "
                "mend the keys file",
                refused=True,
            ) from None
        raise ServerError(
            f"{server.url}/twirp answers otherwise than LiveKit Server does ({error.code}): a "
            "proxy before it must lead /twirp there, too"
        ) from None


async def _worker(session: aiohttp.ClientSession, server: Server) -> None:
    """A worker's door is opened and left; it registers nothing."""
    token = (
        api.AccessToken(server.keys.api_key, server.keys.secret)
        .with_grants(api.VideoGrants(agent=True))
        .to_jwt()
    )
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with session.ws_connect(f"{server.url.rstrip('/')}/agent", headers=headers):
            return
    except aiohttp.WSServerHandshakeError as error:
        raise ServerError(
            f"{server.url}/agent lets no worker in (HTTP status {error.status}): a proxy before "
            "the server must lead /agent there, too"
        ) from None


def _certificate(url: str, error: Exception) -> str:
    why = getattr(error, "verify_message", "") or str(error)
    return (
        f"the certificate that {urlsplit(url).hostname} shows is not to be trusted: {why}. Set "
        "`server_url` to the name that it is for, or `server_ca` to a PEM file on the target with "
        "its authority"
    )
