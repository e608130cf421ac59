"""The command-line flags each engine version accepts, recorded from its own argument definitions.

`flags.csv` holds the flags and what they take; `parsers.csv` the names its parser flags accept. Each row names its source.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from budsim.core.engines.spec import EngineKind
from budsim.core.engines.tables import rows

_TYPES: Final[Mapping[str, type]] = {"int": int, "float": float, "flag": bool, "str": str, "json": str}
NEGATION: Final = "no-"  # vLLM's boolean flags have an opposite of this prefix


@cache
def legal_flags(engine: EngineKind) -> Mapping[str, str]:
    """Return what each flag takes: int, float, str, json, flag, parser, or its choices joined by «|»."""
    return MappingProxyType({row["flag"]: row["kind"] for row in rows("flags.csv") if row["engine"] == engine})


@cache
def recorded_version(engine: EngineKind) -> str:
    """Return the engine version the flags were recorded from."""
    return next(row["version"] for row in rows("flags.csv") if row["engine"] == engine)


def is_legal(engine: EngineKind, flag: str, value: Any) -> bool:
    """Whether this engine version accepts `value` for `flag`."""
    positive = flag.removeprefix(NEGATION) if engine is EngineKind.VLLM else flag
    kind = legal_flags(engine).get(positive, "")
    if positive != flag:
        return kind == "flag" and value is True
    return (flag, value) in _parsers(engine) if kind == "parser" else _accepts(kind, value)


def _accepts(kind: str, value: Any) -> bool:
    of_type = _TYPES.get(kind)
    if of_type is None:
        return bool(kind) and str(value) in kind.split("|")
    return type(value) is of_type and value != "" and value is not False


@cache
def _parsers(engine: EngineKind) -> frozenset[tuple[str, str]]:
    return frozenset((row["flag"], row["name"]) for row in rows("parsers.csv") if row["engine"] == engine)
