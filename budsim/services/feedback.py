"""Feedback: find the configuration, mark it, and tell the blacklist."""

from uuid import UUID

from budsim.core.errors import ConfigurationNotFound
from budsim.services.ports import BlacklistStore, FeedbackReport, Messages, Outbox


class FeedbackTaker:
    """Applies feedback: one transaction, then the key's whole entry set is sent."""

    def __init__(self, *, blacklists: BlacklistStore, outbox: Outbox, messages: Messages) -> None:
        self._blacklists = blacklists
        self._outbox = outbox
        self._messages = messages

    async def apply(self, report: FeedbackReport) -> UUID:
        """Apply one report and return the workflow it concerns; raise ConfigurationNotFound for an unknown config_id."""
        recorded = await self._blacklists.find_configuration(report.config_id)
        if recorded is None:
            raise ConfigurationNotFound(
                f"config_id {report.config_id} was never recommended", param="config_id", remedy="send a config_id of a recommendation"
            )
        blacklist = await self._blacklists.apply(recorded, report, self._messages)
        await self._outbox.publish(blacklist.key)
        return recorded.workflow_id
