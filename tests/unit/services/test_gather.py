"""Gather: first result of each part, RUNNING at every quarter, an answer once all parts or the deadline are in."""

from dataclasses import replace
from uuid import UUID

import pytest

from budsim.core.errors import BudSimError
from budsim.core.ranking.recommendation import Completion
from budsim.core.search.part import Blacklist, Part, PartResult, PartStatus
from budsim.services.gather import Gatherer
from budsim.services.ports import StoredPart, WorkflowStatus
from tests.support.search_fakes import make_entry
from tests.support.service_fakes import FakeBlacklists, FakeOutbox, FakeWorkflows, PlainMessages, Workflow
from tests.support.storage_values import FakeClock, make_request, parts_of, result_of

ENDING = [
    "progress performance_estimation COMPLETED",
    "progress ranking STARTED",
    "progress ranking COMPLETED",
    "progress results COMPLETED",
    "recommendation completed",
]


class Desk:
    """A running workflow of so many parts, and gather."""

    def __init__(self, parts: int) -> None:
        self.blacklists, self.outbox = FakeBlacklists(), FakeOutbox()
        self.workflows = FakeWorkflows(self.blacklists)
        request = make_request()
        self.workflow_id: UUID = request.workflow_id
        self.parts = parts_of(request.workflow_id, *(f"c{number}" for number in range(parts)))
        stored = {part.part_id: StoredPart(part=part, result=None) for part in self.parts}
        self.workflow = Workflow(request=request, status=WorkflowStatus.RUNNING, parts=stored)
        self.workflows.stored[self.workflow_id] = self.workflow
        self.gatherer = Gatherer(workflows=self.workflows, outbox=self.outbox, messages=PlainMessages(), clock=FakeClock(0.0))

    async def take(self, *results: PartResult) -> None:
        for result in results:
            await self.gatherer.part_finished(self.workflow_id, result)

    def percents(self) -> list[int | None]:
        return [step.percent for step in self.workflow.steps if step.status == "RUNNING"]


def failed(part: Part) -> PartResult:
    return PartResult(part_id=part.part_id, status=PartStatus.FAILED, reason="broke", remedy="again")


async def test_the_last_part_ends_the_workflow_in_the_order_of_the_contract() -> None:
    desk = Desk(1)
    await desk.take(result_of(desk.parts[0]))
    assert desk.workflow.outbox == ENDING
    assert desk.workflow.status is WorkflowStatus.COMPLETED
    assert desk.outbox.published == [str(desk.workflow_id)]


@pytest.mark.parametrize(
    ("parts", "percents"),
    [(1, []), (2, [50]), (3, [33, 66]), (4, [25, 50, 75]), (5, [40, 60, 80]), (8, [25, 50, 75]), (100, [25, 50, 75])],
)
async def test_running_is_told_whenever_a_commit_crosses_25_50_or_75_percent(parts: int, percents: list[int]) -> None:
    desk = Desk(parts)
    await desk.take(*map(failed, desk.parts))
    assert desk.percents() == percents


async def test_every_running_event_names_the_best_that_was_found_by_then() -> None:
    desk = Desk(5)
    dear, cheap = (
        replace(result, configurations=tuple(replace(item, cost_per_million_tokens=cost) for item in result.configurations))
        for result, cost in ((result_of(desk.parts[1]), 3.0), (result_of(desk.parts[2]), 1.5))
    )
    await desk.take(failed(desk.parts[0]), dear, cheap, failed(desk.parts[3]))
    first, second, third = [step.message for step in desk.workflow.steps if step.status == "RUNNING"]
    assert first.startswith("2 of 5 parts are judged; best so far: ") and " in c1, $3 per" in first
    assert second.startswith("3 of 5 parts are judged; best so far: ") and " in c2, $1.5 per" in second
    assert " in c2, $1.5 per" in third


async def test_a_running_event_before_anything_was_found_says_how_many_parts_are_judged() -> None:
    desk = Desk(2)
    await desk.take(failed(desk.parts[0]))
    assert [step.message for step in desk.workflow.steps] == ["1 of 2 parts are judged"]


