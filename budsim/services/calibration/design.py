"""Which constants are fitted: a base for every field, and shrunken effects of what runs have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from budsim.core.engines.candidates import FloatArray, IntArray
from budsim.core.latency.constants import ENGINE_COSTS, FACTORS, FIELDS, LAYER_COSTS, PASSES

# Where the fit starts and what it is drawn to [1, s]: kernels as measured; PHYSICS 10 for layers (32 µs), steps (126 µs), sequences,
# requests (15.6 ms) and dispatch in prefill (0.8 ms a layer before the compiled graphs of vLLM V1, less since).
PRIOR: Final[Mapping[str, float]] = {
    "compute": 0.85,
    "bandwidth": 0.95,
    "expert_compute": 0.7,
    "expert_bandwidth": 0.8,
    "attention_compute": 1.0,
    "attention_bandwidth": 0.9,
    "reduce_bandwidth": 0.9,
    "passes": 10.0,
    "routed_passes": 4.0,
    "per_layer_s": 25e-6,
    "per_routed_layer_s": 25e-6,
    "per_folded_layer_s": 25e-6,
    "per_reduce_s": 5e-6,
    "per_chunk_layer_s": 100e-6,
    "per_step_s": 126e-6,
    "per_sequence_s": 4.4e-6,
    "per_request_s": 20e-3,
    "per_user_s": 1e-3,
    "start_burst": 2.0,
}
# Standard deviations of logarithms: how far a base may lie from its prior, and how far runs of a kind may lie from the base.
BASE_SPREAD: Final = 0.7
KERNEL_SPREAD: Final = 0.2  # kernels were measured on their own; what serving adds to them is small
# Kernels' shares hardly differ by engine, for the libraries behind are the same, and not by generation of devices beyond what kernel
# timings say: with room for that, unseen devices were predicted a fifth worse.
_SHARES: Final = FACTORS + PASSES
_EXPERTS: Final = ("expert_compute", "expert_bandwidth", "routed_passes")
_OFFLINE: Final = (
    *("compute", "bandwidth", "expert_compute", "expert_bandwidth", "attention_compute", "attention_bandwidth"),
    *("per_layer_s", "per_chunk_layer_s", "per_step_s", "per_sequence_s"),
)
_EFFECTS: Final[Mapping[str, tuple[tuple[tuple[str, ...], float], ...]]] = {
    "family": ((_SHARES, 0.05), (LAYER_COSTS, 0.15)),
    "engine": ((_SHARES, 0.03), (LAYER_COSTS + ENGINE_COSTS, 0.3)),
    "generation": ((_SHARES, 0.02), (LAYER_COSTS + ENGINE_COSTS, 0.1)),
    "experts": ((_EXPERTS, 0.3), (("per_routed_layer_s",), 0.8)),
    "offline": ((_OFFLINE, 0.5),),
    "code": ((LAYER_COSTS + ENGINE_COSTS, 0.7),),
}
# Native four-bit kernels launch three or four times a layer, others eight to ten (see `expert_kernels`).
_CENTRES: Final[Mapping[tuple[str, str], float]] = {("experts:four", "per_routed_layer_s"): -1.0}
assert set(PRIOR) == set(FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Columns of the fit.

    Attributes:
        names: Key and field of each column; the key of a base is empty.
        member: Whether a run has a column's key, shape (runs, columns).
        field: Index into FIELDS of each column, shape (columns,).
        centre: What each column is drawn to, shape (columns,).
        spread: How far it may lie from it, shape (columns,).
    """

    names: tuple[tuple[str, str], ...]
    member: FloatArray
    field: IntArray
    centre: FloatArray
    spread: FloatArray


def design_of(keys: Sequence[tuple[str, ...]]) -> Design:
    """Return the columns that runs with these keys can tell apart; a key that all of them have is told by the base."""
    common = set.intersection(*(set(each) for each in keys))
    return _design(keys, [("", name) for name in FIELDS], left_out=common)


def effects_of(keys: Sequence[tuple[str, ...]]) -> Design:
    """Return the columns of effects alone, for runs whose bases are known."""
    return _design(keys, [], left_out=set())


def _design(keys: Sequence[tuple[str, ...]], names: list[tuple[str, str]], *, left_out: set[str]) -> Design:
    names = names + _effect_names({key for each in keys for key in each} - left_out)
    return Design(
        names=tuple(names),
        member=_member(names, keys),
        field=np.array([FIELDS.index(name) for _, name in names]),
        centre=np.array([_centre(key, name) for key, name in names]),
        spread=np.array([_spread(key, name) for key, name in names]),
    )


def _effect_names(keys: set[str]) -> list[tuple[str, str]]:
    return [(key, name) for key in sorted(keys) for fields, _ in _effects(key) for name in fields]


def log_values(design: Design, theta: FloatArray) -> FloatArray:
    """Return the logarithm of every field of every run, shape (runs, fields)."""
    values = np.zeros((len(design.member), len(FIELDS)))
    for index in range(len(FIELDS)):
        chosen = design.field == index
        values[:, index] = design.member[:, chosen] @ theta[chosen]
    return values


def log_values_of(design: Design, theta: FloatArray, keys: Sequence[tuple[str, ...]]) -> FloatArray:
    """Return the logarithm of every field for runs of these keys, shape (runs, fields); keys without a column add nothing."""
    member = _member(design.names, keys)
    return log_values(replace(design, member=member), theta)


def _member(names: Sequence[tuple[str, str]], keys: Sequence[tuple[str, ...]]) -> FloatArray:
    held = [set(each) for each in keys]
    return np.array([[not key or key in each for key, _ in names] for each in held], dtype=np.float64)


def _spread(key: str, name: str) -> float:
    if not key:
        return KERNEL_SPREAD if name in FACTORS and not name.startswith("expert") else BASE_SPREAD
    return next(spread for fields, spread in _effects(key) if name in fields)


def _centre(key: str, name: str) -> float:
    return _CENTRES.get((key, name), 0.0) if key else float(np.log(PRIOR[name]))


def _effects(key: str) -> tuple[tuple[tuple[str, ...], float], ...]:
    return _EFFECTS.get(key.split(":", 1)[0], ())
