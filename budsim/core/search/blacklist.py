"""What failed before and is not proposed again."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from budsim.core.engines.candidates import BoolArray, Candidates, FloatArray
from budsim.core.model.spec import ModelSpec
from budsim.core.search.fitness import order_key
from budsim.core.search.part import BlacklistEntry, Configuration, Part, PartResult, PartStatus

# How PyTorch, CUDA, ROCm, Kubernetes, the Linux kernel, C++ and the engines themselves word it.
_OUT_OF_MEMORY = re.compile(
    r"\boom\b|\boom[\s_-]?kill|out[\s_-]?of[\s_-]?(?:\w+[\s_-])?memory|memory\s*error\b|bad_alloc"
    r"|(?:insufficient|not enough|no available|ran out of|exhausted|exceed\w*)\s(?:the\s)?(?:available\s)?(?:\w+\s){0,2}memory"
    r"|(?:can\s?not|could\snot|can't|failed\sto|unable\sto)\sallocate|cudaErrorMemoryAllocation"
    r"|memory\s(?:exhausted|limit\sexceeded)|exit\s(?:code|status)\s137",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:no|not|without|never|isn't|wasn't)\s(?:an?\s|due\sto\s|any\s)?(?:oom\b|out[\s-]of[\s-]memory)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """Which candidates are barred, shape (n,), and the config_ids of the entries that barred one."""

    mask: BoolArray
    config_ids: tuple[str, ...]


def is_out_of_memory(reason: str) -> bool:
    """Return whether a free-text reason says that memory was short."""
    return _OUT_OF_MEMORY.search(_DENIED.sub("", reason)) is not None


def weight_format(model: ModelSpec) -> str:
    """Return what tells a quantised model from the plain one of the same name: a failure of one says nothing of the other."""
    return model.quantization.method if model.quantization else ""


def concerning(part: Part, entries: Iterable[BlacklistEntry], *, now_s: float) -> tuple[BlacklistEntry, ...]:
    """Return the live entries of this part's engine, model and memory class.

    Args:
        part: The part whose key the entries belong to.
        entries: Entries of that key.
        now_s: Present time; an entry ends at its `expires_at`. [unix s]
    """
    return tuple(entry for entry in entries if entry.expires_at > now_s and _same_kind(entry, part))


def bars(entry: BlacklistEntry, candidates: Candidates, *, total_bytes: FloatArray) -> BoolArray:
    """Return which candidates one entry bars; it must concern the part they belong to.

    Args:
        entry: One failed configuration.
        candidates: Deployments of the same engine, model and memory class, shape (n,).
        total_bytes: Memory each needs per device, shape (n,). [bytes]
    """
    layout: BoolArray = (candidates.tensor_parallel == entry.tensor_parallel) & (candidates.pipeline_parallel == entry.pipeline_parallel)
    return layout | (total_bytes >= entry.memory_bytes) if entry.out_of_memory else layout


def barred(entries: Iterable[BlacklistEntry], candidates: Candidates, *, total_bytes: FloatArray, eligible: BoolArray) -> Barred:
    """Return what the entries bar among the eligible candidates, and which entries did.

    Args:
        entries: Entries that concern the part.
        candidates: Candidates of the part, shape (n,).
        total_bytes: Memory each needs per device, shape (n,). [bytes]
        eligible: Candidates that would do otherwise, shape (n,).
    """
    mask = np.zeros(len(candidates), dtype=np.bool_)
    guilty: list[str] = []
    for entry in entries:
        hit = bars(entry, candidates, total_bytes=total_bytes) & eligible
        mask |= hit
        if hit.any():
            guilty.append(entry.config_id)
    return Barred(mask=mask, config_ids=tuple(dict.fromkeys(guilty)))


def barred_configuration(entry: BlacklistEntry, part: Part, configuration: Configuration, *, now_s: float) -> bool:
    """Return whether a live entry bars a configuration already found.

    Args:
        entry: One failed configuration of the part's key.
        part: The part the configuration belongs to.
        configuration: What the search found.
        now_s: Present time. [unix s]
    """
    if not concerning(part, (entry,), now_s=now_s):
        return False
    total_bytes = np.array([configuration.memory.total_bytes])
    return bool(bars(entry, Candidates.from_rows((configuration.candidate,)), total_bytes=total_bytes)[0])


def without_barred(part: Part, result: PartResult, entries: Iterable[BlacklistEntry], *, now_s: float) -> PartResult:
    """Return a result less what was blacklisted while it was being computed.

    Args:
        part: The part the result belongs to.
        result: What the search found.
        entries: The key's entries as PostgreSQL has them now.
        now_s: Present time. [unix s]
    """
    found = result.configurations + result.pareto
    guilty = [entry for entry in entries if any(barred_configuration(entry, part, item, now_s=now_s) for item in found)]
    if not guilty:
        return result

    def kept(items: tuple[Configuration, ...]) -> tuple[Configuration, ...]:
        return tuple(item for item in items if not any(barred_configuration(entry, part, item, now_s=now_s) for entry in guilty))

    excluded = tuple(dict.fromkeys((*result.excluded, *(entry.config_id for entry in guilty))))
    front = kept(result.pareto)
    best = kept(result.configurations) or tuple(sorted(front, key=lambda item: order_key(item, part)))[: part.settings.top_k]
    left = replace(result, configurations=best, pareto=front, excluded=excluded, changes=())  # they may rest on what is barred now
    return left if best else all_barred(part, left)


def all_barred(part: Part, result: PartResult) -> PartResult:
    """Return the result of a part of which feedback left nothing."""
    group, config_ids = part.group, result.excluded
    return replace(
        result,
        status=PartStatus.INFEASIBLE,
        pareto=(),
        reason=f"every configuration of {part.model.model_id} on {part.engine.kind} and {group.device_name} in {group.cluster_id} "
        f"that fits is blacklisted by feedback ({len(config_ids)} entries: {', '.join(config_ids)})",
        remedy="lift a blacklist entry (DELETE /blacklist/{id}, or feedback with failed=false), or offer other devices",
    )


def _same_kind(entry: BlacklistEntry, part: Part) -> bool:
    same_model = entry.model_id == part.model.model_id and entry.weight_format == weight_format(part.model)
    same_deployment = entry.engine == part.engine.kind and same_model
    return same_deployment and entry.memory_class_gb == part.group.accelerator.memory_class_gb
