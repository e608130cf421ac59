"""The smallest changes that would make a deployment fit, each judged by the same model."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from budsim.core.memory.question import Question, answer
from budsim.core.model.quantize import quantize

LENGTH_STEP: Final = 1024  # tokens a shorter sequence is named in
LEAST_LENGTH: Final = 1024
MOST_SHARE: Final = 0.95  # CONTRACT «Memory, cost»: the share of the memory a plan may ever count on
SHARE_STEP: Final = 0.01
FEWER_SEQUENCES: Final = (256, 128, 64, 32, 16)
FORMATS: Final = ("fp8", "int4")  # from the gentlest on
DEGREES: Final = (2, 4, 8, 16)


def smallest_changes(question: Question) -> tuple[str, ...]:
    """Return what to change, the least of each kind that is enough alone, gentlest kind first.

    Args:
        question: A deployment that does not fit.
    """
    kinds = (_share(question), _sequences(question), _length(question), _cache_width(question), _weights(question), _devices(question))
    return tuple(change for kind in kinds if (change := next(kind, "")))


def _fits(question: Question) -> bool:
    return answer(question).fits


def _share(question: Question) -> Iterator[str]:
    share = answer(question).share
    while share + SHARE_STEP <= MOST_SHARE + 1e-9:
        share = round(share + SHARE_STEP, 3)
        if _fits(replace(question, share=share)):
            yield f"raise the share of the device to {share:g}"


def _sequences(question: Question) -> Iterator[str]:
    for count in FEWER_SEQUENCES:
        if (question.max_num_seqs or FEWER_SEQUENCES[0] * 4) > count and _fits(replace(question, max_num_seqs=count)):
            yield f"lower --max-num-seqs to {count}"


def _length(question: Question) -> Iterator[str]:
    """Find the longest sequence that fits, by halving: fewer tokens never need more."""
    low, high = 0, answer(question).max_model_len // LENGTH_STEP
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _fits(replace(question, max_model_len=middle * LENGTH_STEP)) else (low, middle - 1)
    if low * LENGTH_STEP >= LEAST_LENGTH:
        yield f"lower --max-model-len to {low * LENGTH_STEP}"


def _cache_width(question: Question) -> Iterator[str]:
    if not question.kv_dtype.startswith("fp8") and _fits(replace(question, kv_dtype="fp8")):
        yield "keep the cache in 8 bits: --kv-dtype fp8"


def _weights(question: Question) -> Iterator[str]:
    for name in FORMATS:
        narrower = quantize(question.model, name)
        if narrower != question.model and _fits(replace(question, quantization=name)):
            yield f"quantise the weights: --quantization {name}"


def _devices(question: Question) -> Iterator[str]:
    heads = question.model.query_heads
    for degree in DEGREES:
        wider = degree > question.tensor_parallel and heads % degree == 0
        if wider and _fits(replace(question, tensor_parallel=degree)):
            yield f"split it over {degree} devices: --tp {degree}"
