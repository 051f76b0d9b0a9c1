"""The server's API: mostly as it was."""

import asyncio

from livekit import api


def token(room: str, identity: str) -> str:
    grants = api.VideoGrants(room_join=True, room=room)
    return api.AccessToken("key", "secret").with_identity(identity).with_grants(grants).to_jwt()


def odd_token(room: str) -> str:
    made = api.AccessToken("key", "secret").with_identity("someone")
    made.claims.video.room = room
    return made.to_jwt()


async def main() -> None:
    lkapi = api.LiveKitAPI("http://localhost:7880", "key", "secret")
    await lkapi.room.create_room(api.CreateRoomRequest(name="eloquence", empty_timeout=600))
    found = await lkapi.room.list_participants(api.ListParticipantsRequest(room="eloquence"))
    for participant in found.participants:
        print(participant.identity, len(participant.tracks))
    await lkapi.room.create_room(
        api.CreateRoomRequest(name="jury", agent=api.RoomAgent())  # whatever an agent was then
    )
    trunks = await lkapi.sip.list_sip_trunk(api.ListSIPTrunkRequest())
    print(trunks)
    await lkapi.aclose()


def refusal() -> api.TwirpError:
    return api.TwirpError(api.TwirpErrorCode.NOT_FOUND, "no such room")


def verify(body: str, auth: str):
    return api.WebhookReceiver(api.TokenVerifier("key", "secret")).receive(body, auth)


if __name__ == "__main__":
    asyncio.run(main())
