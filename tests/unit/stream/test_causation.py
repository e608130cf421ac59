"""Whatever a route does, at any attempt, follows from the event in hand; the next event has its own."""

import json

from budsim.services.causation import Parent, parent
from budsim.stream.loop import Outcome
from tests.support.stream_fakes import Desk, record

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NAMED = [("ce_id", b"parent-1"), ("traceparent", TRACE.encode())]


class Watching(Desk):
    """A desk that notes what its work follows from."""

    def __init__(self) -> None:
        super().__init__()
        self.parents: list[Parent] = []

    async def handle(self, event: object):  # type: ignore[no-untyped-def]
        self.parents.append(parent())
        return await super().handle(event)

    async def tell(self, *news: object):  # type: ignore[no-untyped-def]
        self.parents.append(parent())
        return await super().tell(*news)


async def test_every_attempt_and_the_news_of_its_failure_follow_from_the_event() -> None:
    desk = Watching()
    desk.script = [KeyError("a"), KeyError("b"), KeyError("c")]
    assert await desk.loop.conclude(record(headers=NAMED), desk.route()) is Outcome.DEAD_LETTER
    assert desk.parents == [Parent(event_id="parent-1", traceparent=TRACE)] * 4
    assert parent() == Parent()


async def test_the_attributes_of_a_structured_cloudevent_count_as_well() -> None:
    desk = Watching()
    body = {"specversion": "1.0", "id": "structured-1", "traceparent": TRACE, "data": {"name": "Ada"}}
    await desk.loop.conclude(record(json.dumps(body).encode()), desk.route())
    assert desk.parents == [Parent(event_id="structured-1", traceparent=TRACE)]


async def test_an_event_without_an_id_is_named_by_its_place() -> None:
    desk = Watching()
    await desk.loop.conclude(record(offset=9), desk.route())
    assert desk.parents == [Parent(event_id="greetings/3/9")]


async def test_what_cannot_be_decoded_is_a_parent_too() -> None:
    desk = Watching()
    await desk.loop.conclude(record(b"{", headers=NAMED), desk.route())
    assert desk.parents == [Parent(event_id="parent-1", traceparent=TRACE)]
