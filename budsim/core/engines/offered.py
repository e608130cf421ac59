"""Every knob of an engine version: what it takes, what of it a search tries, and why. The page about the search is made of this."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from budsim.core.engines.choices import EIGHT_BIT_CACHE, SERVERS, STEP_TOKENS, choices_of, decodes, most_sequences, narrows_cache, tokens_of
from budsim.core.engines.defaults import V1_SINCE, block_tokens, started_sequences
from budsim.core.engines.flags import has_flag
from budsim.core.engines.knobs import SPARE_SEQUENCES
from budsim.core.engines.releases import Release, accepted, release_of, version_key
from budsim.core.engines.spec import EngineKind, Scenario

Value: TypeAlias = int | float | bool | str

SEQUENCES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)  # LLD 6.2 ends at 256
BLOCK_TOKENS: Final = (8, 16, 32)  # LLD 6.2
DELAY_FACTORS: Final = (0.0, *(round(0.1 * tenth, 1) for tenth in range(1, 11)))  # LLD 6.2, and none


class Knob(StrEnum):
    """What an engine is told beside its layout, in vLLM's words."""

    MAX_NUM_SEQS = "max_num_seqs"
    MAX_NUM_BATCHED_TOKENS = "max_num_batched_tokens"
    CHUNKED_PREFILL = "chunked_prefill"
    PREFIX_CACHING = "prefix_caching"
    BLOCK_SIZE = "block_size"
    KV_DTYPE = "kv_dtype"
    SCHEDULER_DELAY = "scheduler_delay_factor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One knob of one engine version: what it takes, and what of it is tried.

    Attributes:
        legal: Values the version takes; empty where it has no such knob.
        tried: Values a search tries, the default first.
        why: What the values tried are for, or why there is but one.
    """

    knob: Knob
    legal: tuple[Value, ...]
    tried: tuple[Value, ...]
    why: str


def offered_knobs(scenario: Scenario, *, quantized: bool) -> tuple[Offered, ...]:
    """Return every knob of an engine version with what is tried of it."""
    return (
        _sequences_offered(scenario),
        *_steps_offered(scenario),
        _kept_offered(scenario, Knob.PREFIX_CACHING),
        _kept_offered(scenario, Knob.BLOCK_SIZE),
        _cache_offered(scenario, quantized=quantized),
        _kept_offered(scenario, Knob.SCHEDULER_DELAY),
    )


def _sequences_offered(scenario: Scenario) -> Offered:
    kind = scenario.engine.kind
    started = min(SPARE_SEQUENCES, started_sequences(kind, version_key(scenario.engine.version), scenario.device))
    legal = tuple(count for count in SEQUENCES if count <= most_sequences(kind)) if kind in SERVERS else ()
    if not decodes(scenario):
        return Offered(knob=Knob.MAX_NUM_SEQS, legal=legal, tried=("default",), why="no cache is kept that it would bound")
    return Offered(
        knob=Knob.MAX_NUM_SEQS,
        legal=legal,
        tried=(f"max({started}, concurrency)", "concurrency"),
        why="never below the concurrency; above it only memory depends on it: the default, and the least",
    )


def _steps_offered(scenario: Scenario) -> tuple[Offered, Offered]:
    found, serves = choices_of(scenario, quantized=False), scenario.engine.kind in SERVERS
    default = found.steps[found.default_step]
    others = [step for step in found.steps if step.tokens is not None]
    tokens = tuple(dict.fromkeys(step.tokens for step in others if step.tokens is not None))
    chunked = tuple(dict.fromkeys((default.chunked, *(step.chunked for step in others))))
    return (
        Offered(
            knob=Knob.MAX_NUM_BATCHED_TOKENS,
            legal=STEP_TOKENS if serves else (),
            tried=(f"default ({tokens_of(scenario, default)})", *tokens),
            why="steps a prompt takes, and memory of the largest" if tokens else "its default follows the sockets, or it has none",
        ),
        Offered(
            knob=Knob.CHUNKED_PREFILL,
            legal=(True, False) if serves else (),
            tried=chunked,
            why="prompts cut to fit a step, or whole" if len(chunked) > 1 else "a step that holds the prompt whole is the same thing",
        ),
    )


def _cache_offered(scenario: Scenario, *, quantized: bool) -> Offered:
    able = narrows_cache(scenario)
    tried = ("auto", EIGHT_BIT_CACHE[scenario.engine.kind]) if quantized and able else ("auto",)
    why = "half the cache: only where the request allows quantisation" if able else "no 8-bit cache for this model, device and version"
    legal = ("auto", EIGHT_BIT_CACHE[scenario.engine.kind]) if able else ("auto",)
    return Offered(knob=Knob.KV_DTYPE, legal=legal, tried=tried, why=why)


def _kept_offered(scenario: Scenario, knob: Knob) -> Offered:
    """Return a knob on which no prediction depends."""
    kind, release = scenario.engine.kind, release_of(scenario.engine.kind, scenario.engine.version)
    is_v0 = kind is EngineKind.VLLM and version_key(scenario.engine.version) < V1_SINCE
    match knob:
        case Knob.PREFIX_CACHING:
            legal: tuple[Value, ...] = (True, False) if kind in SERVERS else ()
            return Offered(
                knob=knob, legal=legal, tried=("off" if is_v0 else "on",), why="a load does not say how much of its prompts is shared"
            )
        case Knob.BLOCK_SIZE:
            legal = tuple(tokens for tokens in BLOCK_TOKENS if has_block_size(release, tokens))
            usual = block_tokens(kind, version_key(scenario.engine.version), scenario.device, scenario.model)
            return Offered(knob=knob, legal=legal, tried=(usual,), why="no prediction tells block sizes apart; the backend's own is kept")
        case _:
            legal = DELAY_FACTORS if has_flag(release, "scheduler-delay-factor") else ()
            return Offered(knob=Knob.SCHEDULER_DELAY, legal=legal, tried=(0.0,), why="no prediction tells delays apart")


def has_block_size(release: Release, tokens: int) -> bool:
    """Whether a release takes blocks of so many tokens."""
    taken = accepted(release).get("block-size", "")
    return taken == "int" or str(tokens) in taken.split("|")
