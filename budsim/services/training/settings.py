"""How models are grown: trees, kernels, and what each kind of row weighs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from budsim.core.predictors.likeness import Kernel
from budsim.services.training.boost import Trees

TARGETS: Final = ("ttft", "tpot")
# Largest likelihood of the errors of 500 closed-loop runs under each kernel, in variances of logarithms and in e-folds or bits / 4:
# TTFT varies with the engine's release more than with anything else, TPOT with device, release and model alike.
KERNELS: Final[Mapping[str, Kernel]] = {
    "ttft": Kernel(
        shared={
            "engine": 0.010,
            "version": 0.034,
            "device": 0.0075,
            "device_engine": 0.0075,
            "model": 0.006,
            "model_engine": 0.0088,
            "model_device_engine": 0.016,
            "all": 0.023,
        },
        local=0.0088,
        noise=0.004,
        far=(2.2, 1.9, 3.8, 2.4, 1.5, 2.0, 0.8, 3.0, 1.0),
        near=(0.6, 0.98, 1.04, 1.0, 0.5, 0.5, 0.5, 1.0, 0.5),
        release=3.0,
    ),
    "tpot": Kernel(
        shared={
            "engine": 0.0017,
            "version": 0.0077,
            "device": 0.009,
            "device_engine": 0.0058,
            "model": 0.004,
            "model_engine": 0.0027,
            "model_device_engine": 0.008,
            "all": 0.008,
        },
        local=0.0012,
        noise=0.0003,
        far=(1.7, 5.4, 4.9, 2.0, 1.5, 2.0, 1.8, 3.0, 1.0),
        near=(0.31, 2.0, 1.25, 1.0, 0.5, 0.5, 0.5, 1.0, 0.5),
        release=3.0,
    ),
}
# What a row weighs, TTFT and TPOT: medians leave out the bursts that means hold; batches are another target, and their TPOT comes from E2E
WEIGHTS: Final[Mapping[str, tuple[float, float]]] = {"clean": (1.0, 1.0), "median": (0.2, 0.5), "static": (0.1, 0.12)}
# Noise of medians, in units of that of means: TTFT, TPOT
MEDIAN_NOISE: Final = (4.0, 1.5)
DECODE_SHARE: Final = 0.7  # from this share of decoding on, the error of E2E is that of TPOT
FARTHEST: Final = 1.5  # of a logarithm: runs farther from physics ran something else than they say


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a training depends on beside its rows.

    Attributes:
        trust: Share of the trees' correction that is applied.
    """

    seed: int
    trees: Trees = field(default_factory=Trees)
    trust: float = 0.25
    kernels: Mapping[str, Kernel] = field(default_factory=lambda: KERNELS)
    threads: int = 1
