"""Boosted trees on logarithmic errors of the analytic model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from budsim.core.engines.candidates import FloatArray
from budsim.core.predictors.features import FEATURES, MODEL

if TYPE_CHECKING:
    from xgboost import Booster

# A median over requests is no longer than the mean, for first tokens that waited stretch it; later releases of an engine are no slower.
FALLING: Final = {"ttft": ("median", "engine_version"), "tpot": ("engine_version",)}
# Trees that know whose runs they see learn models by heart, and do worse on others: who a model is, kriging alone is told
UNSEEN: Final = np.array([name in MODEL for name in FEATURES])


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """How trees are grown: rounds, depth, learning rate, the least weight of a leaf."""

    rounds: int = 150
    depth: int = 3
    rate: float = 0.06
    leaf_weight: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What trees learn from: features (n, …), logarithmic errors (n,), weights (n,)."""

    features: FloatArray
    errors: FloatArray
    weights: FloatArray


def grown(sample: Sample, target: str, trees: Trees, *, seed: int, threads: int) -> "Booster":
    """Return trees that tell logarithmic errors; the same bytes for the same sample and seed."""
    import xgboost

    parameters: dict[str, Any] = {
        "objective": "reg:pseudohubererror",
        "huber_slope": 0.25,
        "base_score": 0.0,
        "max_depth": trees.depth,
        "eta": trees.rate,
        "min_child_weight": trees.leaf_weight,
        "subsample": 0.7,
        "colsample_bytree": 0.6,
        "lambda": 4.0,
        "tree_method": "hist",
        "max_bin": 128,
        "seed": seed,
        "nthread": threads,
        "monotone_constraints": "(" + ",".join(str(-int(name in FALLING[target])) for name in FEATURES) + ")",
    }
    shown = np.where(UNSEEN, 0.0, sample.features).astype(np.float32)
    data = xgboost.DMatrix(shown, sample.errors, weight=sample.weights, feature_names=list(FEATURES))
    return xgboost.train(parameters, data, num_boost_round=trees.rounds)


def told(booster: "Booster", features: FloatArray) -> FloatArray:
    """Return the logarithmic correction of each row, shape (n,)."""
    return np.asarray(booster.inplace_predict(features.astype(np.float32), validate_features=False), dtype=np.float64)
