"""What keeps live adoption from working on a host, tried before anything is changed."""

from __future__ import annotations

import contextlib
import shutil
import socket

from .certificate import refused
from .command import AdoptionError, Run, run
from .group import root
from .redirect import caught, loopback

TOOLS = ("nsenter", "ss", "iptables")
CUT_SECONDS = 1.0


def can_cut_sockets(execute: Run = run) -> bool:
    """Whether `ss -K` works here, tried on a loopback connection of our own.

    Reads the socket instead of a listing, which may show the other end for a moment longer.
    """
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0],
    ):
        client.settimeout(CUT_SECONDS)
        there = server.getsockname()[1]
        with contextlib.suppress(AdoptionError):
            execute(["ss", "-K", "dst", "127.0.0.1", "dport", "=", f":{there}"])
        try:
            client.recv(1)
        except TimeoutError:
            return False
        except OSError:  # ECONNABORTED, as a worker whose connection is cut reads it
            return True
        return False


def cannot_catch(execute: Run = run) -> str | None:
    """Why no rule can name the agent alone on the host's network, or None.

    Tried in a network namespace that is gone again when the command has ended.
    """
    try:
        root()
        for tool in loopback():
            execute(
                [
                    *("unshare", "--net", tool, "--wait", "2", "--table", "nat"),
                    *("--insert", "OUTPUT", "--protocol", "tcp", "--syn", *caught("/")),
                    *("--jump", "REDIRECT", "--to-ports", "1"),
                ]
            )
    except AdoptionError as error:
        return f"a rule of iptables cannot name the agent alone on the host's network: {error}"
    return None


def of_tls(host: str | None, cert: str, key: str, authorities: str) -> str | None:
    """Why the gateway cannot take the place of the server that the agent reaches at `host` by wss,
    without TLS where `host` is None; `cert` is what it shows to blue, if anything."""
    if host and not cert:
        return (
            f"it speaks wss, and would refuse a gateway without a certificate for {host}. Give it "
            "one (dispatch_gateway_worker_cert, dispatch_gateway_worker_tls: [blue])"
        )
    if host:
        return refused(host, cert, key, authorities or None)
    if cert:
        return "it speaks no TLS, as the gateway's port for blue does: dispatch_gateway_worker_tls"
    return None


def obstacle(of_the_agent: str | None, on_host: bool = False, execute: Run = run) -> str | None:
    """Why live adoption cannot work on this host, or for what is known of the agent, or None."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"this host has no {', '.join(missing)} (packages util-linux, iproute2, iptables)"
    if of_the_agent:
        return of_the_agent
    if not can_cut_sockets(execute):
        return "`ss -K` has no effect (not root, or a kernel without INET_DIAG_DESTROY)"
    return cannot_catch(execute) if on_host else None
