"""How models are grown: trees, kernels, and what each kind of row weighs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from budsim.core.predictors.likeness import Kernel
from budsim.services.training.boost import Trees

TARGETS: Final = ("ttft", "tpot")
# Starting points. Largest likelihood of the errors of 500 closed-loop runs, in variances of logarithms and in e-folds or bits / 4:
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
        fade_model=4.0,
        fade_run=1.0,
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
        fade_model=4.0,
        fade_run=1.0,
    ),
}
# What a row weighs, TTFT and TPOT: medians leave out the bursts that means hold; batches are another target, and their TPOT comes from E2E
WEIGHTS: Final[Mapping[str, tuple[float, float]]] = {"clean": (1.0, 1.0), "median": (0.2, 0.5), "static": (0.1, 0.12)}
BALANCE: Final = 0.5  # runs of one model, engine and device share their weight: n of them weigh as n^(1 − BALANCE)
# Noise of medians, in units of that of means: TTFT, TPOT
MEDIAN_NOISE: Final = (4.0, 1.5)
DECODE_SHARE: Final = 0.7  # from this share of decoding on, the error of E2E is that of TPOT
FARTHEST: Final = 1.5  # of a logarithm: runs farther from physics ran something else than they say

# What is tried on inner folds. Trees of the first kind grow deep enough for shares of a latency, those of the second for pairs of them.
TREES: Final = (Trees(), Trees(depth=4, leaf_weight=8.0))
TRUSTS: Final = (0.25, 0.5, 0.75)  # shares of the trees' correction
FADES: Final = ((0.0, 0.0), (4.0, 1.0), (8.0, 2.0))  # powers by which what runs tell is believed less of a new model, and of a new run
BATCH_TRUSTS: Final = (0.0, 0.25, 0.5)
VARIATIONS: Final = ((1.0, 1.0), (3.0, 1.0), (1.0, 0.7))  # factors on a kernel's noise, and on its lengths


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How one target is told, of what was tried.

    Attributes:
        trust: Share of the trees' correction that is applied to closed loops; `batch_trust` to static batches.
    """

    trees: Trees
    kernel: Kernel
    trust: float
    batch_trust: float


def varied(kernel: Kernel) -> tuple[Kernel, ...]:
    """Return the kernels that are tried in place of one."""
    return tuple(
        replace(
            kernel,
            noise=kernel.noise * noise,
            far=tuple(each * length for each in kernel.far),
            near=tuple(each * length for each in kernel.near),
        )
        for noise, length in VARIATIONS
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a training depends on beside its rows: the seed, and what is tried.

    Attributes:
        trees: How trees may be grown.
        kernels: Kernels by target.
        trusts: Shares of the trees' correction; `batch_trusts` those of static batches.
        fades: Powers (fade_model, fade_run) of a kernel.
    """

    seed: int
    trees: tuple[Trees, ...] = TREES
    kernels: Mapping[str, tuple[Kernel, ...]] = field(default_factory=lambda: {name: varied(each) for name, each in KERNELS.items()})
    trusts: tuple[float, ...] = TRUSTS
    fades: tuple[tuple[float, float], ...] = FADES
    batch_trusts: tuple[float, ...] = BATCH_TRUSTS
    threads: int = 1
