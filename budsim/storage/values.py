"""Core values ⇄ JSONB."""

from base64 import b64decode, b64encode
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Row

from budsim.core.hardware.spec import Cluster
from budsim.core.ranking.recommendation import Recommendation
from budsim.core.search.part import BlacklistEntry, Part, PartResult
from budsim.services.ports import OutgoingMessage, PlanNotes
from budsim.services.request import SimulationRequest
from budsim.storage.schema import OutboxRow

T = TypeVar("T")
PART: Final = TypeAdapter(Part)
PART_RESULT: Final = TypeAdapter(PartResult)
REQUEST: Final = TypeAdapter(SimulationRequest)
RECOMMENDATION: Final = TypeAdapter(Recommendation)
NOTES: Final = TypeAdapter(PlanNotes)
CLUSTER: Final = TypeAdapter(Cluster)
ENTRY: Final = TypeAdapter(BlacklistEntry)


def dumped(adapter: TypeAdapter[T], value: T) -> dict[str, Any]:
    """Return a value as JSON objects."""
    found: dict[str, Any] = adapter.dump_python(value, mode="json")
    return found


def outbox_row(stream_key: str, message: OutgoingMessage) -> OutboxRow:
    """Return a message as a row."""
    return OutboxRow(
        stream_key=stream_key,
        topic=message.topic,
        key=message.key,
        value=message.value,
        headers=[[name, b64encode(value).decode("ascii")] for name, value in message.headers],
    )


def message_of(row: Row[Any]) -> OutgoingMessage:
    """Return a row as a message."""
    headers = tuple((name, b64decode(value)) for name, value in row.headers)
    return OutgoingMessage(topic=row.topic, key=row.key, value=row.value, headers=headers)
