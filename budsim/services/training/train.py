"""One training: rows in, the files of a model set out."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import numpy as np

from budsim.core.errors import InvalidInput
from budsim.core.hardware.spec import DeviceType
from budsim.services.training.card import Lineage, Pair, card_of, stored_widths
from budsim.services.training.folds import Fold, Held, folds, held_out
from budsim.services.training.intervals import widths_of
from budsim.services.training.learn import Learnable, LearnedTarget, Steps
from budsim.services.training.metrics import metrics_of
from budsim.services.training.rows import Table
from budsim.services.training.settings import TARGETS, Settings

# Pairs that are served though little or nothing of them was measured: they lean on physics and say so
ALWAYS: Final = tuple(Pair(engine="vllm", device_type=each) for each in (DeviceType.CUDA, DeviceType.ROCM, DeviceType.HPU, DeviceType.CPU))


def cross_validated(
    rows: Learnable, whole: Mapping[str, LearnedTarget], settings: Settings, physics_of: Callable[[Fold], Learnable], said: Steps
) -> list[Held]:
    """Return the predictions of every fold, physics and all refitted without it where `physics_of` does so."""
    listed = list(folds(rows.table))
    found = []
    for index, fold in enumerate(listed):
        found.append(held_out(fold, physics_of(fold), whole, settings))
        said(f"held out: {fold.split} {fold.name}", index + 1, len(listed))
    return found


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


def files_of(
    pairs: Sequence[Pair], rows: Learnable, held: Sequence[Held], whole: Mapping[str, LearnedTarget], settings: Settings, lineage: Lineage
) -> dict[str, bytes]:
    """Return the contents of every file of the set, by path below its folder."""
    models = _model_files(whole)
    digests = {name: sha256(content).hexdigest() for name, content in models.items()}
    widths = stored_widths(widths_of(rows.table, held))
    found: dict[str, bytes] = {}
    for pair in pairs:
        intervals: dict[str, Any] = {"covered": 0.9, "by": "likeness of the nearest measured run", "widths": widths}
        extra = {"sha256": digests, "intervals": intervals, "metrics": metrics_of(rows.table, held, pair)}
        card = card_of(pair, rows.table, settings, lineage, extra)
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
