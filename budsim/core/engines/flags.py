"""Whether a release of an engine accepts a flag with a value, or reads an environment variable."""

from collections.abc import Mapping
from typing import Any, Final

from budsim.core.engines.releases import Release, accepted
from budsim.core.engines.spec import EngineKind

_TYPES: Final[Mapping[str, type]] = {"int": int, "float": float, "flag": bool, "switch": bool, "str": str, "json": str, "list": str}
_VARIABLE: Final = "env"
NEGATION: Final = "no-"  # a switch of vLLM has an opposite of this prefix

# read by Intel's PyTorch bridge rather than by vLLM: docs.habana.ai, PyTorch/Runtime_Flags and Inference_Using_HPU_Graphs
GAUDI_VARIABLES: Final = frozenset({"PT_HPU_LAZY_MODE", "PT_HPU_ENABLE_LAZY_COLLECTIVES"})


def is_legal(release: Release, flag: str, value: Any) -> bool:
    """Whether this release accepts `value` for `flag`; True stands for a flag without a value."""
    known = accepted(release)
    if flag not in known and flag.startswith(NEGATION):
        return known.get(flag.removeprefix(NEGATION)) == "switch" and value is True
    return _takes(known.get(flag, ""), value)


def _takes(kind: str, value: Any) -> bool:
    if kind in ("", _VARIABLE):
        return False
    of_type = _TYPES.get(kind)
    if of_type is None:
        return str(value) in kind.split("|")
    return type(value) is of_type and value != "" and value is not False


def has_flag(release: Release, flag: str) -> bool:
    """Whether this release has a flag of this name."""
    return accepted(release).get(flag, _VARIABLE) != _VARIABLE


def has_choice(release: Release, flag: str, value: str) -> bool:
    """Whether `value` is among the choices this release lists for `flag`."""
    return value in accepted(release).get(flag, "").split("|")


def reads_variable(release: Release, name: str) -> bool:
    """Whether this release, or what its image stands on, reads an environment variable."""
    return accepted(release).get(name) == _VARIABLE or (release.engine is EngineKind.VLLM and name in GAUDI_VARIABLES)
