"""Why a recommendation is what it is, and what would make a refused one fit: parts of recommendations.v1, in its units."""

from topics.wire import WireModel


class BoundShareBody(WireModel):
    """Share of the latency, 0…1, that one bound takes: compute, bandwidth, kv_capacity, communication, queue or overhead."""

    bound: str
    share: float


class MarginBody(WireModel):
    """One SLO: its figure at the mean and at p95, and the share of the target to spare there; negative where it is missed.

    p95 is what 19 of 20 measurements are predicted to keep: the 95 % quantile of a time, the 5 % quantile of a throughput.
    """

    objective: str
    target: float
    mean: float
    mean_spare: float
    p95: float
    p95_spare: float


class ComparisonBody(WireModel):
    """Why one proposal stands behind another: the first criterion in which they differ, its two figures, and their relative difference."""

    config_id: str
    cluster_id: str
    criterion: str
    better: float
    worse: float
    by: float
    sentence: str


class ExplanationBody(WireModel):
    """The figures behind the sentence: what bounds it, SLO margins, why the next best and why this cluster stand where they stand."""

    bounds: list[BoundShareBody]
    margins: list[MarginBody]
    runner_up: ComparisonBody | None = None
    behind: ComparisonBody | None = None


class AlsoBody(WireModel):
    """Another field of the request that has to be changed at the same time, in its unit."""

    field: str
    asked: float
    needed: float


class ChangeBody(WireModel):
    """One change that is enough by itself, or together with those in `also`, all else as it was asked.

    `field` is what to change: a field of the request in its unit, `devices` for free devices of the type, `per_node` of them on a node, or
    `device_memory_gb`. `value` is a format of weights. `judged_by` prediction: the target is then carried within every SLO; memory: one
    user then fits.
    """

    field: str
    asked: float | None = None
    needed: float | None = None
    value: str | None = None
    per_node: int | None = None
    judged_by: str
    sentence: str
    also: list[AlsoBody] = []
