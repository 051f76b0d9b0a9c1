"""Wrong values of the configuration, as sentences with their key.

LiveKit Server refuses unknown keys and values of another type by itself. It starts with a node_ip
that is no address, with a webhook that is no URL: those are looked for here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

Config = Mapping[str, Any]
Check = Callable[[Any], str | None]
SETTING = "livekit_server_config"
IN_A_URL = re.compile(r"(?<=://)[^/\s@]+@")


def _number(low: int, high: int, what: str) -> Check:
    def check(value: Any) -> str | None:
        right = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if right else f"{what} ({low} to {high})"

    return check


def _one_of(*words: str) -> Check:
    return lambda value: None if value in words else f"one of {', '.join(words)}"


def _switch(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "text"


def _texts(value: Any) -> str | None:
    right = isinstance(value, list) and all(isinstance(one, str) and one for one in value)
    return None if right else "a list of texts"


def _codecs(value: Any) -> str | None:
    right = isinstance(value, list) and all(
        isinstance(one, dict) and isinstance(one.get("mime"), str) and "/" in one["mime"]
        for one in value
    )
    return None if right else "a list of codecs, as {mime: audio/opus}"


def _address(value: Any) -> str | None:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "an IP address"
    return None if isinstance(value, str) else "an IP address"


def _addresses(value: Any) -> str | None:
    right = isinstance(value, list) and not any(map(_bind_address, value))
    return None if right else "a list of IP addresses"


def _bind_address(value: Any) -> str | None:
    return None if value == "" else _address(value)  # the empty one is every address


def _urls(value: Any) -> str | None:
    right = isinstance(value, list) and all(
        isinstance(one, str)
        and urlsplit(one).scheme in ("http", "https")
        and urlsplit(one).hostname
        for one in value
    )
    return None if right else "a list of http or https URLs"


def _path(value: Any) -> str | None:
    return None if isinstance(value, str) and value.startswith("/") else "a whole path"


def _udp_ports(value: Any) -> str | None:
    what = "a port (1 to 65535), or a range of them as 7882-7892"
    if isinstance(value, str):
        first, dash, last = value.partition("-")
        if not (dash and first.isdecimal() and last.isdecimal()):
            return what
        return None if 1 <= int(first) <= int(last) <= 65535 else what
    return None if _port(value) is None else what


_port = _number(1, 65535, "a port")
_count = _number(0, 2**31 - 1, "a number")
_limit = _number(-1, 2**31 - 1, "a number; -1 is none")

CHECKS: dict[str, Check] = {
    "port": _port,
    "bind_addresses": _addresses,
    "prometheus_port": _port,
    "region": _text,
    "rtc.udp_port": _udp_ports,
    "rtc.tcp_port": _number(0, 65535, "a port, or 0 for none"),
    "rtc.port_range_start": _port,
    "rtc.port_range_end": _port,
    "rtc.node_ip": _address,
    "rtc.use_external_ip": _switch,
    "rtc.use_ice_lite": _switch,
    "rtc.stun_servers": _texts,
    "rtc.allow_tcp_fallback": _switch,
    "rtc.packet_buffer_size": _number(1, 100_000, "packets"),
    "rtc.congestion_control.enabled": _switch,
    "rtc.congestion_control.allow_pause": _switch,
    "rtc.congestion_control.send_side_bandwidth_estimation": _switch,
    "rtc.congestion_control.probe_mode": _one_of("padding", "media"),
    "audio.active_level": _number(0, 127, "a level, 0 is the loudest"),
    "audio.min_percentile": _number(0, 100, "percent"),
    "audio.update_interval": _number(1, 60_000, "milliseconds"),
    "audio.smooth_intervals": _number(0, 255, "a number"),
    "audio.active_red_encoding": _switch,
    "room.auto_create": _switch,
    "room.enabled_codecs": _codecs,
    "room.max_participants": _count,
    "room.empty_timeout": _count,
    "room.departure_timeout": _count,
    "room.max_metadata_size": _count,
    "room.enable_remote_unmute": _switch,
    "webhook.api_key": _text,
    "webhook.urls": _urls,
    "turn.enabled": _switch,
    "turn.domain": _text,
    "turn.cert_file": _path,
    "turn.key_file": _path,
    "turn.tls_port": _number(0, 65535, "a port, or 0 for none"),
    "turn.udp_port": _number(0, 65535, "a port, or 0 for none"),
    "turn.relay_range_start": _port,
    "turn.relay_range_end": _port,
    "turn.external_tls": _switch,
    "logging.level": _one_of("debug", "info", "warn", "error"),
    "logging.pion_level": _one_of("debug", "info", "warn", "error"),
    "logging.json": _switch,
    "logging.sample": _switch,
    "limit.num_tracks": _limit,
    "limit.bytes_per_sec": _limit,
}
SECTIONS = {name.rpartition(".")[0] for name in CHECKS} - {""}


def leaves(config: Config, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every value by its dotted key; a list is one value."""
    for name, value in config.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{key}.")
        else:
            yield key, value


