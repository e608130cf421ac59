"""Does the planned margin rank which configurations ran out of memory? The 526 of oom.csv (IBM LLM-Pilot: TGI under load)."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.pilot_models import pilot_model
from budsim.core.engines.candidates import Candidate, Candidates
from budsim.core.engines.spec import EngineKind, EngineProfile, Scenario
from budsim.core.hardware.catalogue import catalogue
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.spec import Precision
from budsim.core.workload import Workload

DEVICES: Final = {"H100": "H100-SXM-80GB", "A100": "A100-SXM-40GB", "A10": "A10-24GB", "T4": "T4-16GB", "V100": "V100-SXM-16GB"}
# One load for all: the means of a row leave out the requests that failed, so they know the outcome. 1,100 tokens is what the longest of
# LLM-Pilot's requests come to, and TGI pads a batch to its longest.
INPUT_TOKENS, OUTPUT_TOKENS = 900, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One configuration: the margin planned for it and whether it ran out of memory."""

    row: Mapping[str, str]
    margin: float  # share of the usable memory that stays free; negative when it does not fit
    failed: bool


def judge(row: Mapping[str, str]) -> Judged:
    """Return what the memory model makes of one configuration."""
    device = catalogue()[DEVICES[row["gpu"]]]
    users, degree = int(row["users"]), int(row["n_gpus"])
    where = Scenario(
        model=pilot_model(row["model"]),
        device=device,
        memory_bytes=device.memory_bytes,
        engine=EngineProfile(kind=EngineKind.VLLM, version="0.7.0", image="", preference=0),
        workload=Workload(input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS, concurrency=users),
    )
    one = Candidate(
        tensor_parallel=degree,
        pipeline_parallel=1,
        concurrency=users,
        max_num_seqs=users,
        max_num_batched_tokens=users * INPUT_TOKENS,
        block_size=1,
        chunked_prefill=False,
        prefix_caching=False,
        kv_precision=Precision.FP16,
    )
    plan = AnalyticMemory().plan(where, Candidates.from_rows([one]))
    usable, total = float(plan.usable_bytes[0]), float(plan.total_bytes[0])
    return Judged(row=row, margin=(usable - total) / usable, failed=int(row["oom_errors"]) > 0)


def area_under_curve(judged: Sequence[Judged]) -> float:
    """Return the chance that a configuration that ran out has less margin than one that did not; 0.5 is a coin."""
    failed = np.array([each.margin for each in judged if each.failed])
    lasted = np.array([each.margin for each in judged if not each.failed])
    pairs = failed[:, None] - lasted[None, :]
    return float(((pairs < 0).sum() + 0.5 * (pairs == 0).sum()) / pairs.size)


def judged_rows(path: Path) -> list[Judged]:
    """Return every configuration of an oom.csv, judged."""
    with path.open(encoding="utf-8") as file:
        return [judge(row) for row in csv.DictReader(file)]


def report(path: Path) -> str:
    """Return counts and the area under the curve, over all and per model."""
    judged = judged_rows(path)
    lines = [f"{len(judged)} configurations, {sum(each.failed for each in judged)} ran out of memory; AUC {area_under_curve(judged):.3f}"]
    for model in sorted({each.row["model"] for each in judged}):
        mine = [each for each in judged if each.row["model"] == model]
        failed = sum(each.failed for each in mine)
        if 0 < failed < len(mine):
            lines.append(f"  {model}: {failed} of {len(mine)}, AUC {area_under_curve(mine):.3f}")
    return "\n".join(lines)
