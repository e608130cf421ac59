"""The process pool, with processes that are really killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from budsim.adapters.process_pool import ProcessPool, WorkerCrashed
from budsim.app import keep_warm
from budsim.core.errors import DoesNotFit, Unavailable
from budsim.stream.worker import supervised
from tests.support.pool_calls import (
    SLOW_S,
    announce_and_hang,
    fail_to_warm,
    kill_yourself,
    let_the_first_warm_slowly,
    pid_when_told,
    refuse,
    warm_at_the_second_try,
    warm_up,
    what_was_warmed,
)
from tests.support.waiting import wait_until, wait_until_blocking

ROOT = Path(__file__).resolve().parents[2]


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture
async def pool() -> AsyncIterator[ProcessPool]:
    made = ProcessPool(2, warm=warm_up)
    yield made
    made.stop()


async def test_a_call_is_computed_in_another_process(pool: ProcessPool) -> None:
    assert await pool.run(divmod, 17, 5) == (3, 2)
    assert await pool.run(os.getpid) != os.getpid()


async def test_an_error_arrives_with_its_type_and_its_fields(pool: ProcessPool) -> None:
    with pytest.raises(DoesNotFit, match="81 bytes") as caught:
        await pool.run(refuse, 81)
    assert (caught.value.param, caught.value.remedy) == ("memory", "Take more devices.")


async def test_only_the_culprit_of_a_killed_process_is_charged(pool: ProcessPool, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    neighbour = asyncio.create_task(pool.run(pid_when_told, str(gate)))
    culprit = asyncio.create_task(pool.run(kill_yourself))
    waiting = [asyncio.create_task(pool.run(pid_when_told, str(gate))) for _ in range(5)]
    with pytest.raises(WorkerCrashed, match="kill_yourself ended with code -9"):
        await culprit
    assert not neighbour.done()
    gate.touch()
    pids = await asyncio.gather(neighbour, *waiting)
    assert len(pids) == 6
    assert set(pids) <= set(pool.pids)  # the neighbour's process is one of the two that live now: it was never restarted


async def test_many_culprits_among_many_neighbours_are_each_charged_once(pool: ProcessPool) -> None:
    calls = [pool.run(kill_yourself) if number % 3 == 0 else pool.run(pow, number, 2) for number in range(9)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer).__name__ if isinstance(answer, Exception) else answer for answer in answers] == [
        "WorkerCrashed", 1, 4, "WorkerCrashed", 16, 25, "WorkerCrashed", 49, 64,
    ]  # fmt: skip


async def test_a_process_killed_while_idle_charges_nobody(pool: ProcessPool) -> None:
    await pool.start()
    for pid in pool.pids:
        os.kill(pid, signal.SIGKILL)
    await wait_until(lambda: not pool.pids, SLOW_S, what="both processes are gone")
    assert await asyncio.gather(pool.run(abs, -1), pool.run(abs, -2), pool.run(abs, -3)) == [1, 2, 3]


async def test_each_process_is_warmed_once_and_computes_on_one_thread(pool: ProcessPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")  # whatever holds for the parent
    await pool.start()
    assert [await pool.run(what_was_warmed) for _ in range(4)] == [(["yes"], "1")] * 4


async def test_a_process_ignores_the_terminals_ctrl_c(pool: ProcessPool) -> None:
    await pool.start()
    before = pool.pids
    for pid in before:
        os.kill(pid, signal.SIGINT)
    await asyncio.gather(*(pool.run(abs, -1) for _ in range(4)))
    assert pool.pids == before


async def test_a_cancelled_call_ends_its_process_and_no_other(pool: ProcessPool, tmp_path: Path) -> None:
    gate, announcement = tmp_path / "gate", tmp_path / "pid"
    neighbour = asyncio.create_task(pool.run(pid_when_told, str(gate)))
    endless = asyncio.create_task(pool.run(announce_and_hang, str(announcement)))
    await wait_until(lambda: announcement.exists() and announcement.read_text(), SLOW_S, what="the endless call begins")
    endless.cancel()
    with pytest.raises(asyncio.CancelledError):
        await endless
    await wait_until(lambda: is_gone(int(announcement.read_text())), SLOW_S, what="the process of the cancelled call is gone")
    answers = [asyncio.create_task(pool.run(abs, -number)) for number in range(3)]
    assert await asyncio.wait_for(asyncio.gather(*answers), SLOW_S) == [0, 1, 2]  # while the neighbour keeps its process
    gate.touch()
    assert await neighbour in pool.pids


async def test_a_process_that_still_warms_up_is_given_no_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOL_GATE", str(tmp_path / "gate"))
    pool = ProcessPool(2, warm=let_the_first_warm_slowly)
    try:
        starting = asyncio.create_task(pool.start())
        answers = [pool.run(abs, -number) for number in range(4)]
        assert await asyncio.wait_for(asyncio.gather(*answers), SLOW_S) == [0, 1, 2, 3]
        assert not starting.done()
        (tmp_path / "gate").touch()
        await starting
    finally:
        pool.stop()


async def test_a_pool_is_warm_once_all_processes_are_and_again_after_one_was_replaced(pool: ProcessPool) -> None:
    assert not pool.is_warm
    await pool.run(abs, -1)
    assert not pool.is_warm  # the other has not started
    await pool.start()
    assert pool.is_warm
    os.kill(pool.pids[0], signal.SIGKILL)
    await wait_until(lambda: not pool.is_warm, SLOW_S, what="the kill is noticed")
    await pool.start()
    assert pool.is_warm


async def test_a_process_whose_models_do_not_load_is_not_warm_and_says_why() -> None:
    pool = ProcessPool(1, warm=fail_to_warm)
    try:
        for _ in range(2):
            with pytest.raises(DoesNotFit):
                await pool.start()
            assert not pool.is_warm
    finally:
        pool.stop()


async def test_models_that_load_at_the_second_try_make_the_pool_warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOL_GATE", str(tmp_path / "gate"))
    pool = ProcessPool(1, warm=warm_at_the_second_try)
    keeping = asyncio.create_task(supervised("pool", lambda: keep_warm(pool)))
    try:
        await wait_until(lambda: pool.is_warm, SLOW_S, what="the pool is warm")
        assert await pool.run(abs, -1) == 1
    finally:
        keeping.cancel()
        await pool.close()


async def test_a_stop_ends_a_computing_process_and_tells_its_caller(pool: ProcessPool, tmp_path: Path) -> None:
    hanging = asyncio.create_task(pool.run(announce_and_hang, str(tmp_path / "pid")))
    await wait_until((tmp_path / "pid").exists, SLOW_S)
    pids = pool.pids
    pool.stop()
    with pytest.raises(Unavailable):
        await hanging
    with pytest.raises(Unavailable):
        await pool.run(abs, -1)
    assert all(map(is_gone, pids))


def test_the_processes_of_a_killed_parent_end_also_while_they_compute(tmp_path: Path) -> None:
    announcement = tmp_path / "pid"
    program = (
        "import asyncio; from budsim.adapters.process_pool import ProcessPool; "
        "from tests.support.pool_calls import announce_and_hang; "
        f"asyncio.run(ProcessPool(1).run(announce_and_hang, {str(announcement)!r}))"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    wait_until_blocking(lambda: announcement.exists() and announcement.read_text(), SLOW_S, what="the child computes")
    parent.kill()
    parent.wait()
    wait_until_blocking(lambda: is_gone(int(announcement.read_text())), SLOW_S, what="the child ends with its parent")
