"""searches.v1 → the result of a part."""

import asyncio
from collections.abc import Sequence

from budsim.core.errors import BudSimError
from budsim.services.ports import OutgoingMessage
from budsim.services.search import Searcher
from budsim.stream.codec import Codec, Received
from budsim.stream.loop import Route
from topics.searches import SearchRequested


def search_route(searcher: Searcher, codec: Codec[SearchRequested], *, places: int) -> Route[SearchRequested]:
    """Return the route of tasks to be searched, so many at once as there are places to compute."""

    async def handle(received: Received[SearchRequested]) -> Sequence[OutgoingMessage]:
        return await searcher.search(received.event.task)

    async def failed(received: Received[SearchRequested], error: BudSimError) -> Sequence[OutgoingMessage]:
        return searcher.give_up(received.event.task, error)

    return Route(agent="search", codec=codec, handle=handle, failed=failed, places=asyncio.Semaphore(places))
