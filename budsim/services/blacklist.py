"""Which of two entry sets of a key counts."""

from budsim.core.search.part import Blacklist


def supersedes(update: Blacklist, known: Blacklist | None) -> bool:
    """Whether an update replaces what is known: only a higher version does, so that a replay changes nothing."""
    return known is None or update.version > known.version
