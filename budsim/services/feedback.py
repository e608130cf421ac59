"""Feedback: find the configuration, mark it, and tell the blacklist."""

from typing import Final
from uuid import UUID

from budsim.core.errors import ConfigurationNotFound, InvalidInput
from budsim.core.units import seconds_to_ms
from budsim.services.ports import BlacklistStore, FeedbackReport, Messages, Outbox

LONGEST_S: Final = 86_400.0  # a mean latency of more than a day is another unit [s]
FASTEST: Final = 100_000.0  # output tokens/s one user sees: some ten times what any chip reaches


class FeedbackTaker:
    """Applies feedback: one transaction, then the key's whole entry set is sent."""

    def __init__(self, *, blacklists: BlacklistStore, outbox: Outbox, messages: Messages) -> None:
        self._blacklists = blacklists
        self._outbox = outbox
        self._messages = messages

    async def apply(self, report: FeedbackReport) -> UUID:
        """Apply one report and return the workflow it concerns.

        Raises:
            InvalidInput: An observed figure is none that a deployment has.
            ConfigurationNotFound: The config_id is not known.
        """
        refuse_absurd(report)
        recorded = await self._blacklists.find_configuration(report.config_id)
        if recorded is None:
            raise ConfigurationNotFound(
                f"config_id {report.config_id} was never recommended", param="config_id", remedy="send a config_id of a recommendation"
            )
        blacklist = await self._blacklists.apply(recorded, report, self._messages)
        await self._outbox.publish(blacklist.key)
        return recorded.workflow_id


def refuse_absurd(report: FeedbackReport) -> None:
    """Refuse observed figures that no deployment has: they would be learned from.

    Raises:
        InvalidInput: It names the figure, its value and what it may be.
    """
    ttft_s, e2e_s, throughput = report.observed_ttft_s, report.observed_e2e_s, report.observed_throughput_per_user
    ttft_ms = None if ttft_s is None else seconds_to_ms(ttft_s)
    _refuse_outside("ttft", ttft_ms, most=seconds_to_ms(LONGEST_S), unit="ms")
    _refuse_outside("e2e_latency", e2e_s, most=LONGEST_S, unit="s")
    _refuse_outside("throughput_per_user", throughput, most=FASTEST, unit="output tokens/s")
    if ttft_s is not None and e2e_s is not None and ttft_s > e2e_s:
        raise InvalidInput(
            f"observed.ttft = {ttft_ms:g} ms is longer than observed.e2e_latency = {e2e_s:g} s",
            param="observed.ttft",
            remedy="send the TTFT in milliseconds and the E2E latency in seconds, both means over the same requests",
        )


def _refuse_outside(name: str, value: float | None, *, most: float, unit: str) -> None:
    if value is not None and not 0.0 < value <= most:
        raise InvalidInput(
            f"observed.{name} = {value:g} is no mean a deployment has",
            param=f"observed.{name}",
            remedy=f"send {unit}, above 0 and at most {most:g}, or leave it out where it was not measured",
        )