def wrong(ours: Config) -> list[str]:
    """A sentence for each value of the inventory that cannot be right. null takes a key away."""
    found = []
    for key, value in leaves(ours):
        if value is None:
            continue
        check = CHECKS.get(key)
        if key in SECTIONS:
            found.append(_said(key, value, "a map"))
        elif key.partition(".")[0] in ("keys", "key_file"):  # never with the value
            found.append(
                f"{SETTING}.{key.partition('.')[0]}: keys stand in a file of mode 0600 on the "
                "target, which livekit_server_keys_file names"
            )
        elif check and (must := check(value)):
            found.append(_said(key, value, must))
    return found


def _said(key: str, value: Any, must: str) -> str:
    shown = IN_A_URL.sub("(secret)@", repr(value))
    return f"{SETTING}.{key}: {shown} must be {must}"


def at_odds(config: Config) -> list[str]:
    """A sentence for each pair of values that cannot stand beside each other; of the whole."""
    all_of = dict(leaves(config))
    return [f"{SETTING}.{said}" for said in _at_odds(all_of, set(config.get("keys") or ()))]


def _at_odds(of: Mapping[str, Any], keys: set[str]) -> Iterator[str]:
    for start, end in (
        ("rtc.port_range_start", "rtc.port_range_end"),
        ("turn.relay_range_start", "turn.relay_range_end"),
    ):
        low, high = of.get(start), of.get(end)
        if bool(low) != bool(high):
            there, absent = (start, end) if low else (end, start)
            yield f"{absent}: is missing beside {there}"
        elif isinstance(low, int) and isinstance(high, int) and low > high:
            yield f"{end}: {high} is less than {start}, {low}"
    if of.get("rtc.udp_port") and of.get("rtc.port_range_start"):
        yield "rtc.udp_port: cannot stand beside rtc.port_range_start; set one of them to null"
    if of.get("rtc.node_ip") and of.get("rtc.use_external_ip"):
        yield "rtc.node_ip: cannot stand beside rtc.use_external_ip; set one of them to null"
    if of.get("turn.enabled"):
        yield from _turn(of)
    api_key = of.get("webhook.api_key")
    if of.get("webhook.urls") and not api_key:
        yield "webhook.api_key: is missing beside webhook.urls; webhooks are signed with it"
    if api_key and keys and api_key not in keys:
        yield f"webhook.api_key: the server has no key {api_key!r}"
    yield from _twice(of)


def _turn(of: Mapping[str, Any]) -> Iterator[str]:
    if not (of.get("turn.tls_port") or of.get("turn.udp_port")):
        yield "turn.udp_port: is missing beside turn.enabled, and so is turn.tls_port"
    if of.get("turn.tls_port"):
        if not of.get("turn.domain"):
            yield "turn.domain: is missing beside turn.tls_port"
        files = [name for name in ("turn.cert_file", "turn.key_file") if not of.get(name)]
        if files and not of.get("turn.external_tls"):
            yield f"{files[0]}: is missing beside turn.tls_port; or set turn.external_tls"


PORTS = {
    "tcp": ("port", "rtc.tcp_port", "prometheus_port", "turn.tls_port"),
    "udp": ("rtc.udp_port", "turn.udp_port"),
}


def _twice(of: Mapping[str, Any]) -> Iterator[str]:
    for names in PORTS.values():
        taken: dict[int, str] = {}
        for name in names:
            port = of.get(name)
            if not isinstance(port, int) or not port:
                continue
            if port in taken:
                yield f"{name}: {port} is {taken[port]}, too"
            taken.setdefault(port, name)
