"""Trained models from disk: checked against their cards, and none that is broken stops the others."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from budsim.core.engines.candidates import FloatArray
from budsim.core.hardware.spec import DeviceType
from budsim.core.predictors.features import FEATURES
from budsim.core.predictors.likeness import COORDINATES, Kernel
from budsim.core.predictors.neighbours import Neighbours
from budsim.core.predictors.regressor import Corrections, TrainedModel
from budsim.core.predictors.widths import Quantiles, Widths

if TYPE_CHECKING:
    from xgboost import Booster

CARD: Final = "card.json"
NEIGHBOURS: Final = "neighbours.npz"
TARGETS: Final = ("ttft", "tpot")
BATCH: Final = "batch_"  # before the name of a latency: that of static batches
STATIC_BATCH: Final = FEATURES.index("static_batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was learned of one target: trees, the share of them that is trusted, and measured runs, which tell of closed loops alone."""

    booster: "Booster"
    trust: float
    batch_trust: float
    neighbours: Neighbours

    def told(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the logarithmic correction and the likeness of the nearest measured run, shape (n,) each."""
        trees = self.booster.inplace_predict(features.astype(np.float32), validate_features=False)
        near, nearness = self.neighbours.told(features)
        trust = np.where(features[:, STATIC_BATCH] > 0.0, self.batch_trust, self.trust)
        return trust * np.asarray(trees, dtype=np.float64) + near, nearness


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostedModel:
    """Trees and neighbours of one engine and device type."""

    engine: str
    device_type: DeviceType
    card: Mapping[str, Any]
    ttft: Target
    tpot: Target
    widths: Mapping[str, Widths]

    @property
    def version(self) -> str:
        """Version of the set."""
        return str(self.card["version"])

    def correct(self, features: FloatArray) -> Corrections:
        """Return the corrections of candidates of these features, shape (n, len(FEATURES))."""
        (ttft, near_ttft), (tpot, near_tpot) = self.ttft.told(features), self.tpot.told(features)
        return Corrections(
            log_ttft=ttft,
            log_tpot=tpot,
            ttft=self._around("ttft", near_ttft, features),
            tpot=self._around("tpot", near_tpot, features),
            e2e=self._around("e2e", near_tpot, features),
            nearness=near_tpot,
        )

    def _around(self, name: str, nearness: FloatArray, features: FloatArray) -> Quantiles:
        closed, batch = self.widths[name].at(nearness), features[:, STATIC_BATCH] > 0.0
        if not batch.any():
            return closed
        found = self.widths[BATCH + name].at(nearness)
        return Quantiles(low=np.where(batch, found.low, closed.low), high=np.where(batch, found.high, closed.high))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSet:
    """Trained models by engine and device type; what could not be used is named in `problems`."""

    version: str
    models: Mapping[tuple[str, DeviceType], TrainedModel] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


class BrokenModel(Exception):
    """A model that does not match its card; the message says how."""


def load_model_set(folder: Path) -> ModelSet:
    """Return the models of a folder `<engine>/<device type>/`; a broken one is a problem, not an error."""
    models: dict[tuple[str, DeviceType], TrainedModel] = {}
    problems: list[str] = []
    for path in sorted(folder.glob(f"*/*/{CARD}")):
        pair = f"{path.parent.parent.name}/{path.parent.name}"
        try:
            model = _model(path.parent)
        except (BrokenModel, OSError, ValueError, KeyError, TypeError) as error:
            problems.append(f"{pair}: {' '.join(str(error).split()) or type(error).__name__}")
            continue
        models[model.engine, model.device_type] = model
    return ModelSet(version="+".join(sorted({model.version for model in models.values()})), models=models, problems=tuple(problems))


def _model(folder: Path) -> BoostedModel:
    import xgboost

    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    _check(card, folder, xgboost.__version__)
    tables = _tables(folder / NEIGHBOURS)
    return BoostedModel(
        engine=folder.parent.name,
        device_type=DeviceType(folder.name),
        card=card,
        ttft=_target(card, folder, tables, "ttft"),
        tpot=_target(card, folder, tables, "tpot"),
        widths={name: _widths(each) for name, each in card["intervals"]["widths"].items()},
    )


def _check(card: Mapping[str, Any], folder: Path, xgboost_version: str) -> None:
    if tuple(card["features"]) != FEATURES or tuple(card["coordinates"]) != COORDINATES:
        raise BrokenModel("its features are not those of this release; train it again")
    if str(card["xgboost"]).split(".")[0] != xgboost_version.split(".", maxsplit=1)[0]:
        raise BrokenModel(f"written by xgboost {card['xgboost']}, here is {xgboost_version}; train it again")
    for name, stated in card["sha256"].items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != stated:
            raise BrokenModel(f"{name} is not the file of its card: sha256 {found[:12]}… instead of {stated[:12]}…")


def _target(card: Mapping[str, Any], folder: Path, tables: Mapping[str, FloatArray], name: str) -> Target:
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(folder / f"regressor_{name}.ubj")
    booster.set_param({"nthread": 1})
    kernel = card["kernels"][name]
    return Target(
        booster=booster,
        trust=float(card["trust"][name]),
        batch_trust=float(card["batch_trust"][name]),
        neighbours=Neighbours(
            kernel=Kernel(**{**kernel, "far": tuple(kernel["far"]), "near": tuple(kernel["near"])}),
            points=tables[f"points_{name}"],
            weights=tables[f"weights_{name}"],
        ),
    )


def _tables(path: Path) -> Mapping[str, FloatArray]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: np.asarray(stored[name], dtype=np.float64) for name in stored.files}


def _widths(stored: Mapping[str, Any]) -> Widths:
    return Widths(**{name: np.asarray(stored[name], dtype=np.float64) for name in ("nearness", "low", "high")})
