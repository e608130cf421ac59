"""Predictions of measured rows, in the mode they were measured in; a row that cannot be predicted says why."""

from collections.abc import Sequence
from dataclasses import dataclass

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.errors import BudSimError
from budsim.core.predictors.protocol import Interval, Predictions, Predictor
from budsim.services.accuracy.floor import is_below_floor
from budsim.services.accuracy.rows import MeasuredRow
from budsim.services.accuracy.runs import Models, Run, as_status, run_of

OK = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A predicted figure with its 5 % and 95 % quantiles, None without."""

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What is predicted of one run. [s, output tokens/s]"""

    ttft_s: Range
    tpot_s: Range
    e2e_s: Range
    throughput_per_user: Range
    saturated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One row with its status: `ok` and a prediction, or the reason why there is none.

    Attributes:
        below_floor: Whether it was measured to be faster than its devices can read the weights.
    """

    row: MeasuredRow
    status: str
    kind: str = "unknown"
    predicted: Predicted | None = None
    below_floor: bool = False


def predict_rows(rows: Sequence[MeasuredRow], models: Models, predictor: Predictor) -> list[Outcome]:
    """Return the outcome of every row, in order.

    Args:
        rows: What was measured.
        models: Shapes by lower-case name, looked up before the catalogue.
        predictor: The method.
    """
    return [_outcome(row, models, predictor) for row in rows]


def _outcome(row: MeasuredRow, models: Models, predictor: Predictor) -> Outcome:
    try:
        run = run_of(row, models)
        predictions = predictor.predict(run.scenario, Candidates.from_rows([run.candidate]))
    except BudSimError as error:
        return Outcome(row=row, status=as_status(error))
    return Outcome(row=row, status=OK, kind=_kind(run), predicted=_predicted(predictions), below_floor=is_below_floor(row, run))


def _kind(run: Run) -> str:
    model = run.scenario.model
    shape = "MoE" if model.is_moe else "dense"
    return f"{shape}, {model.quantization.method}" if model.quantization else f"{shape}, 16 bits"


def _predicted(found: Predictions) -> Predicted:
    return Predicted(
        ttft_s=_range(found.ttft_s, found.ttft_interval_s),
        tpot_s=_range(found.tpot_s, found.tpot_interval_s),
        e2e_s=_range(found.e2e_s, found.e2e_interval_s),
        throughput_per_user=_range(found.throughput_per_user, found.throughput_interval),
        saturated=found.saturated is not None and bool(found.saturated[0]),
    )


def _range(mean: FloatArray, interval: Interval | None) -> Range:
    if interval is None:
        return Range(mean=float(mean[0]))
    return Range(mean=float(mean[0]), low=float(interval.low[0]), high=float(interval.high[0]))
