"""An answer too large for one message is sent shortened, and says so; the store keeps it whole."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from budsim.adapters.wire.messages import KafkaMessages
from budsim.core.ranking.recommendation import Recommendation
from budsim.core.ranking.shorten import shortened
from budsim.services.gather import Gatherer
from budsim.services.ports import OutgoingMessage, PlanNotes, StepProgress, StoredPart, WorkflowStatus
from tests.support.storage_values import FakeClock, answer_of, make_request, parts_of, result_of
from topics.progress import ProgressReported
from topics.recommendations import RecommendationMade

WORKFLOW = UUID("1b671a64-40d5-491e-99b0-da01ff1f3341")
REQUEST = make_request(WORKFLOW)
PARTS = parts_of(WORKFLOW, "c1", "c2")


class LastPart:
    """The store of a workflow of which the last part comes in; encodes as the real one does."""

    def __init__(self, messages: KafkaMessages) -> None:
        self.messages = messages
        self.status = WorkflowStatus.RUNNING
        self.sent: list[OutgoingMessage] = []
        self.stored: Recommendation | None = None
        self.request, self.notes = REQUEST, PlanNotes()
        self.parts_done = self.parts_total = len(PARTS)

    @asynccontextmanager
    async def locked(self, workflow_id: UUID) -> AsyncIterator["LastPart"]:
        yield self

    async def record(self, result: object) -> bool:
        return True

    async def parts(self) -> list[StoredPart]:
        return [StoredPart(part=part, result=result_of(part)) for part in PARTS]

    async def blacklisted(self, keys: Sequence[str]) -> list[Any]:
        return []

    async def progress(self, step: StepProgress) -> None:
        self.sent += self.messages.progress(REQUEST, step, len(self.sent))

    async def emit(self, messages: Sequence[OutgoingMessage]) -> None:
        self.sent += messages

    async def finish(self, status: WorkflowStatus, recommendation: Recommendation) -> None:
        self.status, self.stored = status, recommendation

    async def publish(self, stream_key: str) -> int:
        return 0


async def ended(limit_bytes: int) -> tuple[LastPart, list[ProgressReported], RecommendationMade]:
    messages = KafkaMessages(prefix="", clock=FakeClock(0.0), max_value_bytes=limit_bytes)
    store: Any = LastPart(messages)
    gatherer = Gatherer(workflows=store, outbox=store, messages=messages, clock=FakeClock(0.0))
    await gatherer.part_finished(WORKFLOW, result_of(PARTS[-1]))
    *progress, answer = store.sent
    events = [ProgressReported.model_validate_json(message.value or b"") for message in progress]
    return store, events, RecommendationMade.model_validate_json(answer.value or b"")


def size(answer: Recommendation) -> int:
    step = StepProgress(event="results", title="Results", message="", status="COMPLETED", result=answer)
    return len(KafkaMessages(prefix="", clock=FakeClock(0.0)).progress(REQUEST, step, 0)[0].value or b"") + 200


async def test_an_answer_that_fits_is_sent_whole() -> None:
    store, _, answer = await ended(512 * 1024)
    assert store.status is WorkflowStatus.COMPLETED
    assert all(item.pareto and not item.warnings for item in answer.recommendations)


@pytest.mark.parametrize("step", [1, 2, 3])
async def test_an_answer_that_is_too_large_is_shortened_as_far_as_it_must_be(step: int) -> None:
    versions = list(shortened(answer_of(REQUEST, PARTS)))
    store, events, answer = await ended(size(versions[step]))
    expected = len(versions[step].clusters[0].configurations)
    assert store.status is WorkflowStatus.COMPLETED
    assert [len(item.configurations) for item in answer.recommendations] == [expected, expected]
    assert all(item.pareto == [] and "too large for one message" in item.warnings[-1] for item in answer.recommendations)
    assert events[-1].payload.event == "results"
    assert store.stored is not None
    assert all(cluster.pareto for cluster in store.stored.clusters)


async def test_an_answer_that_cannot_be_shortened_enough_is_a_failure_with_a_remedy() -> None:
    store, events, answer = await ended(2500)
    assert store.status is WorkflowStatus.FAILED
    assert answer.error is not None
    assert (answer.error.code, answer.error.remedy) == ("message_too_large", "Ask for fewer clusters or a smaller top_k.")
    last = events[-1].payload
    assert (last.event, last.content.status, last.content.primary_action) == ("results", "FAILED", "retry")


def test_shortening_ends_with_the_best_configuration_of_each_cluster() -> None:
    whole, *_, least = shortened(answer_of(REQUEST, PARTS))
    assert [cluster.configurations for cluster in least.clusters] == [cluster.configurations[:1] for cluster in whole.clusters]
