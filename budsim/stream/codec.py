"""Messages in: JSON of pydantic models; CloudEvents in binary mode, in structured mode, or none at all."""

import base64
import binascii
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from budsim.stream.strict_json import NotJson, strict_json

E = TypeVar("E", bound=BaseModel)
Headers = tuple[tuple[str, bytes], ...]
STRUCTURED = "application/cloudevents+json"
SHOWN_ERRORS = 5
SHOWN_CHARACTERS = 120  # of a wrong value that an error repeats
_WORKFLOW_ID = re.compile(rb'"workflow_id"\s*:\s*"([0-9a-fA-F-]{32,36})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A Kafka message as it was read, untouched."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A record with its CloudEvents attributes: in headers, or (structured mode) in `attributes`."""

    record: Record
    attributes: Mapping[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """Return a header's text, or the CloudEvents attribute that stands for it in structured mode."""
        return header_text(self.record.headers, name) or self.attributes.get(name.removeprefix("ce_"))

    @property
    def event_id(self) -> str:
        """The event's id, or its place in the topic where its sender gave none."""
        record = self.record
        return self.header("ce_id") or f"{record.topic}/{record.partition}/{record.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received(Envelope, Generic[E]):
    """A record with the event it carries."""

    event: E


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """A null value: its key is removed."""

    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeFailure(Envelope):
    """Why a record carries no event, and whatever could still be read of it."""

    reason: str
    workflow_id: str | None


class Codec(Generic[E]):
    """Reads one event type. Never raises on input."""

    def __init__(self, event: type[E], *, max_value_bytes: int) -> None:
        self._event = event
        self._max_value_bytes = max_value_bytes

    def decode(self, record: Record) -> Received[E] | DecodeFailure:
        """Return the event, or the reason there is none."""
        value, attributes = record.value, dict[str, str]()
        if value is None:
            return self._failure(record, "the value is null; send a JSON object", attributes)
        if len(value) > self._max_value_bytes:
            reason = f"the value has {len(value):,} bytes; at most {self._max_value_bytes:,} are taken: send less"
            return self._failure(record, reason, attributes)
        try:
            body = strict_json(value)
            if _is_structured(record.headers, body):
                attributes = {name: item for name, item in body.items() if isinstance(item, str) and name != "data"}
                body = _data(body)
            return Received(record=record, event=self._event.model_validate(body), attributes=attributes)
        except ValidationError as error:
            return self._failure(record, explained(error), attributes)
        except (NotJson, RecursionError) as error:
            return self._failure(record, f"the value is not JSON ({error}); send a JSON object in UTF-8", attributes)

    def _failure(self, record: Record, reason: str, attributes: Mapping[str, str]) -> DecodeFailure:
        return DecodeFailure(record=record, attributes=attributes, reason=reason, workflow_id=_workflow_id(record, attributes))


def record_of(message: Any) -> Record:
    """Return a Faust message as a plain record."""
    headers = message.headers.items() if isinstance(message.headers, dict) else message.headers or ()
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple((str(name), _bytes(value)) for name, value in headers),
        timestamp_s=message.timestamp or 0.0,
    )


def header_text(headers: Headers, name: str) -> str | None:
    """Return the text of the first header of that name."""
    return next((value.decode("utf-8", "replace") for key, value in headers if key.lower() == name), None)


def explained(error: ValidationError) -> str:
    """Return each field, its value and what is wrong with it, in one line."""
    errors = error.errors(include_url=False)
    parts = []
    for item in errors[:SHOWN_ERRORS]:
        field_name = ".".join(str(step) for step in item["loc"]) or "the value"
        shown = "" if item["type"] == "missing" else f" = {_shown(item['input'])}"
        parts.append(f"{field_name}{shown}: {item['msg']}")
    if len(errors) > SHOWN_ERRORS:
        parts.append(f"and {len(errors) - SHOWN_ERRORS} more")
    return "; ".join(parts)


def _shown(value: Any) -> str:
    short = reprlib.Repr()
    short.maxlevel, short.maxstring, short.maxother = 3, SHOWN_CHARACTERS, SHOWN_CHARACTERS
    text = short.repr(value)
    return text if len(text) <= 2 * SHOWN_CHARACTERS else text[: 2 * SHOWN_CHARACTERS] + "…"


def _is_structured(headers: Headers, body: object) -> bool:
    if not isinstance(body, dict):
        return False
    named = (header_text(headers, "content-type") or "").lower().startswith(STRUCTURED)
    return named or ("specversion" in body and ("data" in body or "data_base64" in body))


def _data(body: Mapping[str, Any]) -> Any:
    encoded = body.get("data_base64")
    if not isinstance(encoded, str):
        return body.get("data")
    try:
        return strict_json(base64.b64decode(encoded, validate=True))
    except binascii.Error as error:
        raise NotJson(f"data_base64 is not base64: {error}") from error


def _workflow_id(record: Record, attributes: Mapping[str, str]) -> str | None:
    """Return the workflow a broken message belongs to, as far as it can be told: by envelope, by content, by key."""
    named = header_text(record.headers, "correlationid") or attributes.get("correlationid")
    if named:
        return named
    found = _WORKFLOW_ID.search(record.value or b"")
    if found:
        return found.group(1).decode()
    return record.key.decode("utf-8", "replace") if record.key else None


def _bytes(value: object) -> bytes:
    if value is None:
        return b""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "backslashreplace")
