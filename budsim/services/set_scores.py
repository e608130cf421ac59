"""Model sets held against what feedback observed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from budsim.services.accuracy.predict import Range
from budsim.services.accuracy.score import Metric, Score, score_of
from budsim.services.observations import Observation, SetFigures

APART: Final = 1.1  # factor between observed and planned users beyond which a prediction is of another load
ANY: Final = "all"

Pair: TypeAlias = tuple[float, Range]
Key: TypeAlias = tuple[str, str, str, str]  # method, version, engine, device type


@dataclass(frozen=True, slots=True, kw_only=True)
class SetScore:
    """How one model set did on one engine and device type, or on all.

    Attributes:
        version: Of the model set, or of the heuristic's constants.
        scores: Of the figures that were observed at least once.
    """

    method: str
    version: str
    engine: str
    device_type: str
    scores: dict[Metric, Score]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came out.

    Attributes:
        observations: Reports with observed figures.
        other_load: Those left out because another number of users was observed than planned.
        unpredicted: Those whose configuration was recommended before predictions were kept.
        scores: By set, over all and then by engine and device type.
    """

    observations: int
    other_load: int
    unpredicted: int
    scores: tuple[SetScore, ...]


def compared(observations: Sequence[Observation]) -> Comparison:
    """Return the scores of every set that predicted something of what was observed.

    Args:
        observations: Reports with the predictions of their configurations.
    """
    held = [item for item in observations if _is_planned_load(item)]
    groups: dict[Key, list[tuple[Observation, SetFigures]]] = {}
    for item in held:
        for found in item.predictions:
            for engine, device in ((ANY, ANY), (item.engine, item.device_type)):
                groups.setdefault((found.method, found.version, engine, device), []).append((item, found))
    return Comparison(
        observations=len(observations),
        other_load=len(observations) - len(held),
        unpredicted=sum(not item.predictions for item in held),
        scores=tuple(_scored(key, groups[key]) for key in sorted(groups, key=_order)),
    )


def _is_planned_load(item: Observation) -> bool:
    planned = item.candidate.concurrency
    return max(item.users, planned) <= APART * min(item.users, planned)


def _order(key: Key) -> tuple[str, str, bool, str, str]:
    method, version, engine, device = key
    return method, version, engine != ANY, engine, device


def _scored(key: Key, held: Iterable[tuple[Observation, SetFigures]]) -> SetScore:
    pairs: dict[Metric, list[Pair]] = {}
    for item, found in held:
        figures = (
            (Metric.TTFT, item.ttft_s, found.ttft_s),
            (Metric.THROUGHPUT, item.throughput_per_user, found.throughput_per_user),
            (Metric.E2E, item.e2e_s, found.e2e_s),
        )
        for metric, observed, predicted in figures:
            if observed:
                pairs.setdefault(metric, []).append((observed, predicted))
    method, version, engine, device = key
    scores = {metric: score_of(each) for metric, each in pairs.items()}
    return SetScore(method=method, version=version, engine=engine, device_type=device, scores=scores)
