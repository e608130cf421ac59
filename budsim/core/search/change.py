"""Change: one thing that, asked or offered otherwise, would make a request fit."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import prod


class ChangeKind(StrEnum):
    """What is changed; all else stays."""

    USERS = "concurrency"  # [requests in flight]
    RATE = "request_rate"  # [requests/s]
    DEVICES = "devices"  # free devices of the group
    TTFT = "target_ttft"  # [s]
    THROUGHPUT = "target_throughput_per_user"  # [tokens/s]
    E2E = "target_e2e_latency"  # [s]
    QUANTIZATION = "quantization_type"
    TOKENS = "input_tokens"  # and the output in the same proportion
    DEVICE_MEMORY = "device_memory_gb"  # [bytes]


class JudgedBy(StrEnum):
    """Who says that a change is enough, and for what."""

    PREDICTION = "prediction"  # the target is then carried within every SLO
    MEMORY = "memory"  # one user then fits; how fast and how many was not looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Also:
    """What has to be changed at the same time, in the unit of its kind."""

    kind: ChangeKind
    asked: float
    needed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change that is enough by itself, or together with what `also` names.

    Attributes:
        kind: What is changed, in the unit of its kind.
        asked: As it was; 0 for a format.
        needed: As it would have to be; 0 for a format.
        weight_format: Format of the weights that would do, for that kind alone.
        sentence: What to do and at which layout it was found to do.
        per_node: For devices, how many of them stand on one node.
        also: Changes without which this one is not enough.
    """

    kind: ChangeKind
    asked: float = 0.0
    needed: float = 0.0
    weight_format: str = ""
    sentence: str
    per_node: int = 0
    judged_by: JudgedBy = JudgedBy.PREDICTION
    also: tuple[Also, ...] = ()

    @property
    def distance(self) -> float:
        """How far it is from what was asked, as a factor: 1 is no change. A format counts as the factor 2 of its bytes."""
        if self.asked <= 0.0 or self.needed <= 0.0:
            return 2.0
        factors = ((self.needed, self.asked), *((each.needed, each.asked) for each in self.also))
        return prod(max(needed / asked, asked / needed) for needed, asked in factors)


def in_words(changes: Iterable[Change]) -> str:
    """Return changes as one sentence of alternatives."""
    return ", or ".join(change.sentence for change in changes)
