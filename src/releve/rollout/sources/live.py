"""The gateway's figures, asked every few seconds, and the gates on them."""

from __future__ import annotations

import asyncio
import logging

from releve.rollout.plan import Plan
from releve.rollout.sources import figures
from releve.rollout.sources.figures import Offers
from releve.rollout.sources.gateway import Away, Gateway, Refused
from releve.rollout.sources.sentinels import Sentinels
from releve.rollout.state import Answer

log = logging.getLogger(__name__)

FIGURES_SECONDS = 5.0


class Live:
    """`gates` has the last answers of `offers`, `agent_audio` and `early_ends`."""

    def __init__(self, plan: Plan, gateway: Gateway, sentinels: Sentinels, began: float) -> None:
        self.gates: dict[str, Answer] = {}
        self._plan = plan
        self._gateway = gateway
        self._sentinels = sentinels
        self._began = began
        self._before: Offers | None = None
        self._rooms: dict[str, str] = {}  # of ours, with the colour that serves each

    async def run(self) -> None:
        """Runs until it is cancelled. A gateway that does not answer leaves the last answers."""
        while True:
            try:
                await self._ask()
            except (Away, Refused) as error:
                log.warning("no figures of the gateway", extra={"why": str(error)})
            await asyncio.sleep(FIGURES_SECONDS)

    async def _ask(self) -> None:
        plan, began = self._plan, self._began
        jobs, offers = await self._gateway.jobs(), await self._gateway.offers()
        self._before = self._before or offers
        ours = [job for job in jobs if job["room"].startswith(figures.OURS)]
        self._rooms |= {job["room"]: job["colour"] for job in ours}
        arrivals = self._sentinels.arrivals()
        self.gates = {
            "offers": figures.offers(plan, self._before, offers),
            "agent_audio": figures.agent_audio(plan, arrivals, self._rooms, began),
            "early_ends": figures.early_ends(plan, jobs, began),
        }
