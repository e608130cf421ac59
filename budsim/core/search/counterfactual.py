"""What would make a part carry its target and meet its SLOs: counterfactuals, each judged by the predictor that answered.

A change is told only where a candidate of the changed request's own space meets it; the changed request is then answered with it, or with
something that is better still.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, floor, log10
from typing import Final

import numpy as np

from budsim.core.engines.candidates import BoolArray, IntArray
from budsim.core.engines.quantization import runs_quantization
from budsim.core.engines.releases import release_of
from budsim.core.memory.plan import MemoryModel
from budsim.core.model.quantize import quantize
from budsim.core.model.spec import ModelKind
from budsim.core.predictors.protocol import Predictor
from budsim.core.search.change import Change, ChangeKind
from budsim.core.search.direct import nearly_best
from budsim.core.search.evaluate import narrow
from budsim.core.search.fitness import target_users
from budsim.core.search.part import Configuration, Layout, Part, PartResult, PartStatus, SearchTask
from budsim.core.search.relaxed import relaxed_pair, relaxed_slos
from budsim.core.search.trial import Trial, promising, tried, tried_loads

FORMATS: Final = ("fp8", "int4")  # from the gentlest on
MOST_DEVICES: Final = 4096  # nobody is asked for more
REFINED: Final = 16  # loads tried between two neighbours
_RATE_DIGITS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """What changes are judged with.

    Attributes:
        predictor: That answered.
        physics: Says the same at once, and how far from an answer a changed request is.
        memory: Says what fits.
    """

    predictor: Predictor
    physics: Predictor
    memory: MemoryModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A part that fell short, and what its changes are judged with."""

    task: SearchTask
    trial: Trial
    judges: Judges

    @property
    def part(self) -> Part:
        """The part."""
        return self.task.part

    @property
    def targets(self) -> IntArray:
        """Users to be carried at each candidate's latency, shape (n,)."""
        return target_users(self.part.workload, self.trial.judged.predictions.e2e_s)

    @property
    def carriers(self) -> BoolArray:
        """Which candidates of the part's own space carry the target, shape (n,)."""
        return self.trial.asked & (self.trial.held * self.trial.users >= self.targets)


def falls_short(part: Part, result: PartResult) -> bool:
    """Return whether the best that was found leaves users unserved or misses an SLO."""
    return result.status is PartStatus.FOUND and bool(result.configurations) and not satisfies(part, result.configurations[0])


def satisfies(part: Part, found: Configuration) -> bool:
    """Return whether a configuration carries the target and meets every SLO with the asked probability."""
    return found.meets_slo and found.replicas * found.candidate.concurrency >= part.workload.target_concurrency(found.e2e_s)


def changes_for(task: SearchTask, result: PartResult, judges: Judges) -> tuple[Change, ...]:
    """Return what would make a part that fell short carry its target and meet its SLOs, the least change of each kind.

    Args:
        task: What was searched.
        result: What was found.
        judges: What changes are judged with.
    """
    if not falls_short(task.part, result):
        return ()
    layouts = promising(task.part, result)
    trial, narrower = tried(task, layouts, judges.predictor, judges.memory), _narrower_weights(task, layouts, judges)
    if trial is None:
        return tuple(narrower)
    case = Case(task=task, trial=trial, judges=judges)
    found = (*_less_load(case), *_more_devices(case), *_longer_slos(case), *narrower)
    return found or tuple(_two_longer_slos(case))


def _less_load(case: Case) -> Iterator[Change]:
    """Yield the largest load that the group carries within the SLOs."""
    rate = case.part.workload.request_rate_per_s
    served, index = _most_served(case, case.trial)
    if index is None:
        return
    if rate is None:
        served, where = _refined(case, index)
        asked, needed = float(case.part.workload.concurrency or 1), float(int(served))
        if needed < asked:
            sentence = f"ask for at most {needed:.0f} users ({where})"
            yield Change(kind=ChangeKind.USERS, asked=asked, needed=needed, sentence=sentence)
        return
    needed = _rounded_down(served)
    if needed < rate:
        sentence = f"ask for at most {needed:g} requests/s ({_layout(case.trial, index)})"
        yield Change(kind=ChangeKind.RATE, asked=rate, needed=needed, sentence=sentence)


def _most_served(case: Case, trial: Trial) -> tuple[float, int | None]:
    """Return the most users, or requests/s, that one kind of candidate within the SLOs carries, and its index."""
    carried = (trial.held * trial.users).astype(np.float64)
    if case.part.workload.request_rate_per_s is not None:
        carried = carried / trial.judged.predictions.e2e_s
    carried = np.where(trial.judged.fitness.meets_slo, carried, 0.0)
    return (0.0, None) if not carried.any() else (float(carried.max()), int(carried.argmax()))


