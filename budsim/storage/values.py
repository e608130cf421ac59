"""Core values ⇄ JSONB."""

from base64 import b64decode, b64encode
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, Text, cast, literal
from sqlalchemy.dialects.postgresql import JSONB

from budsim.core.hardware.spec import Cluster
from budsim.core.ranking.recommendation import Recommendation
from budsim.core.search.part import BlacklistEntry, Configuration, Part, PartResult
from budsim.services.ports import OutgoingMessage, PlanNotes
from budsim.services.request import SimulationRequest
from budsim.storage.schema import OutboxRow

T = TypeVar("T")
PART: Final = TypeAdapter(Part)
CONFIGURATION: Final = TypeAdapter(Configuration)
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


def json_text(adapter: TypeAdapter[T], value: T) -> str:
    """Return a value as the text of JSON."""
    return adapter.dump_json(value).decode()


def jsonb(adapter: TypeAdapter[T], value: T) -> ColumnElement[Any]:
    """Return a value as JSONB that PostgreSQL parses itself: no dictionaries between."""
    return cast(literal(json_text(adapter, value), Text), JSONB)


def outbox_values(stream_key: str, message: OutgoingMessage) -> dict[str, Any]:
    """Return a message as the columns of a row."""
    return {
        "stream_key": stream_key,
        "topic": message.topic,
        "key": message.key,
        "value": message.value,
        "headers": [[name, b64encode(value).decode("ascii")] for name, value in message.headers],
    }


def outbox_row(stream_key: str, message: OutgoingMessage) -> OutboxRow:
    """Return a message as a row."""
    return OutboxRow(**outbox_values(stream_key, message))


def message_of(row: Row[Any]) -> OutgoingMessage:
    """Return a row as a message."""
    headers = tuple((name, b64decode(value)) for name, value in row.headers)
    return OutgoingMessage(topic=row.topic, key=row.key, value=row.value, headers=headers)
