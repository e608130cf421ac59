"""Formats that a config gives by parts of the model: experts or feed-forward in one, what stands beside them in another."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from budsim.core.model.spec import Quantization

EXPERTS: Final = "experts"
FEED_FORWARD: Final = r"\bmlp\b|feed_forward|\bffn"


def by_parts(named: Mapping[str, Quantization], *, otherwise: Quantization | None = None) -> Quantization | None:
    """Return the format of most named experts, or feed-forwards where no experts are named, and beside it that of most of the rest.

    Args:
        named: Formats by the layer, or the pattern of layers, that has them.
        otherwise: Format of what no name speaks of; None = it keeps the model's dtype.

    Returns:
        None where no name speaks of experts or feed-forwards.
    """
    routed = any(EXPERTS in name for name in named)
    widest = EXPERTS if routed else FEED_FORWARD
    wide = [name for name in named if re.search(widest, name)]
    if not wide:
        return None
    found = _commonest(named[name] for name in wide)
    rest = [form for name, form in named.items() if name not in wide]
    beside = _commonest(rest) if rest else otherwise
    if beside is not None:
        return found if beside == found else replace(found, dense=beside)
    return replace(found, experts_only=True) if routed else replace(found, excludes_attention=True)


def _commonest(formats: Iterable[Quantization]) -> Quantization:
    return Counter(formats).most_common(1)[0][0]
