"""A worker's /health and /ready: every check of the contract is there, and each one alone makes it not ready."""

from collections.abc import Awaitable, Callable

import pytest

from budsim.app import worker_health
from budsim.core.errors import Unavailable

MOVING = {"consumer": True, "position moves": True}
TAKING = {"assigned": True, "recovered": True, "no hold": True}


class FakeProbe:
    def alive(self) -> dict[str, bool]:
        return MOVING

    def ready(self) -> dict[str, bool]:
        return TAKING


class FakePool:
    def __init__(self, *, living: int = 2, warm: bool = True) -> None:
        self.size, self.pids, self.is_warm = 2, tuple(range(living)), warm


async def answering() -> float:
    return 0.0


async def away() -> float:
    raise Unavailable("PostgreSQL is away")


async def test_a_flow_worker_answers_with_flow_control_and_postgresql() -> None:
    health = worker_health(FakeProbe(), answering, None)
    assert await health.alive() == MOVING
    assert await health.ready() == {**TAKING, "postgresql": True}


async def test_an_eval_worker_adds_its_pool_and_its_models() -> None:
    assert await worker_health(FakeProbe(), answering, FakePool()).ready() == {**TAKING, "postgresql": True, "pool": True, "models": True}


@pytest.mark.parametrize(
    ("ask", "pool", "failing"),
    [
        (away, FakePool(), {"postgresql"}),
        (answering, FakePool(living=1, warm=False), {"pool", "models"}),
        (answering, FakePool(warm=False), {"models"}),
    ],
)
async def test_each_thing_that_is_away_makes_it_not_ready_and_leaves_it_alive(
    ask: Callable[[], Awaitable[float]], pool: FakePool, failing: set[str]
) -> None:
    health = worker_health(FakeProbe(), ask, pool)
    assert {name for name, well in (await health.ready()).items() if not well} == failing
    assert await health.alive() == MOVING
