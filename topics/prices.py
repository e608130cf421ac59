"""prices.v1, key «device» or «cluster_id|device», compacted; null removes the price."""

from datetime import UTC, datetime
from typing import ClassVar

from topics.wire import Amount, Event, SentModel


class PriceUpdated(Event, SentModel):
    """Price of one device-hour."""

    ce_type: ClassVar[str] = "budsim.price.updated.v1"

    usd_per_hour: Amount
    valid_from: datetime | None = None

    @property
    def valid_from_s(self) -> float | None:
        """When the price begins, a time without a zone taken as UTC; None = when it comes. [unix s]"""
        begin = self.valid_from
        if begin is None:
            return None
        return (begin if begin.tzinfo else begin.replace(tzinfo=UTC)).timestamp()
