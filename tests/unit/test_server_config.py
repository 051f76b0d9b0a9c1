"""LiveKit Server's configuration: merged over the user's file, wrong values refused by their key,
secrets shown by name only."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from releve.server_config import check, surroundings
from releve.server_config.document import (
    KEYS_INSIDE,
    ConfigError,
    alone,
    configured,
    explained,
    merged,
    read,
    shown,
    with_keys,
    written,
)

SECRET = "a-secret-that-nobody-may-read-at-all"
KEYS = {"APIk": SECRET}
# For every key that is looked at, a right value and a wrong one.
VALUES: dict[str, tuple[Any, Any]] = {
    "port": (7880, 70000),
    "bind_addresses": (["", "10.0.0.1"], ["here"]),
    "prometheus_port": (6789, "6789"),
    "region": ("eu", 7),
    "rtc.udp_port": ("7882-7892", "7892-7882"),
    "rtc.tcp_port": (0, -1),
    "rtc.port_range_start": (50000, 0),
    "rtc.port_range_end": (60000, 99999),
    "rtc.node_ip": ("203.0.113.7", "livekit.example.org"),
    "rtc.use_external_ip": (True, "yes"),
    "rtc.use_ice_lite": (True, 1),
    "rtc.stun_servers": (["stun.example.org:3478"], "stun.example.org:3478"),
    "rtc.allow_tcp_fallback": (False, "no"),
    "rtc.packet_buffer_size": (500, 0),
    "rtc.congestion_control.enabled": (False, "off"),
    "rtc.congestion_control.allow_pause": (True, 1),
    "rtc.congestion_control.send_side_bandwidth_estimation": (True, "true"),
    "rtc.congestion_control.probe_mode": ("media", "both"),
    "audio.active_level": (35, 128),
    "audio.min_percentile": (40, 101),
    "audio.update_interval": (400, 0),
    "audio.smooth_intervals": (2, 300),
    "audio.active_red_encoding": (True, "on"),
    "room.auto_create": (True, 1),
    "room.enabled_codecs": ([{"mime": "audio/opus"}], ["opus"]),
    "room.max_participants": (4, -1),
    "room.empty_timeout": (300, "5m"),
    "room.departure_timeout": (20, 1.5),
    "room.max_metadata_size": (0, -5),
    "room.enable_remote_unmute": (True, "x"),
    "webhook.api_key": ("APIk", 5),
    "webhook.urls": (["https://a.example/hook"], ["a.example/hook"]),
    "turn.enabled": (False, "no"),
    "turn.domain": ("turn.example.org", 1),
    "turn.cert_file": ("/etc/tls/chain.pem", "chain.pem"),
    "turn.key_file": ("/etc/tls/key.pem", "key.pem"),
    "turn.tls_port": (443, 65536),
    "turn.udp_port": (3478, "3478"),
    "turn.relay_range_start": (30000, 0),
    "turn.relay_range_end": (40000, 70000),
    "turn.external_tls": (True, 1),
    "logging.level": ("info", "loud"),
    "logging.pion_level": ("error", "none"),
    "logging.json": (True, "json"),
    "logging.sample": (True, 1),
    "limit.num_tracks": (-1, -2),
    "limit.bytes_per_sec": (1_000_000, "1 MB"),
}


def nested(key: str, value: Any) -> dict[str, Any]:
    for name in reversed(key.split(".")):
        value = {name: value}
    return dict(value)


def test_every_key_has_its_values_here() -> None:
    assert VALUES.keys() == check.CHECKS.keys()


@pytest.mark.parametrize(("key", "values"), VALUES.items())
def test_a_wrong_value_is_refused_by_a_sentence_with_its_key(key: str, values: Any) -> None:
    right, wrong = values
    assert check.wrong(nested(key, right)) == []
    assert check.wrong(nested(key, None)) == []
    [said] = check.wrong(nested(key, wrong))
    assert said.startswith(f"livekit_server_config.{key}: {wrong!r} must be ")


@pytest.mark.parametrize("section", sorted(check.SECTIONS))
def test_a_section_that_is_no_map_is_refused(section: str) -> None:
    assert check.wrong(nested(section, 7)) == [f"livekit_server_config.{section}: 7 must be a map"]


@pytest.mark.parametrize("ours", [{"keys": KEYS}, {"key_file": SECRET}])
def test_keys_are_no_part_of_the_inventory(ours: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="which livekit_server_keys_file names") as mistake:
        configured({}, ours, None)
    assert SECRET not in str(mistake.value)


def test_a_password_in_a_url_is_not_told() -> None:
    [said] = check.wrong({"webhook": {"urls": [f"ftp://me:{SECRET}@a.example"]}})
    assert SECRET not in said


def test_what_the_users_file_has_and_nobody_names_is_kept() -> None:
    theirs = {"port": 7880, "rtc": {"tcp_port": 7881, "strict_acks": True}, "ingress": {"a": [1]}}
    ours = {"rtc": {"udp_port": 7882, "tcp_port": None}, "room": {"max_participants": 4}}
    assert merged(theirs, ours) == {
        "port": 7880,
        "rtc": {"strict_acks": True, "udp_port": 7882},
        "ingress": {"a": [1]},
        "room": {"max_participants": 4},
    }
    assert theirs["rtc"]["tcp_port"] == 7881


def test_all_keys_come_from_the_keys_file_where_there_is_one() -> None:
    theirs = {"keys": {"old": "x" * 32}, "key_file": "/keys"}
    assert configured(theirs, {}, None) == theirs
    both = KEYS | {"new": "y" * 32}
    config = configured(theirs, {"webhook": {"api_key": "new", "urls": ["http://a/b"]}}, both)
    assert (config.get("keys"), config["key_file"]) == (None, KEYS_INSIDE)
    assert with_keys(config, both)["keys"] == both
    with pytest.raises(ConfigError, match="no key 'old'"):
        configured(theirs, {"webhook": {"api_key": "old"}}, both)


@pytest.mark.parametrize(
    ("ours", "key"),
    [
        ({"rtc": {"port_range_start": 50000}}, "rtc.port_range_end"),
        ({"rtc": {"port_range_start": 9, "port_range_end": 8}}, "rtc.port_range_end"),
        ({"rtc": {"port_range_start": 8, "port_range_end": 9, "udp_port": 7}}, "rtc.udp_port"),
        ({"rtc": {"node_ip": "10.0.0.1", "use_external_ip": True}}, "rtc.node_ip"),
        ({"turn": {"enabled": True}}, "turn.udp_port"),
        ({"turn": {"enabled": True, "tls_port": 443, "external_tls": True}}, "turn.domain"),
        ({"turn": {"enabled": True, "tls_port": 443, "domain": "a.b"}}, "turn.cert_file"),
        ({"webhook": {"urls": ["http://a/b"]}}, "webhook.api_key"),
        ({"webhook": {"urls": ["http://a/b"], "api_key": "other"}}, "webhook.api_key"),
        ({"rtc": {"tcp_port": 7880}}, "rtc.tcp_port"),
        ({"prometheus_port": 7880}, "prometheus_port"),
    ],
)
def test_values_at_odds_are_refused_by_a_key(ours: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=rf"livekit_server_config\.{key}: "):
        configured({"port": 7880, "keys": KEYS}, ours, None)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as mistake:
        configured({}, {"port": 0, "logging": {"level": "loud"}}, None)
    assert ".port: " in str(mistake.value)
    assert ".logging.level: " in str(mistake.value)


def test_secrets_are_shown_by_their_names_only() -> None:
    config = {
        "keys": KEYS,
        "redis": {"address": "r:6379", "password": SECRET},
        "rtc": {"turn_servers": [{"host": "t", "credential": SECRET}]},
        "webhook": {"api_key": "APIk", "urls": [f"https://u:{SECRET}@a.example/b"]},
    }
    text = shown(config)
    assert SECRET not in text
    assert {"APIk", "r:6379", "host: t", "a.example/b"} <= {
        word for word in ("APIk", "r:6379", "host: t", "a.example/b") if word in text
    }


def test_a_file_that_is_no_configuration_is_refused_without_its_content() -> None:
    assert read("", "/x") == {}
    for text in (f"keys: [{SECRET}", f"- {SECRET}"):
        with pytest.raises(ConfigError, match="/x is no ") as mistake:
            read(text, "/x")
        assert SECRET not in str(mistake.value)


def test_what_is_written_is_what_was_merged() -> None:
    config = {"rtc": {"udp_port": "7882-7892"}, "keys": {"é": "ü: #" * 9}, "region": "no"}
    assert yaml.safe_load(written(config, "/srv/livekit.yaml")) == config


def test_a_trial_meets_nobody() -> None:
    config = {
        "redis": {"address": "r:6379"},
        "bind_addresses": ["10.0.0.1"],
        "rtc": {"use_external_ip": True, "udp_port": 7882},
        "keys": KEYS,
    }
    rtc = {"use_external_ip": False, "node_ip": "127.0.0.1", "udp_port": 7882}
    assert alone(config) == {"rtc": rtc, "keys": KEYS}


def test_the_servers_line_is_told_as_a_key() -> None:
    ours = {"room": {"nope": 1}}
    text = written({"port": "x", "keys": {"k": 7}, **ours}, "/srv/l.yaml")
    lines = {line.strip(): number for number, line in enumerate(text.splitlines(), 1)}
    said = (
        f"could not parse config: yaml: unmarshal errors:\n  line {lines['port: x']}: cannot "
        f"unmarshal !!str `x` into uint32\n  line {lines['k: 7']}: cannot unmarshal `{SECRET}`\n"
        f"  line {lines['nope: 1']}: field nope not found in type config.RoomConfig\n"
    )
    told = explained(said, text, ours, "/srv/l.yaml")
    assert "port in /srv/l.yaml: the server says: cannot unmarshal !!str `x` into uint32" in told
    assert "livekit_server_config.room.nope: the server says: field nope not found" in told
    assert "keys.k in /srv/l.yaml" in told
    assert SECRET not in told


def test_variables_and_options_that_decide_over_the_file_are_named() -> None:
    ours = {"rtc": {"node_ip": "10.0.0.1", "tcp_port": 7881}, "prometheus_port": 6789}
    environment = {"NODE_IP": "10.0.0.2", "LIVEKIT_KEYS": "a: b", "LIVEKIT_RTC_TCP_PORT": "1"}
    said = list(surroundings.overruled(ours, environment, ["--prometheus_port=1", "--config", "x"]))
    assert len(said) == 3
    for key, what in (
        ("rtc.node_ip", "NODE_IP"),
        ("rtc.tcp_port", "LIVEKIT_RTC_TCP_PORT"),
        ("prometheus_port", "--prometheus_port"),
    ):
        assert any(one.startswith(f"livekit_server_config.{key}: {what} in") for one in said)
    assert list(surroundings.overruled({"region": "eu"}, environment, [])) == []


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ({"rtc": {"udp_port": 7882, "tcp_port": 7881}}, None),
        ({"rtc": {"udp_port": "7882-7884"}}, "rtc.udp_port: the host does not publish 7883/udp"),
        ({"rtc": {"tcp_port": 7000}}, "rtc.tcp_port: the host does not publish 7000/tcp"),
        ({"turn": {"udp_port": 3478}}, None),
        ({"turn": {"enabled": True, "udp_port": 3478}}, "turn.udp_port: the host does not publish"),
        ({"port": 7999}, "port: 7999 is not `server_port`, 7880"),
    ],
)
def test_ports_at_which_nobody_would_reach_it_are_named(ours: Any, said: str | None) -> None:
    published = ["7880/tcp", "7881/tcp", "7882/udp"]
    found = list(surroundings.unreached(ours, ours, published, 7880))
    assert len(found) == (said is not None)
    if said:
        assert found[0].startswith(f"livekit_server_config.{said}")
    if "port" not in ours:  # on the host's own network every port is reached
        assert list(surroundings.unreached(ours, ours, None, 7880)) == []
