"""PostgresObservations: what feedback observed, with what it is of and what was predicted."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Row, Select, func, select

from budsim.core.engines.candidates import Candidate
from budsim.core.model.spec import ModelSpec, Quantization
from budsim.core.search.blacklist import is_out_of_memory
from budsim.core.units import ms_to_seconds
from budsim.services.accuracy.predict import Range
from budsim.services.observations import Observation, SetFigures
from budsim.storage.engine import Sessions, transaction
from budsim.storage.schema import FeedbackRow, PartRow, SetPredictionRow, SimulationResultRow

_CANDIDATE: Final = TypeAdapter(Candidate)
_MODEL: Final = TypeAdapter(ModelSpec)
_QUANTIZATION: Final[TypeAdapter[Quantization | None]] = TypeAdapter(Quantization | None)
_RESULT: Final = SimulationResultRow
_FIGURES: Final = tuple(
    f"{figure}{quantile}" for figure in ("ttft", "throughput_per_user", "e2e_latency") for quantile in ("", "_p5", "_p95")
)
_REGRESSOR: Final = "regressor"  # only sets of trained models stand beside an answer


def _wanted() -> Select[Any]:
    whole = _RESULT.top_k_configs
    group, engine = whole["part"]["group"], whole["part"]["engine"]
    return (
        select(
            FeedbackRow.observed,
            FeedbackRow.reason,
            FeedbackRow.created_at,
            _RESULT.config_id,
            _RESULT.model_name,
            _RESULT.input_tokens,
            _RESULT.output_tokens,
            _RESULT.engine,
            _RESULT.engine_version,
            _RESULT.method,
            _RESULT.model_set,
            *(getattr(_RESULT, name) for name in _FIGURES),
            PartRow.part["model"]["quantization"].label("quantization"),
            whole["configuration"]["candidate"].label("candidate"),
            group["accelerator"]["name"].astext.label("hardware"),
            group["accelerator"]["device_type"].astext.label("device_type"),
            group["mode"].astext.label("hardware_mode"),
            engine["runtime"].astext.label("runtime"),
        )
        .join(FeedbackRow, FeedbackRow.config_id == _RESULT.config_id)
        .join(PartRow, PartRow.id == _RESULT.part_id)
        .where(FeedbackRow.observed.is_not(None))
        .order_by(FeedbackRow.id)
    )


class PostgresObservations:
    """Reads observations."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def all(self) -> Sequence[Observation]:
        """Return every report with observed figures, oldest first, but those of deployments that ran out of memory: they say no speed."""
        async with transaction(self._sessions) as session:
            rows = (await session.execute(_wanted())).all()
            observed = select(FeedbackRow.config_id).where(FeedbackRow.observed.is_not(None))
            beside = (await session.execute(select(SetPredictionRow).where(SetPredictionRow.config_id.in_(observed)))).scalars().all()
        others: dict[UUID, list[SetFigures]] = {}
        for found in beside:
            others.setdefault(found.config_id, []).append(_figures(found, method=_REGRESSOR, version=found.model_set))
        return [_observation(row, others.get(row.config_id, [])) for row in rows if not is_out_of_memory(row.reason)]

    async def models(self) -> dict[str, ModelSpec]:
        """Return the shape of every model that was observed, by lower-case name, unquantised: rows name their weights' format."""
        newest = (
            select(func.max(FeedbackRow.id))
            .join(_RESULT, FeedbackRow.config_id == _RESULT.config_id)
            .where(FeedbackRow.observed.is_not(None))
            .group_by(_RESULT.model_name)
        )
        named = (
            select(_RESULT.model_name, PartRow.part["model"])
            .join(FeedbackRow, FeedbackRow.config_id == _RESULT.config_id)
            .join(PartRow, PartRow.id == _RESULT.part_id)
            .where(FeedbackRow.id.in_(newest))
        )
        async with transaction(self._sessions) as session:
            rows = (await session.execute(named)).all()
        return {name.lower(): replace(_MODEL.validate_python(model), quantization=None) for name, model in rows}


def _observation(row: Row[Any], beside: Sequence[SetFigures]) -> Observation:
    observed = row.observed
    answered = [_figures(row, method=row.method, version=row.model_set)] if row.model_set else []  # rows of before it was kept have none
    return Observation(
        config_id=row.config_id,
        reported=row.created_at.date(),
        model=row.model_name,
        quantization=_QUANTIZATION.validate_python(row.quantization),
        hardware=row.hardware,
        device_type=row.device_type,
        hardware_mode=row.hardware_mode,
        engine=row.runtime or row.engine,
        engine_version=row.engine_version or "",
        candidate=_CANDIDATE.validate_python(row.candidate),
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        concurrency=observed.get("concurrency"),
        ttft_s=observed.get("ttft_s"),
        e2e_s=observed.get("e2e_s"),
        throughput_per_user=observed.get("throughput_per_user"),
        predictions=(*answered, *beside),
    )


def _figures(found: Row[Any] | SetPredictionRow, *, method: str, version: str) -> SetFigures:
    return SetFigures(
        method=method,
        version=version,
        ttft_s=Range(mean=ms_to_seconds(found.ttft), low=ms_to_seconds(found.ttft_p5), high=ms_to_seconds(found.ttft_p95)),
        throughput_per_user=Range(mean=found.throughput_per_user, low=found.throughput_per_user_p5, high=found.throughput_per_user_p95),
        e2e_s=Range(mean=found.e2e_latency, low=found.e2e_latency_p5, high=found.e2e_latency_p95),
    )
