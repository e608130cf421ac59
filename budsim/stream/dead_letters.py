"""Dead letters: key, value and headers untouched, plus where they came from and why."""

from dataclasses import dataclass

from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import Headers, Record, header_text

PREFIX = "dlq_"
REASON_LIMIT = 4000  # bytes; a header must not outgrow the message


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a message could not be answered. `at_s` is unix time."""

    agent: str
    error: str
    reason: str
    attempts: int
    at_s: float


def dead_letter(record: Record, cause: Cause, topic: str) -> OutgoingMessage:
    """Return the dead letter of a record."""
    added = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "agent": cause.agent,
        "error": cause.error,
        "reason": cause.reason,
        "attempts": str(cause.attempts),
        "at": f"{cause.at_s:.3f}",
    }
    headers = tuple((PREFIX + name, text.encode("utf-8", "backslashreplace")[:REASON_LIMIT]) for name, text in added.items())
    return OutgoingMessage(topic=topic, key=_key(record), value=record.value, headers=(*record.headers, *headers))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A dead letter as it is read back; what its headers do not say is empty or 0."""

    record: Record
    topic: str
    partition: int
    offset: int
    agent: str
    error: str
    reason: str
    attempts: int
    at_s: float

    @classmethod
    def from_record(cls, record: Record) -> "DeadLetter":
        """Return what the added headers say."""
        added = record.headers[::-1]  # ours are the last, should the message have brought such headers
        text = {name: header_text(added, PREFIX + name) or "" for name in ("topic", "agent", "error", "reason")}
        number = {name: _number(header_text(added, PREFIX + name)) for name in ("partition", "offset", "attempts", "at")}
        return cls(
            record=record,
            topic=text["topic"],
            partition=int(number["partition"]),
            offset=int(number["offset"]),
            agent=text["agent"],
            error=text["error"],
            reason=text["reason"],
            attempts=int(number["attempts"]),
            at_s=number["at"],
        )

    def replay(self) -> OutgoingMessage:
        """Return the original message, for its original topic."""
        headers: Headers = tuple(item for item in self.record.headers if not item[0].startswith(PREFIX))
        return OutgoingMessage(topic=self.topic, key=_key(self.record), value=self.record.value, headers=headers)


def _key(record: Record) -> bytes | None:
    # the client sends no message that has neither key nor value
    return b"" if record.key is None and record.value is None else record.key


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
