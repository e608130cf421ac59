"""evaluations.v1, key cluster_id|device_type: a part to be narrowed to what fits."""

from typing import ClassVar

from budsim.core.search.part import Part
from topics.wire import Event


class EvaluationRequested(Event):
    """Find what fits of this part."""

    ce_type: ClassVar[str] = "budsim.evaluation.requested.v1"

    part: Part
