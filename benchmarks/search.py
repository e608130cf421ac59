"""Regret, convergence and time of the searches over generated parts. Writes benchmarks/results/search.json.

python -m benchmarks.search [parts]
"""

import asyncio
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.search_parts import Place, generated_tasks, part_of
from budsim.adapters.model_sets import SetFolders
from budsim.adapters.part_search import PartSearch
from budsim.adapters.process_pool import ProcessPool
from budsim.adapters.trained_models import load_model_set
from budsim.config import SHIPPED_MODELS
from budsim.core.engines.spec import EngineKind
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.catalogue import catalogue_model
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.predictors.paired import PairedPredictor
from budsim.core.predictors.protocol import Method, Predictor
from budsim.core.predictors.regressor import RegressorPredictor
from budsim.core.search.evaluate import narrow
from budsim.core.search.exhaustive import exhaustive_search
from budsim.core.search.fitness import order_key
from budsim.core.search.genetic import genetic_search
from budsim.core.search.narrowed import narrowed_search
from budsim.core.search.part import PartResult, PartStatus, SearchTask
from budsim.core.search.strategy import find
from budsim.core.slo import Slo
from budsim.core.workload import Workload

RESULTS = Path(__file__).parent / "results" / "search.json"
PARTS, SEED = 300, 1
LARGE_SPACE = 2_000  # candidates beyond which a population can look at a part of a space only
TIMED_PARTS = 40
CLUSTERS, DEVICES = 10, ("A100-SXM-80GB", "H100-SXM-80GB", "L40S-48GB")
RESULT = TypeAdapter(PartResult)
SLOS = {"kept": Slo(ttft_s=2.0, throughput_per_user=15.0), "out of reach": Slo(ttft_s=0.05, throughput_per_user=15.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One part searched in every way; figures of the genetic and of the narrowed search.

    Attributes:
        regret: Relative cost of the pick over the exhaustive one; infinite if it alone fails the target or an SLO.
        shortfall: How much more it misses the SLOs by, where both miss them. [0…1]
    """

    space: int
    exhaustive_ms: float
    genetic: "Way"
    narrowed: "Way"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of searching one part, held against the whole space."""

    evaluations: int
    generations: int
    regret: float
    shortfall: float
    ms: float

    @property
    def is_exact(self) -> bool:
        return self.regret == 0.0 and self.shortfall == 0.0


def timed(work: Callable[[], PartResult]) -> tuple[PartResult, float]:
    begin = time.perf_counter()
    result = work()
    return result, 1e3 * (time.perf_counter() - begin)


def compared(task: SearchTask, predictor: Predictor, physics: Predictor, memory: AnalyticMemory) -> Compared:
    whole, exhaustive_ms = timed(lambda: exhaustive_search(task, predictor, memory))
    genetic = held_against(task, whole, lambda: genetic_search(task, predictor, memory))
    narrowed = held_against(task, whole, lambda: narrowed_search(task, predictor, memory, physics=physics))
    return Compared(space=whole.evaluations, exhaustive_ms=exhaustive_ms, genetic=genetic, narrowed=narrowed)


def held_against(task: SearchTask, whole: PartResult, work: Callable[[], PartResult]) -> Way:
    found, ms = timed(work)
    regret, shortfall = regret_of(task, whole, found)
    return Way(evaluations=found.evaluations, generations=found.generations, regret=regret, shortfall=shortfall, ms=ms)


def regret_of(task: SearchTask, whole: PartResult, found: PartResult) -> tuple[float, float]:
    """Return regret and shortfall. Where every configuration misses an SLO the smaller error counts before the cost, as in the order."""
    if whole.status is not PartStatus.FOUND:
        return (0.0, 0.0) if found.status is whole.status else (inf, inf)
    best, pick = whole.configurations[0], found.configurations[0]
    reaches = [order_key(each, task.part)[:3] for each in (best, pick)]
    if reaches[0] != reaches[1]:
        return inf, inf
    shortfall = max(0.0, pick.error_rate - best.error_rate)
    return max(0.0, pick.cost_per_million_tokens / best.cost_per_million_tokens - 1.0), shortfall


def regrets(parts: int, predictor: Predictor, physics: Predictor, memory: AnalyticMemory) -> dict[str, dict[str, float]]:
    """Return the space, and how the genetic search and the narrowed one do in it."""
    rows = [compared(task, predictor, physics, memory) for task in generated_tasks(parts, seed=SEED, method=predictor.method)]
    large = [row for row in rows if row.space > LARGE_SPACE]
    space = {
        "parts": len(rows),
        "space_median": statistics.median(row.space for row in rows),
        "space_max": max(row.space for row in rows),
        "parts_large": len(large),
        "exhaustive_ms_median": round(statistics.median(row.exhaustive_ms for row in rows), 1),
    }
    return {
        "space": space,
        "genetic": _summary([row.genetic for row in rows], [row.genetic for row in large]),
        "narrowed": _summary([row.narrowed for row in rows], [row.narrowed for row in large]),
    }


def _summary(rows: Sequence[Way], large: Sequence[Way]) -> dict[str, float]:
    times = [row.ms for row in rows]
    return {
        "exact_share": _exact_share(rows),
        "exact_share_large": _exact_share(large),
        "regret_max": max(row.regret for row in rows),
        "shortfall_max": max(row.shortfall for row in rows),
        "generations_median": statistics.median(row.generations for row in rows),
        "evaluations_median": statistics.median(row.evaluations for row in rows),
        "ms_median": round(statistics.median(times), 1),
        "ms_p95": round(statistics.quantiles(times, n=20)[-1], 1),
    }


def _exact_share(rows: Sequence[Way]) -> float:
    return round(sum(row.is_exact for row in rows) / max(1, len(rows)), 4)


def one_part(predictor: Predictor, physics: Predictor, memory: AnalyticMemory) -> dict[str, float]:
    """Return how long a part takes in the way that suits it, warm: of three runs the shortest."""
    tasks = list(generated_tasks(TIMED_PARTS, seed=SEED + 1, method=predictor.method))
    least = [min(timed(lambda task=task: find(task, predictor, memory, physics=physics))[1] for _ in range(3)) for task in tasks]
    return {
        "parts": len(least),
        "ms_median": round(statistics.median(least), 1),
        "ms_p95": round(statistics.quantiles(least, n=20)[-1], 1),
        "ms_max": round(max(least), 1),
    }


def sixty(method: Method, slo: Slo) -> list[SearchTask]:
    """Return the parts of one request over ten clusters of unlike sizes, three device types and two engines."""
    model, memory = catalogue_model("meta-llama/Llama-3.1-70B-Instruct"), AnalyticMemory()
    if model is None:
        raise SystemExit("the model of the benchmark is not in the catalogue")
    load = Workload(input_tokens=1000, output_tokens=500, concurrency=200)
    places = [
        Place(cluster_id=f"c{number}", device=device, nodes=(8,) * (1 + number % 4)) for number in range(CLUSTERS) for device in DEVICES
    ]
    parts = [
        part_of(place, model, engine=engine, workload=load, slo=slo, method=method)
        for place in places
        for engine in (EngineKind.VLLM, EngineKind.SGLANG)
    ]
    return [task for part in parts if isinstance(task := narrow(part, (), memory, now_s=0.0), SearchTask)]


async def one_request(tasks: Sequence[SearchTask]) -> float:
    """Return the seconds that two warm processes take for all parts of a request they have not seen before."""
    search = PartSearch(folders=SetFolders(primary=SHIPPED_MODELS))
    pool = ProcessPool(2, warm=search.warm)
    try:
        await pool.start()
        await asyncio.gather(*(pool.run(search, task) for task in generated_tasks(4, seed=SEED + 2, method=tasks[0].part.requested_method)))
        begin = time.perf_counter()
        await asyncio.gather(*(pool.run(search, task) for task in tasks))
        return time.perf_counter() - begin
    finally:
        await pool.close()


def is_repeatable(predictor: Predictor, memory: AnalyticMemory) -> bool:
    """Whether the same seed gives the same answer, byte for byte."""
    for task in generated_tasks(10, seed=SEED + 3, method=predictor.method):
        answers = {RESULT.dump_json(genetic_search(replace(task), predictor, memory)) for _ in range(2)}
        if len(answers) > 1:
            return False
    return True


def measured(parts: int, predictors: Mapping[Method, Predictor], memory: AnalyticMemory) -> dict[str, object]:
    found: dict[str, object] = {"machine": platform.machine(), "seed": SEED}
    for method, predictor in predictors.items():
        found[method.value] = {
            **regrets(parts, predictor, predictors[Method.HEURISTIC], memory),
            "one_part": one_part(predictor, predictors[Method.HEURISTIC], memory),
            "same_seed_same_bytes": is_repeatable(predictor, memory),
        }
    found["one_request"] = [_asked(method, name) for method in predictors for name in SLOS]
    return found


def _asked(method: Method, slos: str) -> dict[str, object]:
    tasks = sixty(method, SLOS[slos])
    seconds = asyncio.run(one_request(tasks))
    return {"method": method.value, "slos": slos, "parts": len(tasks), "processes": 2, "seconds": round(seconds, 3)}


def predictors_of(memory: AnalyticMemory) -> dict[Method, Predictor]:
    """Return physics, and the shipped trained models."""
    physics = HeuristicPredictor(memory=memory)
    models = load_model_set(SHIPPED_MODELS).models
    trained = {pair: RegressorPredictor(heuristic=physics, model=model) for pair, model in models.items()}
    return {Method.HEURISTIC: physics, Method.REGRESSOR: PairedPredictor(trained, otherwise=physics)}


def main() -> None:
    parts = int(sys.argv[1]) if len(sys.argv) > 1 else PARTS
    memory = AnalyticMemory()
    results = measured(parts, predictors_of(memory), memory)
    print(json.dumps(results, indent=1))
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
