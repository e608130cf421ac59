"""Positions for which a decoder keeps cosines and sines."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from budsim.core.model import config_families as families

STRETCHED: Final = frozenset({"linear"})  # its table holds factor × the positions of the config; YaRN's end at them
MOST_STRETCH: Final = 1000.0  # far above any model's factor


def rotary_positions(config: Mapping[str, Any], *, context_length: int) -> int:
    """Return the rows of all rotary tables of a model, layers of one kind sharing theirs.

    Args:
        config: Text part of the config.
        context_length: Positions it names. [tokens]

    Source:
        LinearScalingRotaryEmbedding and get_rope of vLLM 0.9 to 0.33; Gemma 3 loads 0.5 GiB of tables at 4B, 0.25 at 27B.
    """
    return sum(round(context_length * stretch) for stretch in _stretches(config)) or context_length


def _stretches(config: Mapping[str, Any]) -> Iterator[float]:
    scaling = config.get("rope_scaling") or config.get("rope_parameters")
    sections = [scaling] if isinstance(scaling, Mapping) else [{}]
    kinds = [section for section in sections[0].values() if isinstance(section, Mapping)]
    yield from (_stretch(section) for section in kinds or sections)
    if len(kinds) < 2 and str(config.get("model_type")) in families.TWO_ROTARY_TABLES:
        yield 1.0


def _stretch(section: Mapping[str, Any]) -> float:
    kind, factor = str(section.get("rope_type") or section.get("type")), section.get("factor")
    if kind not in STRETCHED or isinstance(factor, bool) or not isinstance(factor, int | float):
        return 1.0
    return min(MOST_STRETCH, max(1.0, factor))
