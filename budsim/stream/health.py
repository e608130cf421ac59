"""Whether a worker moves: alive by its progress, ready by what it may take."""

import time
from collections.abc import Callable
from typing import Any

from aiokafka import TopicPartition

Place = tuple[int, int | None, int | None]
STALL_S = 90.0  # longest time one message may take: 30 s of attempts and delays, and 20 s for each thing that must be sent


class FlowProbe:
    """Looks at a Faust app from outside; asked again and again, it remembers when each partition last moved."""

    def __init__(
        self, app: Any, *, holding: Callable[[], int], stall_s: float = STALL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._holding = holding
        self._stall_s = stall_s
        self._clock = clock
        self._moved: dict[Any, tuple[Place, float]] = {}

    def alive(self) -> dict[str, bool]:
        """Return what must be true for the worker to be worth keeping: a hold or a rebalance is no reason to kill it."""
        consumer = self._consumer()
        waiting = consumer is None or self._holding() > 0 or self._app.rebalancing
        return {
            "consumer": consumer is None or (not consumer.should_stop and consumer.crash_reason is None),
            "position moves": self._moves(consumer, waiting=waiting),
        }

    def ready(self) -> dict[str, bool]:
        """Return what must be true for the worker to take work at once."""
        consumer = self._consumer()
        return {
            "assigned": consumer is not None and bool(consumer.assignment()),
            "recovered": not (self._app.rebalancing or self._app.in_recovery),
            "no hold": self._holding() == 0,
        }

    def lag(self) -> dict[str, int]:
        """Return, by topic, how many messages of the assigned partitions are not committed, as far as the client has heard."""
        consumer = self._consumer()
        found: dict[str, int] = {}
        for tp in consumer.assignment() if consumer is not None else ():
            if consumer.app.topics.acks_enabled_for(tp.topic):
                end, fetched = _fetched(consumer, tp)
                committed = consumer._committed_offset.get(tp)
                found[tp.topic] = found.get(tp.topic, 0) + max(0, end - (fetched if committed is None else committed))
        return found

    def _consumer(self) -> Any:
        consumer = self._app._consumer
        return consumer if consumer is not None and consumer.started else None

    def _moves(self, consumer: Any, *, waiting: bool) -> bool:
        now_s = self._clock()
        if waiting:
            self._moved.clear()
            return True
        places = {tp: place for tp in consumer.assignment() if (place := pending_place(consumer, tp)) is not None}
        self._moved = {tp: self._last_move(tp, place, now_s) for tp, place in places.items()}
        return all(now_s - since_s < self._stall_s for _, since_s in self._moved.values())

    def _last_move(self, tp: Any, place: Place, now_s: float) -> tuple[Place, float]:
        known = self._moved.get(tp)
        return known if known is not None and known[0] == place else (place, now_s)


def pending_place(consumer: Any, tp: Any) -> Place | None:
    """Return where the worker stands in a partition that it has something to do in: fetched up to, committed up to, in hand."""
    if not consumer.app.topics.acks_enabled_for(tp.topic):
        return None
    end, fetched = _fetched(consumer, tp)
    committed, delivered = consumer._committed_offset.get(tp), consumer._read_offset.get(tp)
    in_hand = min((message.offset for message in consumer.unacked if message.tp == tp and not message.acked), default=None)
    idle = fetched >= end and in_hand is None and not _exceeds(delivered, committed)
    return None if idle else (fetched, committed, in_hand)


def _exceeds(delivered: int | None, committed: int | None) -> bool:
    return delivered is not None and committed is not None and delivered > committed


def _fetched(consumer: Any, tp: Any) -> tuple[int, int]:
    """Return the end of a partition as the client last heard of it, and how far it was fetched; (0, 0) before that."""
    assignment = consumer._thread._ensure_consumer()._subscription.subscription.assignment
    place = TopicPartition(tp.topic, tp.partition)
    if assignment is None or place not in assignment.tps:
        return 0, 0
    state = assignment.state_value(place)
    return (state.highwater, state.position) if state.highwater is not None and state.has_valid_position else (0, 0)
