"""blacklist-updates.v1, key cluster_id|device_type: the key's whole entry set, never a difference."""

from typing import ClassVar

from budsim.core.search.part import Blacklist
from topics.wire import Event


class BlacklistUpdated(Event):
    """The entry set of a key, as of its version."""

    ce_type: ClassVar[str] = "budsim.blacklist.updated.v1"

    blacklist: Blacklist
