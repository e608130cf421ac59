"""Which model set answers a request: the one it names, or the first, or for a share of the requests the second."""

from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from budsim.core.errors import InvalidInput
from budsim.core.search.part import SetChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPolicy:
    """Settings that decide which model set answers.

    Attributes:
        known: Versions a request may name.
        has_second: Whether there is a set to be tried beside the first.
        shadow_share: Share of the requests both sets predict for the record, 0…1.
        ab_share: Share of the requests the second set answers, 0…1.
    """

    known: tuple[str, ...] = ()
    has_second: bool = False
    shadow_share: float = 0.0
    ab_share: float = 0.0


def set_choice(named: str | None, workflow_id: UUID, policy: SetPolicy) -> SetChoice:
    """Return which set answers a workflow; the same one whenever it is asked.

    Args:
        named: Version the request names; None or empty for none.
        workflow_id: Decides whether the workflow is one of a share.
        policy: Versions and shares.

    Raises:
        InvalidInput: The version is not among those at hand.
    """
    if named:
        if named not in policy.known:
            known = ", ".join(policy.known)
            remedy = f"name one of {known}, or leave it out" if known else "leave it out: no model set is installed"
            raise InvalidInput(f"model_set {named!r} is not at hand", param="model_set", remedy=remedy)
        return SetChoice(version=named)
    if not policy.has_second:
        return SetChoice()
    return SetChoice(
        second=_place(workflow_id, "ab") < policy.ab_share,
        compared=_place(workflow_id, "shadow") < policy.shadow_share,
    )


def _place(workflow_id: UUID, purpose: str) -> float:
    """Return where a workflow stands between 0 and 1: even over workflows, and another place for each purpose."""
    digest = sha256(f"{purpose}/{workflow_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
