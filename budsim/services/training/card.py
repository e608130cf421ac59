"""Cards: what a model was trained on, how well it does where it never was, and what it cannot do."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from budsim.core.hardware.spec import DeviceType
from budsim.core.predictors.features import FEATURES
from budsim.core.predictors.likeness import COORDINATES
from budsim.core.predictors.widths import Widths
from budsim.services.training.rows import Table, TrainingRow
from budsim.services.training.settings import Settings, Way

FEW_RUNS: Final = 50
DIGITS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a set comes from: its version, the day on its cards, the constants of its physics, the library that grew its trees."""

    version: str
    date: str
    constants: str
    xgboost: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An engine and a device type, and which rows are its own."""

    engine: str
    device_type: DeviceType

    def holds(self, row: TrainingRow) -> bool:
        """Return whether a row ran on this pair."""
        return row.row.engine == self.engine and row.run.scenario.device.device_type is self.device_type


def card_of(
    pair: Pair, table: Table, settings: Settings, lineage: Lineage, ways: Mapping[str, Way], learned: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the card of a pair; `ways` is how each target is told, `learned` holds widths, metrics and sha256."""
    own = [row for row in table.rows if pair.holds(row)]
    return {
        "engine": pair.engine,
        "device_type": pair.device_type.value,
        **asdict(lineage),
        "learned": "log(measured / analytic) of TTFT and TPOT, by boosted trees and, on what they leave, kriging over measured runs",
        "seed": settings.seed,
        "trust": {name: way.trust for name, way in ways.items()},
        "batch_trust": {name: way.batch_trust for name, way in ways.items()},
        "trees": {name: asdict(way.trees) for name, way in ways.items()},
        "kernels": {name: asdict(way.kernel) for name, way in ways.items()},
        "rows": {"own": _kinds(own), "all": _kinds(table.rows), "left_out": dict(table.left_out)},
        "sources": _sources(table.rows, own),
        "limits": _limits(pair, own),
        "features": list(FEATURES),
        "coordinates": list(COORDINATES),
        **learned,
    }


def stored_widths(widths: Mapping[str, Widths]) -> dict[str, dict[str, list[float]]]:
    """Return widths as a card holds them."""
    return {
        name: {key: [round(float(value), DIGITS) for value in getattr(each, key)] for key in ("nearness", "low", "high")}
        for name, each in widths.items()
    }


def _kinds(rows: Iterable[TrainingRow]) -> dict[str, int]:
    found = Counter("closed loop, means" if row.clean else "static batch" if row.static else "closed loop, medians" for row in rows)
    return dict(sorted(found.items()))


def _sources(rows: Sequence[TrainingRow], own: Sequence[TrainingRow]) -> list[dict[str, Any]]:
    counted = Counter((row.source, row.licence, row.commit) for row in rows)
    mine = Counter((row.source, row.licence, row.commit) for row in own)
    return [
        {"source": key[0], "licence": key[1], "commit": key[2], "rows": count, "own_rows": mine[key]}
        for key, count in sorted(counted.items())
    ]


def _limits(pair: Pair, own: Sequence[TrainingRow]) -> list[str]:
    served = sum(not row.static for row in own)
    limits = [
        "decoders without speculative decoding; open loops are told by physics alone, for none was learned from",
        "trees and runs are those of all pairs; the widths of the intervals are the pair's own",
    ]
    if served < FEW_RUNS:
        limits.append(
            f"only {served} closed-loop runs of {pair.engine} on {pair.device_type}: the answer leans on physics and on other pairs"
        )
    models, devices = {row.row.arch for row in own}, {row.run.scenario.device.name for row in own}
    limits.append(f"seen: {len(models)} model architectures, devices {', '.join(sorted(devices)) or 'none'}; elsewhere intervals are wider")
    return limits
