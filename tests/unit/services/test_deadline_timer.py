"""The deadline timer: an outage of PostgreSQL moves deadlines before any is announced; one of Kafka stops nothing."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from budsim.core.errors import Unavailable
from budsim.services.background import NEWCOMER_TICKS, DeadlineTimer
from tests.support.service_fakes import FakeOutbox, FakeWorkflows
from tests.support.storage_values import FakeClock

DUE = uuid4()


class DueWorkflows(FakeWorkflows):
    """One workflow is due at every tick, unless PostgreSQL is away."""

    def __init__(self, calls: list[str]) -> None:
        super().__init__()
        self.calls = calls
        self.away = False

    async def due(self, now_s: float, limit: int) -> Sequence[UUID]:
        if self.away:
            raise Unavailable("PostgreSQL is away")
        self.calls.append("due")
        return (DUE,)


class FakeHeartbeat:
    def __init__(self, calls: list[str], *, fresh: bool = True) -> None:
        self.calls = calls
        self.fresh = fresh

    async def is_fresh(self) -> bool:
        return self.fresh

    async def beat(self) -> None:
        self.calls.append("beat")

    async def shift_deadlines(self) -> float:
        self.calls.append("shift")
        return 15.0


class AwayOutbox(FakeOutbox):
    async def publish(self, stream_key: str) -> int:
        raise Unavailable("Kafka is away")


class Desk:
    def __init__(self, *, fresh: bool = True, outbox: FakeOutbox | None = None) -> None:
        self.calls: list[str] = []
        self.workflows, self.heartbeat = DueWorkflows(self.calls), FakeHeartbeat(self.calls, fresh=fresh)
        self.timer = DeadlineTimer(workflows=self.workflows, heartbeat=self.heartbeat, outbox=outbox or FakeOutbox(), clock=FakeClock(0.0))

    async def ticks(self, count: int) -> list[str]:
        for _ in range(count):
            await self.timer.tick()
        return self.calls


async def test_without_an_outage_a_timer_beats_and_announces() -> None:
    assert await Desk().ticks(2) == ["beat", "due", "beat", "due"]


async def test_after_an_outage_deadlines_move_once_before_any_is_announced() -> None:
    desk = Desk()
    desk.workflows.away = True
    await desk.ticks(3)
    desk.workflows.away = False
    desk.calls.clear()
    assert await desk.ticks(2) == ["shift", "beat", "due", "beat", "due"]


async def test_a_newcomer_lets_those_who_lived_through_the_outage_go_first() -> None:
    desk = Desk(fresh=False)
    assert await desk.ticks(2) == []
    desk.heartbeat.fresh = True
    assert await desk.ticks(1) == ["beat", "due"]


async def test_where_nobody_lived_through_it_the_newcomer_announces_what_has_passed() -> None:
    desk = Desk(fresh=False)
    assert await desk.ticks(NEWCOMER_TICKS) == []
    assert await desk.ticks(1) == ["beat", "due"]


async def test_kafka_away_moves_no_deadline() -> None:
    assert await Desk(outbox=AwayOutbox()).ticks(2) == ["beat", "due", "beat", "due"]
