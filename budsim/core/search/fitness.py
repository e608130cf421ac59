"""How good a candidate is: shortfall from the SLOs, cost, users carried; and the order that follows."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import erf, sqrt
from typing import Final, TypeAlias

import numpy as np

from budsim.core.engines.candidates import BoolArray, Candidates, FloatArray, IntArray
from budsim.core.hardware.pricing import cost_per_million_tokens
from budsim.core.predictors.protocol import Interval, Predictions
from budsim.core.search.part import Configuration, Part
from budsim.core.slo import Slo
from budsim.core.workload import Workload

Z_95: Final = 1.6448536269514722  # 95 % quantile of the standard normal distribution
MEAN_SUFFICES: Final = 0.5  # DESIGN «Order»: up to this asked probability, the mean meeting the target is enough
_TINY: Final = 1e-12  # keeps logarithms finite; far below any latency [s] or throughput [tokens/s]

OrderKey: TypeAlias = tuple[bool, bool, float, float, bool, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """Verdict on every candidate, shape (n,).

    Attributes:
        error_rate: Mean relative shortfall from the set SLOs, 0…1.
        meets_slo: Whether every SLO is met with the asked probability.
        cost_per_million_tokens: Cost of 10⁶ output tokens. [$]
        replicas: Replicas needed for the target, at most what the group holds.
        uncarried: Share of the target's users that these replicas leave unserved; 0 carries the target.
    """

    error_rate: FloatArray
    meets_slo: BoolArray
    cost_per_million_tokens: FloatArray
    replicas: IntArray
    uncarried: FloatArray


def judge(part: Part, candidates: Candidates, predictions: Predictions, *, max_replicas: IntArray) -> Fitness:
    """Return the verdict on every candidate of a part.

    Args:
        part: Load, SLOs and price.
        candidates: What is judged, shape (n,).
        predictions: Their figures, in the same order; finite.
        max_replicas: Replicas of each candidate the group holds, shape (n,).
    """
    targets = target_users(part.workload, predictions.e2e_s)
    replicas = np.minimum(-(-targets // candidates.concurrency), max_replicas)
    return Fitness(
        error_rate=error_rate(part.slo, predictions),
        meets_slo=meets_slos(part.slo, predictions),
        cost_per_million_tokens=_cost(part, candidates, predictions),
        replicas=replicas,
        uncarried=np.maximum(0.0, 1.0 - replicas * candidates.concurrency / targets),
    )


def target_users(workload: Workload, e2e_s: FloatArray) -> IntArray:
    """Return `target_concurrency` of every latency, shape (n,)."""
    if workload.request_rate_per_s is None:
        return np.full(len(e2e_s), workload.concurrency or 1, dtype=np.int64)
    return np.maximum(1, np.ceil(workload.request_rate_per_s * e2e_s)).astype(np.int64)


def _cost(part: Part, candidates: Candidates, predictions: Predictions) -> FloatArray:
    """Return what 10⁶ output tokens cost: the provider's price of an API model, else the devices' time, shape (n,). [$]"""
    sold = part.model.price
    if sold is None:
        speed = predictions.throughput_per_user
        return cost_per_million_tokens(part.price.usd_per_hour, candidates.devices, speed, candidates.concurrency)
    load = part.workload
    usd = sold.usd_per_million_answered(input_tokens=load.input_tokens, output_tokens=load.output_tokens)
    return np.full(len(candidates), usd)


def error_rate(slo: Slo, predictions: Predictions) -> FloatArray:
    """Return the mean relative shortfall from the set SLOs, clipped to 0…1, shape (n,); 0 without any.

    Source:
        DESIGN «The core».
    """
    shortfalls = [np.maximum(0.0, excess) for excess in _excesses(slo, predictions)]
    return np.clip(np.mean(shortfalls, axis=0), 0.0, 1.0) if shortfalls else np.zeros_like(predictions.e2e_s)


def meets_slos(slo: Slo, predictions: Predictions) -> BoolArray:
    """Return whether every SLO is met as asked: by the mean, or with a probability that is higher than the mean's, shape (n,)."""
    meets = meets_means(slo, predictions)
    if slo.min_probability > MEAN_SUFFICES:
        meets &= slo_probability(slo, predictions) >= slo.min_probability
    return meets


