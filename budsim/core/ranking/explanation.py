"""Explanation: why a recommendation is what it is, as figures."""

from dataclasses import dataclass
from enum import StrEnum

from budsim.core.search.part import BoundShare


class Objective(StrEnum):
    """What an SLO bounds."""

    TTFT = "ttft"  # [s]
    THROUGHPUT_PER_USER = "throughput_per_user"  # [tokens/s]
    E2E_LATENCY = "e2e_latency"  # [s]


class Criterion(StrEnum):
    """What one proposal is put before another for, in the order of their weight."""

    TARGET_CARRIED = "target_carried"
    SLO_MET = "slo_met"
    USERS_UNSERVED = "users_unserved"
    SLO_SHORTFALL = "slo_shortfall"
    HOURLY_PRICE = "hourly_price"
    COST = "cost"
    THROUGHPUT = "throughput"
    ENGINE = "engine_preference"
    NONE = "none"  # equal in all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """How far a figure lies from its SLO, in the unit of its objective.

    Attributes:
        mean: The predicted figure.
        mean_spare: Share of the target that is to spare at the mean; negative where it is missed.
        p95: What 19 of 20 measurements are predicted to keep: the 95 % quantile of a time, the 5 % quantile of a throughput.
        p95_spare: The same share there.
    """

    objective: Objective
    target: float
    mean: float
    mean_spare: float
    p95: float
    p95_spare: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Why one proposal stands behind another.

    Attributes:
        config_id: The proposal that stands behind, or that it stands behind.
        criterion: The first, in the order of weight, in which they differ.
        better: The criterion's figure of the one in front; 0 or 1 where it is a yes or no.
        worse: The same of the one behind.
        by: Relative difference of the two; 0 where the criterion has no figure.
        sentence: The same in words.
    """

    config_id: str
    cluster_id: str
    criterion: Criterion
    better: float
    worse: float
    by: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a cluster's deployment is what it is.

    Attributes:
        shares: What takes the latency, largest first.
        margins: One for each set SLO.
        runner_up: The cluster's next best configuration; None where there is no other.
        behind: The cluster ranked just before this one; None for the first.
    """

    shares: tuple[BoundShare, ...] = ()
    margins: tuple[Margin, ...] = ()
    runner_up: Comparison | None = None
    behind: Comparison | None = None
