"""The constants of the latency model, as data: few, shared, each the product of a base and what its kind of run adds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import exp
from typing import Any, Final

from budsim.core.elementwise import Figure, minimum
from budsim.core.engines.candidates import Rows
from budsim.core.engines.spec import EngineProfile, Scenario
from budsim.core.hardware.spec import Accelerator
from budsim.core.latency.case import Case
from budsim.core.latency.efficiency import Efficiency
from budsim.core.latency.generations import constant_keys, offline_keys
from budsim.core.latency.kernels import KernelShares, kernel_shares, measured_shares
from budsim.core.latency.overheads import Overheads
from budsim.core.latency.unmeasured import known_efficiency, known_overheads
from budsim.core.model.spec import ModelSpec
from budsim.core.remembered import remembered
from budsim.core.workload import LoadMode

# what multiplies the kernels' shares, and what is a cost of its own
FACTORS: Final = (
    "compute",
    "bandwidth",
    "expert_compute",
    "expert_bandwidth",
    "attention_compute",
    "attention_bandwidth",
    "reduce_bandwidth",
)
PASSES: Final = ("passes", "routed_passes")
LAYER_COSTS: Final = ("per_layer_s", "per_routed_layer_s", "per_folded_layer_s", "per_reduce_s", "per_chunk_layer_s")
ENGINE_COSTS: Final = ("per_step_s", "per_sequence_s", "per_request_s", "per_user_s", "start_burst")
# SGLang without --enable-mixed-chunk and TGI stop decoding for prompts (their schedulers); what is not known is taken to mix
SEPARATE_PREFILL: Final = frozenset({"sglang", "tgi"})
FIELDS: Final = FACTORS + PASSES + LAYER_COSTS + ENGINE_COSTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the constants were fitted to: devices by catalogue name, engines, and shapes of models as «layers×hidden».

    Attributes:
        offline: Engine and device of static batches, as «engine@device».
    """

    devices: frozenset[str]
    engines: frozenset[str]
    shapes: frozenset[str]
    offline: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """All constants, and the name of the set.

    Attributes:
        version: Name of the set.
        base: Value of each field where nothing more is known.
        effects: Natural logarithm of the factor on a field, by key of a run (`constant_keys`) and field.
        kernels: Shares by device.
        bands: 5 % and 95 % quantiles of measured / predicted, by what was held out and by target.
        seen: What the fit has seen.
    """

    version: str
    base: Mapping[str, float]
    effects: Mapping[str, Mapping[str, float]]
    kernels: Mapping[str, KernelShares]
    bands: Mapping[str, Mapping[str, tuple[float, float]]]
    seen: Seen

    def case(self, scenario: Scenario, candidates: Rows) -> Case:
        """Return the candidates with the constants that hold for their device and engine."""
        efficiency, overheads = self.resolved(scenario)
        return Case(scenario=scenario, candidates=candidates, efficiency=efficiency, overheads=overheads)

    def resolved(self, scenario: Scenario) -> tuple[Efficiency, Overheads]:
        """Return the constants of a scenario's device and engine."""
        return _resolved(self, scenario.device, scenario.engine, scenario.model, scenario.workload.mode)


@remembered
def _resolved(
    constants: Constants, device: Accelerator, engine: EngineProfile, model: ModelSpec, mode: LoadMode
) -> tuple[Efficiency, Overheads]:
    keys = constant_keys(device, engine.served_by, engine.version, model)
    if mode is LoadMode.STATIC_BATCH:
        keys += offline_keys(device, engine.served_by, engine.version)
    known = [constants.effects[key] for key in keys if key in constants.effects]
    values = {name: constants.base[name] * exp(sum(effect.get(name, 0.0) for effect in known)) for name in FIELDS}
    fitted = combined(values, kernel_shares(device, constants.kernels), prefill_apart=prefill_apart(engine.served_by))
    return known_efficiency(device.device_type, fitted[0]), known_overheads(engine.served_by, fitted[1])


def prefill_apart(engine: str) -> float:
    """Return 1 for an engine that runs prompts in steps of their own, else 0."""
    return float(engine in SEPARATE_PREFILL)


def combined(values: Mapping[str, Figure], kernels: KernelShares, *, prefill_apart: Figure) -> tuple[Efficiency, Overheads]:
    """Return efficiency and overheads from the fields' values and the kernels' shares: no share exceeds the peak.

    Args:
        values: Every field of FIELDS, one figure or one a run.
        kernels: Shares of the device, or of each run's.
        prefill_apart: Whether prompts run in steps of their own, 1 or 0.
    """
    compute, bandwidth = values["compute"], _share(values["bandwidth"] * kernels.gemm_bandwidth)
    efficiency = Efficiency(
        compute=_share(compute * kernels.gemm_16),
        compute_8bit=_share(compute * kernels.gemm_8),
        compute_4bit=_share(compute * kernels.gemm_4),
        bandwidth=bandwidth,
        expert_compute=_share(values["expert_compute"]),
        expert_bandwidth=_share(values["expert_bandwidth"] * bandwidth),
        attention_compute=_share(values["attention_compute"] * kernels.attention_compute),
        attention_bandwidth=_share(values["attention_bandwidth"] * kernels.attention_bandwidth),
        reduce_bandwidth=_share(values["reduce_bandwidth"] * kernels.reduce_bandwidth),
        **{name: values[name] for name in PASSES + LAYER_COSTS},
    )
    return efficiency, Overheads(**{name: values[name] for name in ENGINE_COSTS}, prefill_apart=prefill_apart)


def _share(value: Figure) -> Figure:
    return minimum(1.0, value)


@cache
def shipped_constants() -> Constants:
    """Return the constants that `budsim calibrate` wrote into this package."""
    stored = json.loads(files(__package__).joinpath("constants.json").read_text(encoding="utf-8"))
    return constants_from(stored, measured_shares())


def constants_from(stored: Mapping[str, Any], kernels: Mapping[str, KernelShares]) -> Constants:
    """Return the constants of a stored set."""
    return Constants(
        version=stored["version"],
        base={name: float(each["value"]) for name, each in stored["base"].items()},
        effects={key: {name: float(each["log_factor"]) for name, each in found.items()} for key, found in stored["effects"].items()},
        kernels=kernels,
        bands={split: {name: (low, high) for name, (low, high) in found.items()} for split, found in stored["bands"].items()},
        seen=Seen(**{name: frozenset(found) for name, found in stored["seen"].items()}),
    )
