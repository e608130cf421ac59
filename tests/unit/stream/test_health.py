from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from faust.types import TP

from budsim.stream.health import STALL_S, FlowProbe

PLACE = TP("greetings", 0)


class FakePlace:
    """A partition as the client sees it."""

    def __init__(self) -> None:
        self.highwater: int | None = 10
        self.position = 10
        self.has_valid_position = True


class FakeConsumer:
    """A Faust consumer that has read and committed all ten records of one partition."""

    def __init__(self) -> None:
        self.started, self.should_stop, self.crash_reason = True, False, None
        self.place = FakePlace()
        self.places = {PLACE}
        self.unacked: list[Any] = []
        self._committed_offset: dict[TP, int | None] = {PLACE: 10}
        self._read_offset: dict[TP, int | None] = {PLACE: 9}
        self.app = SimpleNamespace(topics=SimpleNamespace(acks_enabled_for=lambda topic: topic == "greetings"))
        assignment = SimpleNamespace(tps={TopicPartition(*PLACE)}, state_value=lambda _: self.place)
        client = SimpleNamespace(_subscription=SimpleNamespace(subscription=SimpleNamespace(assignment=assignment)))
        self._thread = SimpleNamespace(_ensure_consumer=lambda: client)

    def assignment(self) -> set[TP]:
        return self.places


class Ward:
    def __init__(self) -> None:
        self.consumer = FakeConsumer()
        self.app = SimpleNamespace(_consumer=self.consumer, rebalancing=False, in_recovery=False)
        self.holding, self.now_s = 0, 0.0
        self.probe = FlowProbe(self.app, holding=lambda: self.holding, clock=lambda: self.now_s)

    def alive_after(self, seconds: float) -> bool:
        self.probe.alive()
        self.now_s += seconds
        return all(self.probe.alive().values())

    def take(self, offset: int) -> None:
        self.consumer.unacked = [SimpleNamespace(tp=PLACE, offset=offset, acked=False)]


def test_a_worker_with_nothing_to_do_is_alive_however_long() -> None:
    assert Ward().alive_after(10 * STALL_S)


@pytest.mark.parametrize("reason", ["in hand", "not fetched", "not committed"])
def test_a_worker_with_something_to_do_that_does_not_move_is_not_alive(reason: str) -> None:
    ward = Ward()
    match reason:
        case "in hand":
            ward.take(9)
        case "not fetched":
            ward.consumer.place.highwater = 12
        case "not committed":
            ward.consumer._committed_offset[PLACE] = 5
    assert ward.alive_after(STALL_S - 1)
    assert not ward.alive_after(1)


def test_a_slow_worker_that_moves_is_alive() -> None:
    ward = Ward()
    for offset in range(5, 9):
        ward.take(offset)
        assert ward.alive_after(STALL_S - 1)


@pytest.mark.parametrize("reason", ["hold", "rebalance"])
def test_a_hold_and_a_rebalance_are_alive_and_not_ready(reason: str) -> None:
    ward = Ward()
    ward.take(9)
    ward.holding = int(reason == "hold")
    ward.app.rebalancing = reason == "rebalance"
    assert ward.alive_after(10 * STALL_S)
    assert not all(ward.probe.ready().values())
    ward.holding, ward.app.rebalancing = 0, False
    assert ward.alive_after(STALL_S - 1)  # what it waited does not count
    assert all(ward.probe.ready().values())


def test_what_was_never_committed_and_has_expired_is_no_lag() -> None:
    ward = Ward()
    ward.consumer._committed_offset[PLACE] = ward.consumer._read_offset[PLACE] = None
    assert ward.alive_after(10 * STALL_S)


def test_before_it_started_it_is_alive_and_not_ready() -> None:
    ward = Ward()
    ward.app._consumer = None
    assert all(ward.probe.alive().values())
    assert not all(ward.probe.ready().values())


@pytest.mark.parametrize("change", [{"should_stop": True}, {"crash_reason": KeyError("x")}])
def test_a_consumer_that_ended_is_not_alive(change: dict[str, Any]) -> None:
    ward = Ward()
    vars(ward.consumer).update(change)
    assert not all(ward.probe.alive().values())


def test_recovering_and_unassigned_workers_are_not_ready() -> None:
    ward = Ward()
    ward.app.in_recovery = True
    assert not ward.probe.ready()["recovered"]
    ward.consumer.places = set()
    assert not ward.probe.ready()["assigned"]


def test_lag_is_what_is_not_committed_by_topic_of_the_assigned_partitions() -> None:
    ward = Ward()
    assert ward.probe.lag() == {"greetings": 0}
    ward.consumer._committed_offset[PLACE] = 4
    assert ward.probe.lag() == {"greetings": 6}  # 10 − 4
    ward.consumer._committed_offset[PLACE] = None
    ward.consumer.place.position = 7
    assert ward.probe.lag() == {"greetings": 3}  # 10 − 7: what was never committed counts from where it was fetched up to
    ward.consumer.places = {TP("changelog", 0)}
    assert ward.probe.lag() == {}
    ward.app._consumer = None
    assert ward.probe.lag() == {}
