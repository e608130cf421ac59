"""The sweeper beside the messages: what it does at each look."""

import pytest

from budsim.core.errors import Unavailable
from budsim.services.background import PRUNE_EVERY_S, OutboxSweeper
from tests.support.service_fakes import FakeOutbox
from tests.support.storage_values import FakeClock


class FakeSweepable(FakeOutbox):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.away, self.pruned, self.ages = 0, False, 0, set[float]()

    async def sweep(self, *, older_than_s: float, limit: int) -> int:
        if self.away:
            raise Unavailable("PostgreSQL is away")
        self.ages.add(older_than_s)
        swept, self.left = self.left, 0
        return swept

    async def prune(self) -> None:
        self.pruned += 1


class Desk:
    def __init__(self) -> None:
        self.outbox, self.clock, self.counted = FakeSweepable(), FakeClock(1e9), list[int]()
        self.sweeper = OutboxSweeper(self.outbox, older_than_s=10.0, clock=self.clock, count=self.counted.append)


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_what_was_left_is_swept_and_counted(desk: Desk) -> None:
    desk.outbox.left = 3
    await desk.sweeper.sweep()
    await desk.sweeper.sweep()
    assert (desk.counted, desk.outbox.ages) == ([3], {10.0})


async def test_an_outage_ends_neither_the_sweeper_nor_its_count(desk: Desk) -> None:
    desk.outbox.away, desk.outbox.left = True, 2
    await desk.sweeper.sweep()
    desk.outbox.away = False
    await desk.sweeper.sweep()
    assert desk.counted == [2]


async def test_what_was_sent_long_ago_is_deleted_now_and_then(desk: Desk) -> None:
    for _ in range(5):
        await desk.sweeper.sweep()
    assert desk.outbox.pruned == 1
    desk.clock.time_s += PRUNE_EVERY_S
    await desk.sweeper.sweep()
    assert desk.outbox.pruned == 2
