"""A tool whose name other objects use, too: their calls are none of its."""

from livekit.agents import llm


class Kitchen:
    def order(self, dish: str):
        return dish


KITCHEN = Kitchen()


class Orders(llm.FunctionContext):
    @llm.ai_callable(desc="order a dish")
    def order(self, dish: str):
        return KITCHEN.order(dish)

    @llm.ai_callable(desc="ask for the bill")
    def bill(self):
        return self.total()

    @llm.ai_callable(desc="what it costs")
    def total(self):
        return 12
