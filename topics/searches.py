"""searches.v1, key part_id: a narrowed part to be searched."""

from typing import ClassVar

from budsim.core.search.part import SearchTask
from topics.wire import Event


class SearchRequested(Event):
    """Search the space that is left of this part."""

    ce_type: ClassVar[str] = "budsim.search.requested.v1"

    task: SearchTask
