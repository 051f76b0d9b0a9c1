"""What stands around the configuration and decides over it: variables, options, published ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .check import SETTING, Config, leaves

# Options and variables that are not named after their key.
NAMED = {
    "bind_addresses": ("", "--bind"),
    "region": ("LIVEKIT_REGION", "--region"),
    "rtc.node_ip": ("NODE_IP", "--node-ip"),
    "rtc.udp_port": ("UDP_PORT", "--udp-port"),
    "turn.cert_file": ("LIVEKIT_TURN_CERT", "--turn-cert"),
    "turn.key_file": ("LIVEKIT_TURN_KEY", "--turn-key"),
    "redis.address": ("REDIS_HOST", "--redis-host"),
    "redis.password": ("REDIS_PASSWORD", "--redis-password"),
}
PUBLISHED = {
    "rtc.tcp_port": "tcp",
    "rtc.udp_port": "udp",
    "turn.udp_port": "udp",
    "turn.tls_port": "tcp",
}


def overruled(
    ours: Config, environment: Mapping[str, str], arguments: Sequence[str]
) -> Iterator[str]:
    """A sentence for each key of the inventory that the container's own settings decide over."""
    given = {word.partition("=")[0] for word in arguments if word.startswith("-")}
    for key, _ in leaves(ours):
        generated = f"LIVEKIT_{key.upper().replace('.', '_')}", f"--{key}"
        for variable, option in {NAMED.get(key, generated), generated}:
            if environment.get(variable):
                yield _decides(key, f"{variable} in the container's environment")
            elif {option, option[1:]} & given:
                yield _decides(key, f"{option} in the container's command")


def _decides(key: str, what: str) -> str:
    return f"{SETTING}.{key}: {what} decides over it; take that out of the compose file"


def unreached(
    config: Config, ours: Config, published: Iterable[str] | None, port: int
) -> Iterator[str]:
    """A sentence for each port of the inventory at which nobody would reach the server.

    `published` are the container's ports that the host publishes, as 7881/tcp; None where the
    container is reached otherwise. `port` is where agents and probes reach it.
    """
    mine = dict(leaves(ours))
    if mine.get("port", port) != port:
        yield (
            f"{SETTING}.port: {mine['port']} is not `server_port`, {port}, at which agents and "
            "probes reach the server; change both"
        )
    if published is None:
        return
    there = set(published)
    off = () if (config.get("turn") or {}).get("enabled") else ("turn.udp_port", "turn.tls_port")
    for key, protocol in PUBLISHED.items():
        value = mine.get(key)
        if not value or key in off:
            continue
        first, _, last = str(value).partition("-")
        for number in range(int(first), int(last or first) + 1):
            if f"{number}/{protocol}" not in there:
                yield (
                    f"{SETTING}.{key}: the host does not publish {number}/{protocol}; add it under "
                    "`ports` of the service first"
                )
                break
