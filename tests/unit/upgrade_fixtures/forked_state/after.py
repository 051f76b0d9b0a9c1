"""What a forked job had for nothing, and one that is imported anew has not."""

import argparse

from livekit.agents import JobContext, JobRequest, WorkerOptions, cli

VOICE = "nova"


class Service:
    async def entry(self, ctx: JobContext) -> None:
        print(ctx.room.name, VOICE, options.language)

    async def request(self, req: JobRequest) -> None:
        await req.accept(self.entry)

    def run(self) -> None:
        cli.run_app(WorkerOptions(request_fnc=self.request))


async def request(req: JobRequest) -> None:
    wanted = req.room.metadata

    async def entry(ctx: JobContext) -> None:
        print(ctx.room.name, wanted)

    await req.accept(entry)


if __name__ == "__main__":
    options = argparse.ArgumentParser().parse_args([])
    VOICE = "alloy"
    language = options
    if language:
        Service().run()
    else:
        cli.run_app(WorkerOptions(request_fnc=request))
