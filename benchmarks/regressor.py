"""Candidates a second of the shipped regressor, all targets and intervals, one thread. Writes benchmarks/results/regressor.json."""

import json
import platform
import time
from pathlib import Path

from benchmarks.core import MODELS, candidates, scenario
from budsim.adapters.trained_models import load_model_set
from budsim.config import SHIPPED_MODELS
from budsim.core.hardware.spec import DeviceType
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.predictors.regressor import RegressorPredictor

RESULTS = Path(__file__).parent / "results" / "regressor.json"
SIZES = (1, 50, 1_000, 10_000)
REPEATS = 5
AIM_PER_S = 50_000


def seconds(predictor: RegressorPredictor, model_id: str, count: int) -> float:
    """Return the least processor time of several calls, after one that warms."""
    where = scenario(model_id)
    columns = candidates(where, count)
    predictor.predict(where, columns)
    taken = []
    for _ in range(REPEATS):
        begin = time.process_time()
        predictor.predict(where, columns)
        taken.append(time.process_time() - begin)
    return min(taken)


def main() -> None:
    begin = time.process_time()
    model = load_model_set(SHIPPED_MODELS).models["vllm", DeviceType.CUDA]
    loaded_s = time.process_time() - begin
    predictor = RegressorPredictor(heuristic=HeuristicPredictor(memory=AnalyticMemory()), model=model)
    found: dict[str, dict[str, float]] = {}
    for model_id in MODELS:
        for count in SIZES:
            taken = seconds(predictor, model_id, count)
            found[f"{model_id}, {count}"] = {"call_ms": round(1e3 * taken, 2), "candidates_per_s": round(count / taken)}
            print(f"{model_id:40} {count:6} candidates: {1e3 * taken:8.2f} ms, {count / taken:9.0f} candidates/s")
    print(f"loading the set: {loaded_s:.2f} s; aim in bulk: {AIM_PER_S} candidates/s")
    RESULTS.write_text(json.dumps({"machine": platform.machine(), "loading_s": round(loaded_s, 2), "calls": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
