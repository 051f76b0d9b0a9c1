"""Every way of reading the mapping of participants."""

from livekit import rtc
from livekit.agents import JobContext


class Roster:
    def __init__(self, ctx: JobContext) -> None:
        self.room = ctx.room
        self.seen: dict[str, rtc.RemoteParticipant] = {}

    def names(self) -> list[str]:
        return [p.name for p in self.room.participants.values()]

    def find(self, identity: str):
        return self.room.participants_by_identity.get(identity)

    def again(self, participant: rtc.RemoteParticipant):
        return self.room.participants[participant.sid]  # the one we know

    def by_sid(self, sid: str):
        return self.room.participants.get(sid)

    def empty(self) -> bool:
        return len(self.room.participants) == 0

    def audio(self):
        for _, participant in self.room.participants.items():
            for sid, publication in participant.tracks.items():
                if publication.kind == rtc.TrackKind.KIND_AUDIO:
                    yield sid, publication

    def sids(self):
        return list(self.room.participants)


def published(room: "rtc.Room") -> int:
    mine = room.local_participant
    return len(mine.tracks)


def first(room):
    others = list(room.participants.values())
    return others[0] if others else None


def count(thing):
    return sum(len(p.tracks.values()) for p in thing)
