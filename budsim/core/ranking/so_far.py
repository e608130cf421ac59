"""The best that has been found while parts are still being judged."""

from collections.abc import Iterable
from dataclasses import dataclass

from budsim.core.search.fitness import order_key_of
from budsim.core.search.part import Configuration
from budsim.core.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """The first configuration of one part.

    Attributes:
        is_written_off: Whether nobody knows an hourly price of its devices.
    """

    cluster_id: str
    device_name: str
    engine: str
    is_written_off: bool
    configuration: Configuration


def best_so_far(leaders: Iterable[Leader], workload: Workload) -> str:
    """Return in words the best of what was found by now, empty where nothing was.

    What several groups carry together is known only when all parts are in.
    """
    found = min(leaders, key=lambda leader: _place(leader, workload), default=None)
    if found is None:
        return ""
    best = found.configuration
    replicas = "1 replica" if best.replicas == 1 else f"{best.replicas} replicas"
    layout = f"TP={best.candidate.tensor_parallel}, PP={best.candidate.pipeline_parallel}"
    return (
        f"best so far: {replicas} of {found.engine} at {layout} on {found.device_name} in {found.cluster_id}, "
        f"${best.cost_per_million_tokens:.4g} per 10⁶ output tokens, {_verdict(best, workload)}"
    )


def _place(leader: Leader, workload: Workload) -> tuple[object, ...]:
    key = order_key_of(leader.configuration, workload, is_written_off=leader.is_written_off)
    return key, leader.cluster_id, leader.device_name, leader.engine


def _verdict(best: Configuration, workload: Workload) -> str:
    target = workload.target_concurrency(best.e2e_s)
    users = best.replicas * best.candidate.concurrency
    if users < target:
        return f"for {users} of {target} users"
    return "the SLOs are met" if best.meets_slo else "an SLO is missed"
