"""Things that are called as LiveKit's are, and are not LiveKit's."""

import livekit  # noqa: F401 (the package is here, its names are not used)


class Album:
    def __init__(self) -> None:
        self.tracks: dict[str, str] = {}
        self.participants = {"a": 1}

    def names(self):
        return [name for name in self.tracks.values()] + list(self.participants.values())


class AudioSource:
    def __init__(self, rate, channels) -> None:
        self.sid = f"{rate}/{channels}"


async def say(text: str, add_to_chat_context: bool = True) -> None:
    print(text)


def accept(entry, auto_subscribe=None):
    return entry


album = Album()
print(len(album.tracks), album.participants, AudioSource(1, 2).sid, accept(say))
