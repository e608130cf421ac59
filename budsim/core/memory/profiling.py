"""What an engine release keeps beside weights and KV cache, and how it counts it."""

from dataclasses import dataclass
from functools import cache

from budsim.core.engines.defaults import Version
from budsim.core.engines.releases import version_key
from budsim.core.engines.spec import EngineKind, EngineProfile
from budsim.core.memory.tables import rows
from budsim.core.remembered import remembered
from budsim.core.units import GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiling:
    """One line of profiling.csv, in force from its version on.

    Attributes:
        bytes_per_logit: Sampling, per sequence and vocabulary entry, beside the logits in the model's dtype. [bytes]
        keeps_step: Hidden states of the whole step are alive while it samples.
        keeps_expert_buffers: Buffers of the experts are alive then, too.
        context_counted: The CUDA context is taken off the budget.
        non_torch_alone_bytes: Outside torch on a single device. [bytes]
        non_torch_linked_bytes: The same per device of a group joined by NVLink or its like. [bytes]
        non_torch_bus_bytes: The same per device of a group joined by PCIe. [bytes]
        graphs_counted: Graphs are taken off the budget before the KV cache is sized.
        windows_kept: Layers with a window cache the window alone.
        tokens_by_concurrency: The token count printed is concurrency × length.
        checkpoints: Recurrent states a sequence keeps beside its last one, for a prefix cache to start from.
    """

    bytes_per_logit: float
    keeps_step: bool
    keeps_expert_buffers: bool
    context_counted: bool
    non_torch_alone_bytes: float
    non_torch_linked_bytes: float
    non_torch_bus_bytes: float
    graphs_counted: bool
    windows_kept: bool
    tokens_by_concurrency: bool
    checkpoints: int


@remembered
def profiling_of(engine: EngineProfile) -> Profiling:
    """Return the constants of an engine's version; those of the first release for what comes before it."""
    return _in_force(engine.kind, version_key(engine.version))


@cache
def _in_force(kind: EngineKind, version: Version) -> Profiling:
    lines = _lines(EngineKind.LATENTBUD if kind is EngineKind.LITELLM else kind)
    return [profiling for since, profiling in lines if since <= version or not any(since)][-1]


@cache
def _lines(kind: EngineKind) -> tuple[tuple[Version, Profiling], ...]:
    return tuple(
        (
            tuple(int(part) for part in row["since"].split(".")),
            Profiling(
                bytes_per_logit=float(row["bytes_per_logit"]),
                keeps_step=row["keeps_step"] == "1",
                keeps_expert_buffers=row["keeps_expert_buffers"] == "1",
                context_counted=row["context_counted"] == "1",
                non_torch_alone_bytes=float(row["non_torch_alone_gib"]) * GIB,
                non_torch_linked_bytes=float(row["non_torch_linked_gib"]) * GIB,
                non_torch_bus_bytes=float(row["non_torch_bus_gib"]) * GIB,
                graphs_counted=row["graphs_counted"] == "1",
                windows_kept=row["windows_kept"] == "1",
                tokens_by_concurrency=row["tokens_by_concurrency"] == "1",
                checkpoints=int(row["checkpoints"]),
            ),
        )
        for row in rows("profiling.csv")
        if row["engine"] == kind.value
    )
