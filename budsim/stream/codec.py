"""Messages in and out: JSON of pydantic models, CloudEvents in binary mode, structured mode understood on input."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

E = TypeVar("E", bound=BaseModel)
Headers = tuple[tuple[str, bytes], ...]
SHOWN = 120  # characters of a wrong value that an error repeats


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
class Received(Generic[E]):
    """A record with the event it carries."""

    record: Record
    event: E

    def header(self, name: str) -> str | None:
        """Return a header's text."""
        return header_text(self.record.headers, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """A null value: its key is removed."""

    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeFailure:
    """Why a record carries no event, and whatever could still be read of it."""

    record: Record
    reason: str
    workflow_id: str | None


class Codec(Generic[E]):
    """Reads one event type. Never raises on input."""

    def __init__(self, event: type[E], *, max_value_bytes: int) -> None:
        self._event = event
        self._max_value_bytes = max_value_bytes

    def decode(self, record: Record) -> Received[E] | DecodeFailure:
        """Return the event, or the reason there is none."""
        value = record.value
        if value is None:
            return self._failure(record, "the value is null; send a JSON object")
        if len(value) > self._max_value_bytes:
            return self._failure(record, f"the value has {len(value):,} bytes; at most {self._max_value_bytes:,} are taken: send less")
        try:
            body = json.loads(value, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            return self._failure(record, f"the value is not JSON ({error}); send a JSON object")
        payload = unwrapped(body)
        try:
            return Received(record=record, event=self._event.model_validate(payload))
        except ValidationError as error:
            return self._failure(record, explained(error), payload)

    def _failure(self, record: Record, reason: str, payload: object = None) -> DecodeFailure:
        return DecodeFailure(record=record, reason=reason, workflow_id=_workflow_id(record, payload))


def header_text(headers: Headers, name: str) -> str | None:
    """Return the text of the first header of that name."""
    return next((value.decode("utf-8", "replace") for key, value in headers if key.lower() == name), None)


def unwrapped(body: object) -> object:
    """Return the data of a structured CloudEvent; anything else as it is."""
    if isinstance(body, dict) and "specversion" in body and "data" in body:
        return body["data"]
    return body


def explained(error: ValidationError) -> str:
    """Return each field, its value and what is wrong with it, in one line."""
    parts = []
    for item in error.errors(include_url=False)[:5]:
        field = ".".join(str(step) for step in item["loc"]) or "the value"
        parts.append(f"{field} = {_shown(item['input'])}: {item['msg']}")
    return "; ".join(parts)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _workflow_id(record: Record, payload: object) -> str | None:
    named = header_text(record.headers, "correlationid")
    if named:
        return named
    if isinstance(payload, Mapping) and isinstance(payload.get("workflow_id"), str):
        return str(payload["workflow_id"])
    return record.key.decode("utf-8", "replace") if record.key else None


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not a JSON number"
    raise ValueError(msg)