def meets_means(slo: Slo, predictions: Predictions) -> BoolArray:
    """Return whether the mean of every figure meets its SLO, shape (n,)."""
    meets = np.ones(predictions.e2e_s.shape, dtype=np.bool_)
    for excess in _excesses(slo, predictions):
        meets &= excess <= 0.0
    return meets


def slo_probability(slo: Slo, predictions: Predictions) -> FloatArray:
    """Return the probability that every SLO is met, shape (n,).

    Each figure is lognormal between its 5 % and 95 % quantiles. Throughput per user is output tokens over E2E, so these
    two share one error and the lower of their probabilities counts; TTFT's error is taken as its own, which understates the
    joint probability where both err the same way.
    """
    ones = np.ones_like(predictions.e2e_s)
    first = _probability_below(predictions.ttft_interval_s, slo.ttft_s) if slo.ttft_s else ones
    whole = _probability_below(predictions.e2e_interval_s, slo.e2e_s) if slo.e2e_s else ones
    rate = 1.0 - _probability_below(predictions.throughput_interval, slo.throughput_per_user) if slo.throughput_per_user else ones
    return first * np.minimum(whole, rate)


def order(fitness: Fitness, candidates: Candidates, *, throughput_per_user: FloatArray) -> IntArray:
    """Return the indices of the candidates, best first.

    Carrying the target comes first, then meeting every SLO, then cost, then throughput. Where users are left unserved fewer of them, and
    where an SLO is missed the smaller error, come before cost; both are 0 otherwise. Ties go to fewer devices, then to the smaller layout.
    """
    ties = (candidates.concurrency, candidates.pipeline_parallel, candidates.tensor_parallel, candidates.devices)
    figures = (-throughput_per_user, fitness.cost_per_million_tokens, fitness.error_rate, fitness.uncarried)
    return np.lexsort((*ties, *figures, ~fitness.meets_slo, fitness.uncarried > 0.0))


def order_key(configuration: Configuration, part: Part) -> OrderKey:
    """Return what a configuration is sorted by, best first: the order of `order`, without its ties.

    Between parts, a device whose hourly price nobody knows comes after those that have one: its written-off purchase holds neither power
    nor housing, and would look several times cheaper than any price asked for the same device.
    """
    return order_key_of(configuration, part.workload, is_written_off=part.price.is_written_off)


def order_key_of(configuration: Configuration, workload: Workload, *, is_written_off: bool) -> OrderKey:
    """Return the `order_key` of a configuration of a part with this load, of devices with or without an hourly price."""
    target = workload.target_concurrency(configuration.e2e_s)
    carried = configuration.replicas * configuration.candidate.concurrency
    return (
        carried < target,
        not configuration.meets_slo,
        max(0.0, 1.0 - carried / target),
        configuration.error_rate,
        is_written_off,
        configuration.cost_per_million_tokens,
        -configuration.throughput_per_user,
    )


def _excesses(slo: Slo, predictions: Predictions) -> Iterator[FloatArray]:
    if slo.ttft_s:
        yield predictions.ttft_s / slo.ttft_s - 1.0
    if slo.e2e_s:
        yield predictions.e2e_s / slo.e2e_s - 1.0
    if slo.throughput_per_user:
        yield 1.0 - predictions.throughput_per_user / slo.throughput_per_user


def _probability_below(interval: Interval, target: float) -> FloatArray:
    low, high = np.log(np.maximum(interval.low, _TINY)), np.log(np.maximum(interval.high, _TINY))
    deviation = np.maximum((high - low) / (2.0 * Z_95), _TINY)
    score = (np.log(target) - (low + high) / 2.0) / deviation
    return np.array([0.5 * (1.0 + erf(value / sqrt(2.0))) for value in score.tolist()], dtype=np.float64)
