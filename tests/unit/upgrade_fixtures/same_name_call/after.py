"""A tool whose name other objects use, too: their calls are none of its."""

from livekit.agents import function_tool


class Kitchen:
    def order(self, dish: str):
        return dish


KITCHEN = Kitchen()


class Orders:
    @function_tool(description="order a dish")
    async def order(self, dish: str):
        return KITCHEN.order(dish)

    @function_tool(description="ask for the bill")
    async def bill(self):
        return self.total()

    @function_tool(description="what it costs")
    def total(self):
        return 12
