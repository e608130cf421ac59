"""Which predictor answers a part: the method and model set asked for, or the heuristic with the reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from budsim.core.hardware.spec import DeviceType
from budsim.core.model.spec import ModelKind
from budsim.core.predictors.protocol import Method, Predictor
from budsim.core.search.part import Part

Pair: TypeAlias = tuple[str, DeviceType]  # engine and device type: what one trained model is for


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorSet:
    """The trained predictors of one model set.

    Attributes:
        version: Name a request, the answer and the scores know it by.
        predictors: By engine and device type; those that can be used.
        problems: Why those that are missing here cannot.
    """

    version: str
    predictors: Mapping[Pair, Predictor] = field(default_factory=dict)
    problems: Mapping[Pair, str] = field(default_factory=dict)


class PredictorSets(Protocol):
    """The model sets at hand."""

    @property
    def primary(self) -> PredictorSet:
        """The set that answers unless another is chosen."""
        ...

    @property
    def second(self) -> PredictorSet | None:
        """The set that is tried beside it."""
        ...

    def named(self, version: str) -> PredictorSet | None:
        """Return the set of a version."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSets:
    """No model set is installed."""

    primary: PredictorSet = PredictorSet(version="")
    second: PredictorSet | None = None

    def named(self, version: str) -> PredictorSet | None:  # noqa: ARG002  # of the protocol
        """Return None: there is none of any version."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictors:
    """The methods at hand; the heuristic always is."""

    heuristic: Predictor
    sets: PredictorSets = NoSets()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Who answers a part.

    Attributes:
        note: Why it is not the method asked for; empty where it is.
        beside: Whose predictions of the recommended configurations are recorded too.
    """

    predictor: Predictor
    note: str = ""
    beside: Predictor | None = None


_TRAINED_KINDS: Final = frozenset({ModelKind.DECODER})  # what the measured runs are of


def choose(part: Part, predictors: Predictors) -> Choice:
    """Return who answers a part.

    Args:
        part: Names the method and how its model set is chosen.
        predictors: What is at hand.
    """
    if part.requested_method is Method.HEURISTIC:
        return Choice(predictor=predictors.heuristic)
    wanted, other = _sets(part, predictors.sets)
    found, reason = _trained(part, wanted)
    beside = _trained(part, other)[0] if part.model_set.compared else None
    if found is not None:
        return Choice(predictor=found, beside=beside)
    return Choice(predictor=predictors.heuristic, note=f"{reason}: answered by {Method.HEURISTIC}", beside=beside)


def _sets(part: Part, sets: PredictorSets) -> tuple[PredictorSet | None, PredictorSet | None]:
    """Return the set that is to answer a part, and the one beside it."""
    if part.model_set.version:
        return sets.named(part.model_set.version), None
    return (sets.second, sets.primary) if part.model_set.second else (sets.primary, sets.second)


def _trained(part: Part, found: PredictorSet | None) -> tuple[Predictor | None, str]:
    """Return a set's predictor of a part, or None with the reason."""
    engine, device = part.engine.kind, part.group.accelerator.device_type
    if found is None:
        name = part.model_set.version or "to be tried"
        return None, f"the model set {name} is not at hand where this was computed"
    if part.model.kind not in _TRAINED_KINDS:
        return None, f"no {Method.REGRESSOR} is trained for models that are no decoders"
    pair = (engine.value, device)
    predictor = found.predictors.get(pair)
    named = f" of model set {found.version}" if found.version else ""
    problem = found.problems.get(pair, "")
    why = f" ({problem})" if problem else ""
    return predictor, "" if predictor else f"no {Method.REGRESSOR}{named} is there for {engine} on {device}{why}"
