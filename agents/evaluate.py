"""evaluations.v1 → a search request, or the result of a part that leaves nothing to search."""

from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter

from budsim.core.errors import BudSimError
from budsim.core.search.part import Blacklist
from budsim.services.evaluate import Evaluator
from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import Codec, Received
from budsim.stream.loop import Route
from topics.evaluations import EvaluationRequested

BLACKLIST = TypeAdapter(Blacklist)


def evaluate_route(evaluator: Evaluator, table: Mapping[bytes, bytes], codec: Codec[EvaluationRequested]) -> Route[EvaluationRequested]:
    """Return the route of parts to be narrowed."""

    async def handle(received: Received[EvaluationRequested]) -> Sequence[OutgoingMessage]:
        part = received.event.part
        stored = table.get(part.key.encode())
        return await evaluator.evaluate(part, BLACKLIST.validate_json(stored) if stored else None)

    async def failed(received: Received[EvaluationRequested], error: BudSimError) -> Sequence[OutgoingMessage]:
        return evaluator.give_up(received.event.part, error)

    return Route(agent="evaluate", codec=codec, handle=handle, failed=failed)
