"""How near the memory model comes to what vLLM and SGLang printed at start-up: `python -m benchmarks.memory`.

Reads tests/data/engine_logs.csv. With `--oom FILE` it also tells how well the planned margin ranks the configurations of an oom.csv.
"""

import argparse
import csv
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from budsim.core.memory.question import Question, answer
from budsim.core.model.catalogue import catalogue_model
from budsim.core.model.huggingface_config import model_from_config
from budsim.core.model.quantize import quantize
from budsim.core.model.spec import ModelSpec

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
NEAR_GIB, NEAR_SHARE = 0.5, 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One log beside its prediction; errors are predicted − printed, None where the log does not print the figure."""

    row: Mapping[str, str]
    predicted_gib: float
    predicted_tokens: float
    error_gib: float | None
    error_share: float | None

    @property
    def near(self) -> bool:
        """Within half a GiB, or 3 % of the tokens."""
        return any(
            error is not None and abs(error) <= limit for error, limit in ((self.error_gib, NEAR_GIB), (self.error_share, NEAR_SHARE))
        )


def logs() -> list[Mapping[str, str]]:
    """Return the collected start-ups."""
    with (DATA / "engine_logs.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def shape(model_id: str) -> ModelSpec:
    """Return a logged model: from the facts beside the logs, or from the catalogue."""
    facts = json.loads((DATA / "engine_log_models.json").read_text(encoding="utf-8")).get(model_id)
    if facts is None:
        found = catalogue_model(model_id)
        if found is None:
            raise KeyError(f"{model_id} is neither in engine_log_models.json nor in the catalogue")
        return found
    if "like" in facts:
        return quantize(shape(facts["like"]), facts["quantization"]) if facts["quantization"] else shape(facts["like"])
    return model_from_config(facts["config"], model_id=model_id, source="tests/data")


def question(row: Mapping[str, str]) -> Question:
    """Return what the command would be asked for this start-up."""
    return Question(
        model=shape(row["model"]),
        device=row["device"],
        engine=row["engine"],
        engine_version=row["version"],
        tensor_parallel=int(row["tp"]),
        pipeline_parallel=int(row["pp"]),
        share=float(row["utilization"]) if row["utilization"] else None,
        max_model_len=int(row["max_model_len"]),
        max_num_batched_tokens=int(row["max_num_batched_tokens"]) if row["max_num_batched_tokens"] else None,
        max_num_seqs=int(row["max_num_seqs"]) if row["max_num_seqs"] else None,
        dtype=row["dtype"] or "auto",
        kv_dtype=row["kv_dtype"] or "auto",
        quantization=row["quantization"] or None,
    )


def compare(row: Mapping[str, str]) -> Compared:
    """Return one log beside its prediction."""
    found = answer(question(row))
    printed_gib, printed_tokens = row["kv_cache_gib"], row["kv_cache_tokens"]
    return Compared(
        row=row,
        predicted_gib=found.kv_cache_gib,
        predicted_tokens=found.kv_cache_tokens,
        error_gib=found.kv_cache_gib - float(printed_gib) if printed_gib else None,
        error_share=found.kv_cache_tokens / int(printed_tokens) - 1 if printed_tokens else None,
    )


def summary(compared: Sequence[Compared]) -> str:
    """Return count, median, p90 and the share that is near."""
    gib = sorted(abs(each.error_gib) for each in compared if each.error_gib is not None)
    tokens = sorted(abs(each.error_share) for each in compared if each.error_share is not None)
    near = sum(each.near for each in compared) / len(compared)
    return (
        f"{len(compared)} logs; GiB: median {statistics.median(gib):.2f}, p90 {_p90(gib):.2f}; "
        f"tokens: median {100 * statistics.median(tokens):.1f} %, p90 {100 * _p90(tokens):.1f} %; "
        f"within {NEAR_GIB} GiB or {100 * NEAR_SHARE:.0f} %: {100 * near:.0f} %"
    )


def _p90(values: Sequence[float]) -> float:
    return values[min(len(values) - 1, int(0.9 * len(values)))]


def _lines(compared: Sequence[Compared]) -> Iterator[str]:
    for each in sorted(compared, key=lambda one: (one.row["half"], one.near)):
        row = each.row
        gib = "      –" if each.error_gib is None else f"{each.error_gib:+7.2f}"
        tokens = "      –" if each.error_share is None else f"{100 * each.error_share:+6.1f}%"
        where = f"{row['device']}×{int(row['tp']) * int(row['pp'])}"
        yield f"{row['half'][:5]} {gib} GiB {tokens}  {row['engine']} {row['version']:7} {where:18} {row['model']}"


def main() -> None:
    """Print every log and the two halves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--oom", type=Path, help="an oom.csv, to rank its configurations by the planned margin")
    options = parser.parse_args()
    if options.oom:
        from benchmarks.out_of_memory import report

        print(report(options.oom))
        return
    compared = [compare(row) for row in logs()]
    print("\n".join(_lines(compared)))
    for half in ("calibration", "check"):
        print(f"{half}: {summary([each for each in compared if each.row['half'] == half])}")


if __name__ == "__main__":
    main()
