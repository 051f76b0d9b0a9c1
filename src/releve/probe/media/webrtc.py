"""WebRTC statistics of a call: jitter, packet loss, concealment."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from livekit import rtc
from livekit.rtc._proto import stats_pb2 as stats

ANSWER_SECONDS = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Statistics:
    """One direction of a call's audio. A value that was not reported is None.

    `concealed`: of `samples` played, those made up where a packet was missing or late, in so
    many `concealments`; the server plays nothing, so of what we send there are none.
    """

    packets: int
    lost: int
    jitter_ms: float
    samples: int | None = None
    concealed: int | None = None
    concealments: int | None = None


async def received(track: rtc.RemoteAudioTrack) -> Statistics | None:
    """Statistics of a received track, while its room is connected."""
    for entry in await _ask(track):
        if entry.WhichOneof("stats") == "inbound_rtp":
            packets, played = entry.inbound_rtp.received, entry.inbound_rtp.inbound
            return Statistics(
                packets.packets_received,
                packets.packets_lost,
                _milliseconds(packets.jitter),
                played.total_samples_received,
                played.concealed_samples,
                played.concealment_events,
            )
    return None


@dataclass(frozen=True, slots=True)
class Flow:
    """A remote track's audio at one instant, `at` (monotonic seconds, as `last` is).

    packets: received since the track was subscribed; last: when the latest of them was, None before
    the first. energy: of what was decoded, in so many seconds; its growth tells loudness.
    """

    at: float
    packets: int
    last: float | None
    energy: float
    seconds: float


async def flow(track: rtc.RemoteAudioTrack) -> Flow | None:
    """What has come of a track so far; None when WebRTC does not tell."""
    for entry in await _ask(track):
        if entry.WhichOneof("stats") == "inbound_rtp":
            packets, played = entry.inbound_rtp.received, entry.inbound_rtp.inbound
            now, wall = time.monotonic(), time.time()
            told = played.last_packet_received_timestamp  # of the wall clock, in milliseconds
            last = min(now, now - wall + told / 1000) if told else None
            return Flow(
                now,
                packets.packets_received,
                last,
                played.total_audio_energy,
                played.total_samples_duration,
            )
    return None


async def sent(track: rtc.LocalAudioTrack) -> Statistics | None:
    """Statistics of a sent track, as the server last reported them (about every second)."""
    entries = {entry.WhichOneof("stats"): entry for entry in await _ask(track)}
    if "outbound_rtp" not in entries or "remote_inbound_rtp" not in entries:
        return None
    reported = entries["remote_inbound_rtp"].remote_inbound_rtp.received
    return Statistics(
        entries["outbound_rtp"].outbound_rtp.sent.packets_sent,
        reported.packets_lost,
        _milliseconds(reported.jitter),
    )


async def path(track: rtc.RemoteAudioTrack) -> str | None:
    """The selected local candidate's type and protocol, as `host udp` or `relay tls`."""
    entries = await _ask(track)
    pairs = {
        e.candidate_pair.rtc.id: e.candidate_pair.candidate_pair
        for e in entries
        if e.WhichOneof("stats") == "candidate_pair"
    }
    ours = {
        e.local_candidate.rtc.id: e.local_candidate.candidate
        for e in entries
        if e.WhichOneof("stats") == "local_candidate"
    }
    for entry in entries:
        if entry.WhichOneof("stats") == "transport":
            pair = pairs.get(entry.transport.transport.selected_candidate_pair_id)
            if pair is not None and pair.local_candidate_id in ours:
                return _kind(ours[pair.local_candidate_id])
    return None


def _kind(candidate: Any) -> str:
    kind = str(stats.IceCandidateType.Name(candidate.candidate_type)).lower()
    if kind != "relay":
        return f"{kind} {candidate.protocol}"
    # Of a relay the protocol is that beyond it; what a firewall sees is the one towards it.
    spoken = stats.IceServerTransportProtocol.Name(candidate.relay_protocol)
    return f"{kind} {spoken.removeprefix('TRANSPORT_').lower()}"


def combine(calls: Iterable[Statistics | None]) -> dict[str, float | None] | None:
    """One direction of several calls: the worst jitter, and fractions of all they had."""
    told = [each for each in calls if each is not None]
    if not told:
        return None
    heard = [each for each in told if each.samples is not None]
    return {
        "jitter_ms": max(each.jitter_ms for each in told),
        "packets": sum(each.packets for each in told),
        "lost": sum(each.lost for each in told),
        "concealed_fraction": _share(
            [each.concealed for each in heard], [e.samples for e in heard]
        ),
        "concealments": sum(each.concealments or 0 for each in heard) if heard else None,
    }


def _share(part: Sequence[int | None], whole: Sequence[int | None]) -> float | None:
    played = sum(count or 0 for count in whole)
    return round(sum(count or 0 for count in part) / played, 4) if played else None


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)


async def _ask(track: rtc.Track) -> list[Any]:
    """The SDK's entries; none where it has no answer, as for a track that has gone."""
    try:
        return await asyncio.wait_for(track.get_stats(), ANSWER_SECONDS)
    except Exception as error:  # the SDK raises no class of its own for it
        log.warning("no statistics of %s: %r", track.sid, error)
        return []
