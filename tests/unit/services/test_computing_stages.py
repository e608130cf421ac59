"""Evaluate and search: one look-up of the part, at most three attempts, and the newer blacklist counts."""

from dataclasses import replace

import pytest

from budsim.core.errors import BudSimError, Unavailable
from budsim.core.search.part import Blacklist, Part, PartResult, PartStatus, SearchTask
from budsim.core.search.space import layouts_for
from budsim.services.evaluate import Evaluator
from budsim.services.ports import OutgoingMessage, Stage
from budsim.services.search import Searcher
from tests.support.search_fakes import FakeMemory, make_entry, make_part
from tests.support.service_fakes import FakeBlacklists, FakeWorkflows, HerePool, PlainMessages
from tests.support.storage_values import FakeClock

PART = make_part()
EMPTY = Blacklist(key=PART.key, version=0, entries=())


def found_nothing(task: SearchTask) -> PartResult:
    return PartResult(part_id=task.part.part_id, status=PartStatus.INFEASIBLE, reason="computed")


class Stages:
    def __init__(self) -> None:
        self.workflows, self.blacklists = FakeWorkflows(), FakeBlacklists()
        self.narrowed: list[SearchTask] = []
        self.evaluator = Evaluator(
            workflows=self.workflows,
            blacklists=self.blacklists,
            memory=FakeMemory(),
            messages=self,
            clock=FakeClock(0.0),
            max_attempts=3,
        )
        self.searcher = Searcher(workflows=self.workflows, pool=HerePool(), messages=self, compute=found_nothing, max_attempts=3)

    def search(self, task: SearchTask) -> OutgoingMessage:
        self.narrowed.append(task)
        return PlainMessages().search(task)

    def part_finished(self, part: Part, result: PartResult) -> OutgoingMessage:
        return PlainMessages().part_finished(part, result)

    async def evaluate(self, part: Part = PART, table: Blacklist | None = EMPTY) -> list[str]:
        return [(item.value or b"").decode() for item in await self.evaluator.evaluate(part, table)]

    async def searched(self, part: Part = PART) -> list[str]:
        task = SearchTask(part=part, layouts=layouts_for(part), blacklist=())
        return [(item.value or b"").decode() for item in await self.searcher.search(task)]


async def test_an_open_part_is_narrowed_and_then_searched() -> None:
    stages = Stages()
    assert await stages.evaluate() == [f"search {PART.part_id}"]
    assert await stages.searched() == [f"finished {PART.part_id} infeasible: computed"]
    assert stages.workflows.attempts == {(PART.part_id, Stage.EVALUATE): 1, (PART.part_id, Stage.SEARCH): 1}


async def test_a_cancelled_or_done_part_is_dropped_by_both_stages() -> None:
    stages = Stages()
    stages.workflows.claim_open = False
    assert await stages.evaluate() == []
    assert await stages.searched() == []


@pytest.mark.parametrize("stage", ["evaluate", "searched"])
async def test_a_part_that_keeps_killing_its_worker_fails_after_three_attempts(stage: str) -> None:
    stages = Stages()
    attempt = getattr(stages, stage)
    for _ in range(3):  # each taken up, each ended by a crash before it had an outcome
        assert not (await attempt())[0].startswith(f"finished {PART.part_id} failed")
    (told,) = await attempt()
    assert told.startswith(f"finished {PART.part_id} failed: ")
    assert "failed 3 times" in told


async def test_an_outage_met_in_evaluate_costs_the_part_no_attempt() -> None:
    stages = Stages()
    stages.blacklists.away = True
    behind = replace(PART, blacklist_version=1)
    for _ in range(10):
        with pytest.raises(Unavailable):
            await stages.evaluate(behind)
    stages.blacklists.away = False
    assert await stages.evaluate(behind) == [f"search {PART.part_id}"]
    assert stages.workflows.attempts == {(PART.part_id, Stage.EVALUATE): 1}


@pytest.mark.parametrize(
    ("planned", "table", "asks"),
    [(0, None, False), (0, 0, False), (3, 3, False), (3, 4, False), (3, 2, True), (3, None, True)],
)
async def test_evaluate_asks_postgresql_only_when_its_table_is_older_than_what_plan_saw(
    planned: int, table: int | None, asks: bool
) -> None:
    stages = Stages()
    listed = Blacklist(key=PART.key, version=3, entries=(make_entry(PART),))
    stages.blacklists.listed[PART.key] = listed
    copy = None if table is None else replace(listed, version=table)
    await stages.evaluate(replace(PART, blacklist_version=planned), copy)
    assert stages.blacklists.asked == [PART.key] * asks
    (task,) = stages.narrowed
    assert len(task.blacklist) == (0 if table is None and not asks else 1)


async def test_a_failure_without_remedy_reaches_gather_as_an_event() -> None:
    stages = Stages()
    error = BudSimError("the predictor broke")
    (evaluated,) = stages.evaluator.give_up(PART, error)
    (searched,) = stages.searcher.give_up(SearchTask(part=PART, layouts=(), blacklist=()), error)
    for told in (evaluated, searched):
        assert (told.value or b"").decode().startswith(f"finished {PART.part_id} failed: ")
        assert b"the predictor broke" in (told.value or b"")
