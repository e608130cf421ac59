"""One training: rows in, the files of a model set out."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import numpy as np

from budsim.core.errors import InvalidInput
from budsim.core.hardware.spec import DeviceType
from budsim.services.training.card import Lineage, Pair, card_of, stored_widths
from budsim.services.training.folds import Fold, Held, folds
from budsim.services.training.intervals import batch_widths_of, misses_of, widened, widths_of
from budsim.services.training.learn import Learnable, LearnedTarget, Steps, learned
from budsim.services.training.metrics import judged, metrics_of
from budsim.services.training.rows import Table
from budsim.services.training.settings import TARGETS, Settings, Way
from budsim.services.training.tune import tuned

# Pairs that are served though little or nothing of them was measured: they lean on physics and say so
ALWAYS: Final = tuple(Pair(engine="vllm", device_type=each) for each in (DeviceType.CUDA, DeviceType.ROCM, DeviceType.HPU, DeviceType.CPU))


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What came of one training.

    Attributes:
        rows: What it was trained on; `settings` what was tried.
        whole: What all rows teach, in the ways that did best.
        held: Predictions of the closed loops of every fold; `batches` of its static batches.
    """

    rows: Learnable
    settings: Settings
    whole: Mapping[str, LearnedTarget]
    held: Sequence[Held]
    batches: Sequence[Held]

    @property
    def ways(self) -> Mapping[str, Way]:
        """How each target is told."""
        return {name: each.way for name, each in self.whole.items()}


def trained(rows: Learnable, settings: Settings, physics_of: Callable[[Fold], Learnable], said: Steps) -> Training:
    """Return what all rows teach, in the ways that do best on folds, and what each fold is told by what never saw it."""
    tried = tuned(rows, settings, physics_of, list(folds(rows.table)), said)
    return Training(
        rows=rows,
        settings=settings,
        whole=learned(rows, tried.ways(), settings, said),
        held=list(tried.held()),
        batches=list(tried.held_batches()),
    )


def lineage_of(rows: Learnable, settings: Settings, *, date: str, constants: str) -> Lineage:
    """Return where a set comes from; its version names the day and, by a digest, rows, physics and settings."""
    import xgboost

    digest = sha256(repr(settings).encode())
    for column in (rows.features, rows.errors, rows.weights):
        digest.update(np.ascontiguousarray(np.round(column, 6)).tobytes())
    return Lineage(version=f"regressor-{date}-{digest.hexdigest()[:8]}", date=date, constants=constants, xgboost=xgboost.__version__)


def pairs_of(table: Table) -> list[Pair]:
    """Return the pairs that closed loops were measured of, and those that are always served."""
    measured = {(row.row.engine, row.run.scenario.device.device_type) for row in table.rows if not row.static}
    return sorted(
        {Pair(engine=engine, device_type=device) for engine, device in measured} | set(ALWAYS),
        key=lambda pair: (pair.engine, pair.device_type),
    )


def chosen(pairs: Sequence[Pair], engine: str | None, device_type: DeviceType | None) -> list[Pair]:
    """Return the pairs of an engine and a device type, None being any.

    Raises:
        InvalidInput: There is none.
    """
    found = [pair for pair in pairs if engine in (None, pair.engine) and device_type in (None, pair.device_type)]
    if not found:
        known = ", ".join(f"{pair.engine}/{pair.device_type}" for pair in pairs)
        raise InvalidInput(
            f"no rows of {engine or 'any engine'} on {device_type or 'any device'}", param="engine", remedy=f"use one of {known}"
        )
    return found


def files_of(pairs: Sequence[Pair], training: Training, lineage: Lineage) -> dict[str, bytes]:
    """Return the contents of every file of the set, by path below its folder."""
    models, table = _model_files(training.whole), training.rows.table
    digests = {name: sha256(content).hexdigest() for name, content in models.items()}
    splits = judged(table, training.held, pairs_of(table))
    misses, batches = misses_of(table, training.held), batch_widths_of(misses_of(table, training.batches))
    pooled = widths_of(misses)
    found: dict[str, bytes] = {}
    for pair in pairs:
        own = misses.under(np.array([pair.holds(table.rows[index]) for index in misses.index], dtype=np.bool_))
        widths = stored_widths({**widened(pooled, own), **batches})
        intervals: dict[str, Any] = {"covered": 0.9, "by": "likeness of the nearest measured run", "widths": widths}
        extra = {"sha256": digests, "intervals": intervals, "metrics": metrics_of(table, splits, pair)}
        card = card_of(pair, table, training.settings, lineage, training.ways, extra)
        folder = f"{pair.engine}/{pair.device_type}"
        found |= {f"{folder}/{name}": content for name, content in models.items()}
        found[f"{folder}/card.json"] = (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode()
    return found


def _model_files(whole: Mapping[str, LearnedTarget]) -> dict[str, bytes]:
    found = {f"regressor_{name}.ubj": bytes(whole[name].booster.save_raw("ubj")) for name in TARGETS}
    tables: dict[str, Any] = {}
    for name in TARGETS:
        neighbours = whole[name].neighbours
        tables |= {f"points_{name}": neighbours.points.astype(np.float32), f"weights_{name}": neighbours.weights.astype(np.float32)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **tables)
    return {**found, "neighbours.npz": buffer.getvalue()}
