"""prices.v1, key «device» or «cluster_id|device», compacted; null removes the price."""

from datetime import datetime
from typing import ClassVar

from topics.wire import Amount, Event, SentModel


class PriceUpdated(Event, SentModel):
    """Price of one device-hour."""

    ce_type: ClassVar[str] = "budsim.price.updated.v1"

    usd_per_hour: Amount
    valid_from: datetime | None = None