async def test_a_second_result_of_a_part_changes_nothing_also_when_it_differs() -> None:
    desk = Desk(2)
    await desk.take(result_of(desk.parts[0]))
    before = list(desk.workflow.outbox)
    await desk.take(failed(desk.parts[0]))
    assert desk.workflow.outbox == before
    await desk.take(result_of(desk.parts[1]), failed(desk.parts[1]))
    assert desk.workflow.outbox == [*before, *ENDING]
    assert desk.workflow.answer is not None
    assert len(desk.workflow.answer.clusters) == 2


@pytest.mark.parametrize("status", [status for status in WorkflowStatus if status.is_terminal])
async def test_neither_a_part_nor_the_deadline_changes_an_ended_workflow(status: WorkflowStatus) -> None:
    desk = Desk(1)
    desk.workflow.status = status
    await desk.take(result_of(desk.parts[0]))
    await desk.gatherer.deadline_reached(desk.workflow_id)
    assert (desk.workflow.status, desk.workflow.outbox) == (status, [])


async def test_news_of_an_unknown_workflow_changes_nothing() -> None:
    desk = Desk(1)
    del desk.workflows.stored[desk.workflow_id]
    await desk.take(result_of(desk.parts[0]))
    await desk.gatherer.deadline_reached(desk.workflow_id)
    assert desk.workflow.outbox == []


async def test_a_deadline_gives_a_partial_answer_that_names_what_is_missing() -> None:
    desk = Desk(2)
    await desk.take(result_of(desk.parts[0]))
    await desk.gatherer.deadline_reached(desk.workflow_id)
    answer = desk.workflow.answer
    assert desk.workflow.status is WorkflowStatus.PARTIAL
    assert answer is not None
    assert answer.completion is Completion.PARTIAL
    assert [cluster.cluster_id for cluster in answer.clusters] == ["c0"]
    assert "c1" in str(answer.missing)


async def test_a_deadline_before_any_result_is_a_failure_with_a_remedy() -> None:
    desk = Desk(2)
    await desk.gatherer.deadline_reached(desk.workflow_id)
    assert desk.workflow.status is WorkflowStatus.FAILED
    assert desk.workflow.answer is not None
    assert desk.workflow.answer.failure is not None
    assert desk.workflow.answer.failure.code == "simulation_timed_out"
    assert "heuristic" in desk.workflow.answer.failure.remedy


async def test_gather_drops_what_postgresql_lists_though_the_search_did_not_know_of_it() -> None:
    desk = Desk(1)
    (part,) = desk.parts
    result = result_of(part)
    best = result.configurations[0]
    entry = make_entry(
        part, tensor_parallel=best.candidate.tensor_parallel, pipeline_parallel=best.candidate.pipeline_parallel, memory_bytes=1e15
    )
    listed = replace(entry, config_id=best.config_id, expires_at=1e12)
    desk.blacklists.listed[part.key] = Blacklist(key=part.key, version=1, entries=(listed,))
    await desk.take(result)
    assert desk.workflow.answer is not None
    (cluster,) = desk.workflow.answer.clusters
    assert cluster.configurations
    assert best.config_id not in {ranked.configuration.config_id for ranked in (*cluster.configurations, *cluster.pareto)}


async def test_when_every_part_failed_the_answer_is_a_failure_with_the_reasons() -> None:
    desk = Desk(2)
    await desk.take(*map(failed, desk.parts))
    assert desk.workflow.status is WorkflowStatus.FAILED
    assert desk.workflow.outbox[-2:] == ["progress ranking FAILED", "recommendation failed"]


async def test_news_that_cannot_be_taken_in_ends_its_workflow_as_failed_once() -> None:
    desk = Desk(2)
    error = BudSimError("ValueError: 7", remedy="send the request again")
    await desk.gatherer.give_up(desk.workflow_id, error)
    assert desk.workflow.status is WorkflowStatus.FAILED
    told = list(desk.workflow.outbox)
    assert told == ["progress ranking FAILED", "recommendation failed"]
    assert desk.outbox.published == [str(desk.workflow_id)]
    await desk.gatherer.give_up(desk.workflow_id, error)
    assert desk.workflow.outbox == told
