"""µs per candidate of the memory and the latency model, at 1, 100 and 10,000 candidates. Writes benchmarks/results/core.json."""

import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from budsim.core.engines.candidates import Candidates
from budsim.core.engines.knobs import default_candidates
from budsim.core.engines.spec import EngineKind, EngineProfile, Scenario
from budsim.core.hardware.catalogue import catalogue
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.catalogue import catalogue_model
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.workload import Workload

RESULTS = Path(__file__).parent / "results" / "core.json"
SIZES = (1, 100, 10_000)
MODELS = ("meta-llama/Llama-3.1-70B-Instruct", "deepseek-ai/DeepSeek-V3")
MEASURED_S, REPEATS = 0.6, 300


def scenario(model_id: str) -> Scenario:
    device, model = catalogue()["H100-SXM-80GB"], catalogue_model(model_id)
    if model is None:
        raise SystemExit(f"{model_id} is not in the catalogue")
    engine = EngineProfile(kind=EngineKind.VLLM, version="0.11.2", image="", preference=0)
    workload = Workload(input_tokens=1000, output_tokens=500, concurrency=1)
    return Scenario(model=model, device=device, memory_bytes=device.memory_bytes, engine=engine, workload=workload)


def candidates(where: Scenario, count: int) -> Candidates:
    rng = np.random.default_rng(count)
    return default_candidates(
        where,
        tensor_parallel=rng.choice([1, 2, 4, 8], count),
        pipeline_parallel=rng.choice([1, 2], count),
        concurrency=rng.integers(1, 256, count),
    )


def us_per_candidate(work: Callable[[], object], count: int) -> float:
    """Return the least of several means: what the machine does when nobody disturbs it."""
    work()
    means = []
    for _ in range(REPEATS):
        rounds, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < MEASURED_S / REPEATS:
            work()
            rounds += 1
        means.append((time.perf_counter() - begin) / rounds)
    return 1e6 * min(means) / count


def measured() -> dict[str, dict[str, float]]:
    memory = AnalyticMemory()
    predictor = HeuristicPredictor(memory=memory)
    found: dict[str, dict[str, float]] = {}
    for model_id in MODELS:
        where = scenario(model_id)
        for count in SIZES:
            columns = candidates(where, count)
            plan = us_per_candidate(lambda where=where, columns=columns: memory.plan(where, columns), count)
            both = us_per_candidate(lambda where=where, columns=columns: predictor.predict(where, columns), count)
            found[f"{model_id}, {count}"] = {"memory_us": round(plan, 2), "latency_us": round(both - plan, 2)}
    return found


def main() -> None:
    results = measured()
    for name, figures in results.items():
        print(f"{name:50} memory {figures['memory_us']:8.2f} µs, latency {figures['latency_us']:8.2f} µs a candidate")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": platform.machine(), "us_per_candidate": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
