"""Predictor: candidates in, predictions out, a whole batch at a time."""

from enum import StrEnum
from typing import Protocol

from budsim.core.engines.candidates import BoolArray, Candidates, FloatArray, IntArray
from budsim.core.engines.spec import Scenario
from budsim.core.values import light_value


class Method(StrEnum):
    """Ways to predict."""

    REGRESSOR = "regressor"
    HEURISTIC = "heuristic"


class Bound(StrEnum):
    """What limits a candidate most."""

    COMPUTE = "compute"
    BANDWIDTH = "bandwidth"
    KV_CAPACITY = "kv_capacity"
    COMMUNICATION = "communication"
    QUEUE = "queue"
    OVERHEAD = "overhead"


BOUND_CODES: tuple[Bound, ...] = tuple(Bound)  # a code is an index into this


@light_value
class Interval:
    """5 % and 95 % quantiles, shape (n,) each."""

    low: FloatArray
    high: FloatArray


@light_value
class Predictions:
    """Columns of shape (n,).

    Attributes:
        ttft_s: Arrival to first output token, mean. [s]
        tpot_s: (E2E − TTFT) / (output tokens − 1), mean. [s]
        e2e_s: Arrival to last token, mean. [s]
        throughput_per_user: Output tokens/s one user sees: output tokens / E2E. [tokens/s]
        bound: Codes of BOUND_CODES.
        shares: Share of the E2E latency each bound takes, shape (n, len(BOUND_CODES)), rows of sum 1; None from a method that cannot tell.
        tpot_interval_s: None from a method without one. [s]
        saturated: Whether more requests come than can be answered; None where the load is closed.
    """

    ttft_s: FloatArray
    tpot_s: FloatArray
    e2e_s: FloatArray
    throughput_per_user: FloatArray
    bound: IntArray
    ttft_interval_s: Interval
    throughput_interval: Interval
    e2e_interval_s: Interval
    tpot_interval_s: Interval | None = None
    shares: FloatArray | None = None
    saturated: BoolArray | None = None


class Predictor(Protocol):
    """Anything that predicts latency."""

    @property
    def method(self) -> Method:
        """The method that really answers."""
        ...

    @property
    def version(self) -> str:
        """Version of the model set or of the constants."""
        ...

    def predict(self, scenario: Scenario, candidates: Candidates) -> Predictions:
        """Return the predictions of every candidate, in order."""
        ...
