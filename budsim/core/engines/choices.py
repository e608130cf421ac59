"""Which knobs a search may choose for an engine version, beside layout and concurrency. Nothing else decides it."""

from dataclasses import dataclass
from typing import Final

from budsim.core.engines.defaults import has_mla, started_step_tokens
from budsim.core.engines.knobs import chunks_prompts, least_step_tokens
from budsim.core.engines.releases import Release, accepted, release_of, version_key
from budsim.core.engines.spec import EngineKind, Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.spec import ModelKind, Precision

MAX_SEQUENCES: Final = 1024  # sequences one replica runs at once: the bound of max_num_seqs
MAX_PROXIED: Final = 100  # CONTRACT «Engines»: requests in flight through one LiteLLM
# Defaults of the engines' releases lie among these; below MAX_SEQUENCES a step could not hold one token of every sequence.
STEP_TOKENS: Final = (1024, 2048, 4096, 8192, 16_384)
SERVERS: Final = frozenset({EngineKind.VLLM, EngineKind.SGLANG})
EIGHT_BIT_CACHE: Final = {EngineKind.VLLM: "fp8", EngineKind.SGLANG: "fp8_e4m3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How many tokens a step takes, and whether prompts are cut to fit; None is the version's default."""

    tokens: int | None
    chunked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a search may choose for one scenario, each ordered so that neighbours are alike.

    Attributes:
        steps: Step sizes; `default_step` is the index of the version's own, `leanest_step` of the one that takes least memory.
        kv_precisions: Widths of the cache, the default first.
        exact_sequences: Whether max_num_seqs may be the concurrency itself, where the default holds more.
    """

    steps: tuple[Step, ...]
    default_step: int
    leanest_step: int
    kv_precisions: tuple[Precision, ...]
    exact_sequences: bool


def most_sequences(engine: EngineKind) -> int:
    """Return the most requests one replica of an engine may hold in flight."""
    return MAX_PROXIED if engine is EngineKind.LITELLM else MAX_SEQUENCES


def choices_of(scenario: Scenario, *, quantized: bool) -> Choices:
    """Return what a search may choose beside layout and concurrency.

    Only what a prediction or the memory depends on is a choice; other knobs keep the version's default.

    Args:
        scenario: Engine and version, device, model and load.
        quantized: Whether the request allows narrower numbers than the model's own: the cache is narrowed only then.
    """
    steps = _steps(scenario)
    default = next(index for index, step in enumerate(steps) if step.tokens is None)
    return Choices(
        steps=steps,
        default_step=default,
        leanest_step=min(range(len(steps)), key=lambda index: tokens_of(scenario, steps[index])),
        kv_precisions=(Precision.BF16, Precision.FP8) if quantized and narrows_cache(scenario) else (Precision.BF16,),
        exact_sequences=decodes(scenario),
    )


def narrows_cache(scenario: Scenario) -> bool:
    """Whether the version keeps an 8-bit cache on this device: it takes the word, the device has the path, and every layer caches heads.

    Source:
        vLLM's and SGLang's --kv-cache-dtype in the recorded releases; Gaudi's fp8_inc wants a calibration of its own; the latent caches
        of MLA depend on the attention backend.
    """
    word = EIGHT_BIT_CACHE.get(scenario.engine.kind)
    device = scenario.device
    if word is None or not decodes(scenario) or has_mla(scenario.model):
        return False
    if device.device_type not in (DeviceType.CUDA, DeviceType.ROCM) or device.fp8_flop_per_s is None:
        return False
    taken = accepted(_release(scenario)).get("kv-cache-dtype", "")
    return taken == "str" or word in taken.split("|")


def _steps(scenario: Scenario) -> tuple[Step, ...]:
    """Return the distinct steps, fewest tokens first; a prompt that is not cut needs a step that holds it whole."""
    cuts = chunks_prompts(scenario)
    found = [Step(tokens=None, chunked=cuts)]
    if scenario.engine.kind in SERVERS and scenario.device.device_type is not DeviceType.CPU:
        least, usual = least_step_tokens(scenario), tokens_of(scenario, found[0])
        found += [Step(tokens=tokens, chunked=cuts) for tokens in STEP_TOKENS if tokens >= least and tokens != usual]
        if not cuts and decodes(scenario) and scenario.device.device_type is DeviceType.CUDA:
            found += [Step(tokens=tokens, chunked=True) for tokens in STEP_TOKENS if tokens < scenario.workload.input_tokens]
    return tuple(sorted(found, key=lambda step: (tokens_of(scenario, step), not step.chunked)))


def tokens_of(scenario: Scenario, step: Step) -> int:
    """Return the tokens of a step, the version's own where it names none, on a CPU for one socket."""
    if step.tokens is not None:
        return step.tokens
    started = started_step_tokens(
        scenario.engine.kind, version_key(scenario.engine.version), scenario.device, context_tokens=scenario.context_tokens
    )
    return max(started, least_step_tokens(scenario))


def decodes(scenario: Scenario) -> bool:
    """Whether a server keeps a cache for the model: then max_num_seqs and the cache's width are its knobs."""
    return scenario.model.kind is ModelKind.DECODER and scenario.engine.kind in SERVERS


def _release(scenario: Scenario) -> Release:
    return release_of(scenario.engine.kind, scenario.engine.version)
