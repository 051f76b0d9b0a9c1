"""Inspect documents of the engine, small, with what a test changes."""

from __future__ import annotations

from typing import Any

ID = "9f58187350d9e5d25a2ca4ff544bfee7158e0f4bf31d08ad18e98ec5db387568"


def image(name: str = "old", **config: Any) -> dict[str, Any]:
    """An inspected image."""
    return {"Id": f"sha256:{name}", "RepoTags": [f"agent:{name}"], "Config": config}


def container(
    config: dict[str, Any] | None = None, host: dict[str, Any] | None = None, **changed: Any
) -> dict[str, Any]:
    """An inspected container of Compose's, on one network."""
    return {
        "Id": ID,
        "Name": "/eloquence-agent-1",
        "Image": "sha256:old",
        "Config": {
            "Hostname": ID[:12],
            "Image": "agent:old",
            "Env": ["LIVEKIT_URL=ws://livekit:7880"],
            "Labels": {
                "com.docker.compose.project": "eloquence",
                "com.docker.compose.service": "agent",
            },
        }
        | (config or {}),
        "HostConfig": {"NetworkMode": "eloquence_default", "Binds": ["data:/data:rw"]}
        | (host or {}),
        "Mounts": [],
        "NetworkSettings": {
            "Networks": {
                "eloquence_default": {
                    "Aliases": ["agent", ID[:12], "eloquence-agent-1"],
                    "NetworkID": "net1",
                    "IPAMConfig": {"IPv4Address": "172.18.0.9"},
                    "MacAddress": "02:42:ac:1d:00:05",
                    "IPAddress": "172.18.0.9",
                }
            }
        },
    } | changed
