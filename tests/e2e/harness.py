"""Playbooks through ansible-runner on a stack of its own, beside a demo that may be running."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible_runner
import docker
import yaml
from docker.models.containers import Container

from module_utils.gateway import Gateway

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
STACK = "releve-e2e"

# What a test may wait for is generous, what it counts is exact: limits of time live in benches.
# Half of 2 x 20 chirps are still enough for a 95th percentile, which needs 20.
SETTINGS: dict[str, Any] = {
    "stack": STACK,
    "demo_ports": [17880, 17881, 17882],
    "dispatch_gateway_metrics_port": 17899,
    "media_probe_limits": {
        "own_share_ms_max": 2500,
        "rtt_p95_ms_max": 2500,
        "valid_fraction_min": 0.5,
    },
    "media_probe_connect_row": 1,
    "media_probe_connect_at_once": 2,
    "rollout_compare_limits": {"slower_ms_max": 2500},
    "media_probe_connect_limits": {"join_s_max": 30, "agent_audio_s_max": 30},
    "media_probe_network_cut_seconds": 1,
    "media_probe_network_limits": {
        "signalling_silence_ms_max": 5000,
        "back_s_max": 40,
        "no_udp_s_max": 30,
    },
    "media_probe_app_chirps": 12,
    "media_probe_app_limits": {
        "agent_audio_s_max": 30,
        "rtt_p95_ms_max": 2500,
        "valid_fraction_min": 0.5,
        "tries_max": 3,
    },
    "sentinels_limits": {"silence_ms_max": 30000, "without_packets_ms_max": 30000},
    "sentinels_harm_limits": {"rtt_p95_rise_ms_max": 30000, "new_silence_ms_max": 30000},
    "sentinels_before_seconds": 20,
    "cores_free_min": 0,  # other tests run beside it
    "memory_free_min_mb": 0,
    "rollout_schedule": [
        {"weight": 50, "seconds": 6, "compare": True},
        {"weight": 100, "seconds": 6},
    ],
    # Each call is a process of blue's, beside other tests; a new room is there half of the time.
    "sentinels_calls": 1,
    "sentinels_every": 30.0,
    "sentinels_arrival_seconds": 16.0,
    "sentinels_max_seconds": 1800,
}


@dataclass(frozen=True)
class Played:
    """A playbook that ran: its exit code, its last line, its report."""

    code: int
    output: str
    report: dict[str, Any]

    @property
    def last(self) -> str:
        return self.output.rstrip().splitlines()[-1]


class Stage:
    """A folder for reports, and the settings under which every playbook here runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reports = folder / "reports"
        self.reports.mkdir()
        self.printed: list[str] = []
        self.docker = docker.from_env()
        self.gateway = Gateway(f"/var/lib/releve/{STACK}/run/admin.sock")

    def settings(self, extra: dict[str, Any]) -> dict[str, Any]:
        return {**SETTINGS, "releve_reports": str(self.reports), **extra}

    def moment(self) -> str:
        """The id by which the sentinels know the last moment around which they open rooms."""
        return Path(f"/var/lib/releve/{STACK}/record/moments").read_text(encoding="ascii").strip()

    def play(self, playbook: str, *, check: bool = False, **extra: Any) -> Played:
        """Run it to its end."""
        private = self.folder / "runner"
        shutil.rmtree(private, ignore_errors=True)
        private.mkdir()
        done = ansible_runner.run(
            private_data_dir=str(private),
            project_dir=str(ROOT),
            playbook=str(ROOT / playbook),
            extravars=self.settings(extra),
            cmdline="--check" if check else None,
            envvars=_environment(),
            quiet=True,
            timeout=1200,
        )
        output = done.stdout.read()
        self.printed.append(output)
        return Played(done.rc, output, self.report())

    def start(self, playbook: str, **extra: Any) -> subprocess.Popen[str]:
        """Start it as an operator does, in a process group that Ctrl-C reaches as a whole."""
        return subprocess.Popen(
            [BIN / "ansible-playbook", playbook, "-e", json.dumps(self.settings(extra))],
            cwd=ROOT,
            env=os.environ | _environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def report(self) -> dict[str, Any]:
        latest = self.reports / "latest" / "report.json"
        found: dict[str, Any] = json.loads(latest.read_text()) if latest.exists() else {}
        return found

    def weights(self) -> dict[str, int]:
        weights: dict[str, int] = self.gateway.state()["weights"]
        return weights

    def blue(self) -> tuple[str, str]:
        """Which container blue is, and since when: unchanged when nobody touched it."""
        found = self.docker.containers.list(
            filters={
                "label": [f"com.docker.compose.project={STACK}", "com.docker.compose.service=agent"]
            }
        )
        assert len(found) == 1, found
        return found[0].id, found[0].attrs["State"]["StartedAt"]

    def containers(self) -> set[tuple[str, str]]:
        """Every container of the stack, with its start."""
        return {
            (found.id, found.attrs["State"]["StartedAt"])
            for found in self.docker.containers.list(all=True)
            if STACK in found.name
        }

    def detours(self) -> list[str]:
        """The rules in blue's network by which connections go elsewhere than they are meant to."""
        pid = self.docker.containers.get(self.blue()[0]).attrs["State"]["Pid"]
        inside = ["nsenter", f"--target={pid}", "--net", "iptables", "--table=nat", "--list-rules"]
        rules = subprocess.run(inside, capture_output=True, text=True, check=True).stdout
        of_docker = "-A DOCKER_OUTPUT"  # its name service
        return [
            rule for rule in rules.splitlines() if "DNAT" in rule and not rule.startswith(of_docker)
        ]

    def hold_a_call(self) -> Container:
        """A user who talks until the container is removed; with the keys that preflight wrote."""
        keys = f"/var/lib/releve/{STACK}/keys.yaml"
        record = f"/var/lib/releve/{STACK}/record"
        hold = ["probe", "hold", "--url=ws://livekit:7880", "--keys-file=/run/secrets/livekit_keys"]
        assert Path(keys).is_file(), "an engine makes a folder of what is not there to be mounted"
        Path(record, "user.jsonl").unlink(missing_ok=True)
        user = self.docker.containers.run(
            "releve:0.1.0",
            [*hold, "--record=/record/user.jsonl", "--calls=1", "--every=3600"],
            name=f"{STACK}-user",
            detach=True,
            user="10001:10001",
            network=f"{STACK}_default",
            labels={"releve.stack": STACK},
            volumes={
                keys: {"bind": "/run/secrets/livekit_keys", "mode": "ro"},
                record: {"bind": "/record", "mode": "rw"},
            },
        )
        _until(lambda: '"ready"' in _text(Path(record, "user.jsonl")), user.logs)
        return user

    def await_call(self, colour: str) -> None:
        """Until an agent of that colour is in a room: there is a new room every half minute."""
        _until(
            lambda: any(
                job["colour"] == colour and job["ended"] is None for job in self.gateway.jobs()
            ),
            self.gateway.jobs,
        )

    def hang_up(self) -> None:
        """The sentinels that were to stay go: beside what is measured later they would cost."""
        self.docker.containers.get(f"{STACK}-sentinels").remove(force=True)

    def release(self, **changed: Any) -> dict[str, Any]:
        """The demo's release with what differs from it."""
        text = (ROOT / "inventories/demo/group_vars/eloquence/release.yml").read_text()
        found: dict[str, Any] = yaml.safe_load(text)["release"] | changed
        return found

    def green_like(self, name: str) -> str:
        """An image like green's with tests/e2e/greens/<name>.py for its agent; its id."""
        context = self.folder / f"green-{name}"
        context.mkdir()
        shutil.copy(ROOT / "tests/e2e/greens" / f"{name}.py", context / "agent.py")
        green = self.docker.images.get("eloquence-agent:green-1.1.3").id
        (context / "Dockerfile").write_text(f"FROM {green}\nCOPY agent.py ./\n")
        image, _ = self.docker.images.build(path=str(context), rm=True)
        built: str = image.id
        return built


def _until(holds: Callable[[], bool], said: Callable[[], object]) -> None:
    """Wait for what no event announces; what is `said` when it does not come."""
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, said()
        time.sleep(0.2)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def interrupt(run: subprocess.Popen[str]) -> None:
    """Ctrl-C: the terminal's signal to the whole group."""
    os.killpg(run.pid, signal.SIGINT)


def _environment() -> dict[str, str]:
    return {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        # The runner names its own folder here, which would hide the one of ansible.cfg.
        "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "plugins/callback"),
        "ANSIBLE_NOCOLOR": "1",
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }
