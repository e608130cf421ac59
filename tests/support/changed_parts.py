"""Parts as a change would have them, and whether they are then answered as wanted."""

from dataclasses import replace

from budsim.core.hardware.spec import HardwareGroup, NodeShare
from budsim.core.memory.plan import MemoryModel
from budsim.core.model.quantize import quantize
from budsim.core.predictors.protocol import Predictor
from budsim.core.search.change import Change, ChangeKind
from budsim.core.search.counterfactual import satisfies
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import Part, PartResult
from budsim.core.search.strategy import find

_SLOS = {ChangeKind.TTFT: "ttft_s", ChangeKind.THROUGHPUT: "throughput_per_user", ChangeKind.E2E: "e2e_s"}


def changed(part: Part, change: Change) -> Part:
    """Return the part as the change says, all else as it was."""
    for each in change.also:
        part = replace(part, slo=replace(part.slo, **{_SLOS[each.kind]: each.needed}))
    load = part.workload
    match change.kind:
        case ChangeKind.USERS:
            return replace(part, workload=replace(load, concurrency=int(change.needed)))
        case ChangeKind.RATE:
            return replace(part, workload=replace(load, request_rate_per_s=change.needed))
        case ChangeKind.TTFT | ChangeKind.THROUGHPUT | ChangeKind.E2E:
            return replace(part, slo=replace(part.slo, **{_SLOS[change.kind]: change.needed}))
        case ChangeKind.QUANTIZATION:
            return replace(part, model=quantize(part.model, change.weight_format), quantized=True)
        case ChangeKind.TOKENS:
            output = max(1, int(load.output_tokens * change.needed / load.input_tokens))
            return replace(part, workload=replace(load, input_tokens=int(change.needed), output_tokens=output))
        case ChangeKind.DEVICES | ChangeKind.DEVICE_MEMORY:
            return replace(part, group=_group(part.group, change))


def _group(group: HardwareGroup, change: Change) -> HardwareGroup:
    if change.kind is ChangeKind.DEVICE_MEMORY:
        return replace(group, accelerator=replace(group.accelerator, memory_bytes=change.needed), memory_bytes=change.needed)
    count, each = int(change.needed), change.per_node
    counts = [min(each, count - start) for start in range(0, count, each)]
    nodes = tuple(NodeShare(node_id=f"o{number}", node_name=f"o{number}", devices=free) for number, free in enumerate(counts))
    return replace(group, nodes=nodes)


def answers(part: Part, predictor: Predictor, memory: MemoryModel) -> bool:
    """Return whether the whole way through evaluate and search ends with a configuration that carries the target within the SLOs."""
    task = narrow(part, (), memory, now_s=0.0)
    if isinstance(task, PartResult):
        return False
    best = find(task, predictor, memory, physics=predictor).configurations[:1]
    return bool(best) and satisfies(part, best[0])