def _refined(case: Case, index: int) -> tuple[float, str]:
    """Return the users carried when the load of one layout is raised towards the next that was tried, and the layout in words."""
    row = case.trial.judged.candidates.row(index)
    layout = Layout(tensor_parallel=row.tensor_parallel, pipeline_parallel=row.pipeline_parallel)
    loads = np.unique(np.linspace(row.concurrency, 2 * row.concurrency, REFINED).astype(np.int64))
    finer = tried_loads(case.task, {layout: loads.tolist()}, case.judges.predictor, case.judges.memory)
    served, best = _most_served(case, finer) if finer is not None else (0.0, None)
    if finer is None or best is None:
        return _most_served(case, case.trial)[0], _layout(case.trial, index)
    return served, _layout(finer, best)


def _more_devices(case: Case) -> Iterator[Change]:
    """Yield the fewest devices that carry the target within the SLOs, every replica within a node.

    Loads that are tried are powers of two or even shares of the target, which the space of so many devices has as well.
    """
    rows, group = case.trial.judged.candidates, case.part.group
    replicas = -(-case.targets // rows.concurrency)
    devices = replicas * rows.devices
    allowed = case.trial.judged.fitness.meets_slo & (rows.pipeline_parallel == 1) & (devices <= MOST_DEVICES)
    if not allowed.any():
        return
    index = int(np.lexsort((rows.devices, np.where(allowed, devices, np.iinfo(np.int64).max)))[0])
    count, each = int(devices[index]), int(rows.devices[index])
    widest = max(node.devices for node in group.nodes)
    per_node = min(count, each * max(1, widest // each))
    if count > group.total_devices or each > widest:
        where = f"{_layout(case.trial, index)}, {per_node} on a node" if per_node > 1 else _layout(case.trial, index)
        sentence = f"offer {count} × {group.device_name} in all ({_replicas(int(replicas[index]))} at {where})"
        asked = float(group.total_devices)
        yield Change(kind=ChangeKind.DEVICES, asked=asked, needed=float(count), per_node=per_node, sentence=sentence)


def _longer_slos(case: Case) -> Iterator[Change]:
    """Yield, for each SLO that is missed, the value that would be met while all others stay."""
    yield from relaxed_slos(case.part.slo, case.trial.judged.predictions, case.carriers, words=lambda index: _layout(case.trial, index))


def _two_longer_slos(case: Case) -> Iterator[Change]:
    """Yield the values of two SLOs that would be met while the third stays: for parts that no single change makes do."""
    yield from relaxed_pair(case.part.slo, case.trial.judged.predictions, case.carriers, words=lambda index: _layout(case.trial, index))


def _narrower_weights(task: SearchTask, layouts: tuple[Layout, ...], judges: Judges) -> Iterator[Change]:
    """Yield the widest format of the weights with which the part is answered by one of these layouts."""
    part = task.part
    if part.model.quantization is not None or part.model.kind is ModelKind.PROPRIETARY:
        return
    release = release_of(part.engine.kind, part.engine.version)
    for name in FORMATS:
        changed = replace(part, model=quantize(part.model, name), quantized=True)
        if not runs_quantization(changed.model, release, part.group.accelerator.device_type):
            continue
        narrowed = narrow(changed, task.blacklist, judges.memory, now_s=0.0)
        if isinstance(narrowed, PartResult):
            continue
        kept = tuple(layout for layout in narrowed.layouts if layout in layouts)
        best = nearly_best(replace(narrowed, layouts=kept), judges.predictor, judges.memory, physics=judges.physics)
        if best is not None and satisfies(changed, best):
            row = best.candidate
            where = f"{_replicas(best.replicas)} at TP={row.tensor_parallel}, PP={row.pipeline_parallel}"
            yield Change(kind=ChangeKind.QUANTIZATION, weight_format=name, sentence=f"quantise the weights to {name} ({where})")
            return


def _layout(trial: Trial, index: int) -> str:
    row = trial.judged.candidates
    users = int(trial.users[index])
    told = "1 user" if users == 1 else f"{users} users"
    return f"TP={int(row.tensor_parallel[index])}, PP={int(row.pipeline_parallel[index])} with {told} each"


def _replicas(count: int) -> str:
    return "1 replica" if count == 1 else f"{count} replicas"


def _rounded_down(rate: float) -> float:
    digits = _RATE_DIGITS - ceil(log10(rate))
    return floor(rate * 10.0**digits) / 10.0**digits
