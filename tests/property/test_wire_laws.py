"""Laws of every message: what its schema allows is read, what was written is read the same, and whatever else comes is refused by name."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budsim.adapters.wire.schemas import message_schema
from budsim.stream.codec import Codec, DecodeFailure, Received
from tests.support.schema_values import values_of
from tests.support.stream_fakes import record
from topics.catalogue import MAX_VALUE_BYTES
from topics.contract import CONVERSATIONS, Conversation
from topics.wire import Event

NAMES = [item.event.__name__ for item in CONVERSATIONS]
BY_NAME = {item.event.__name__: item for item in CONVERSATIONS}
SCHEMAS = {name: message_schema(item) for name, item in BY_NAME.items()}
PATIENT = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
# rules that a schema's properties do not say: a load must be given, metadata is small, and a discriminator must be there
BETWEEN_FIELDS = re.compile(
    r"concurrency .* or request_rate .* must be given|would be repeated on every progress event|discriminator 'kind'"
)
POSITION = re.compile(r"\(char \d+\)|position \d+|has [\d,]+ bytes|is null|the value\b|line \d+")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def codec_of(conversation: Conversation) -> Codec[Event]:
    return Codec(conversation.event, max_value_bytes=MAX_VALUE_BYTES)


def decode(name: str, value: bytes | None) -> Received[Event] | DecodeFailure:
    return codec_of(BY_NAME[name]).decode(record(value))


def written(body: Any) -> bytes:
    return json.dumps(body).encode("utf-8", "surrogatepass")


def places(body: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path within a JSON value."""
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    return [path, *(place for step, item in inner for place in places(item, (*path, step)))]


def replaced(body: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = dict(body) if isinstance(body, dict) else list(body)
    copy[path[0]] = replaced(copy[path[0]], path[1:], by)
    return copy


@pytest.mark.parametrize("name", NAMES)
@PATIENT
@given(st.data())
def test_what_the_schema_allows_is_read_and_reads_the_same_once_it_was_written_again(name: str, data: st.DataObject) -> None:
    first = decode(name, written(data.draw(values_of(SCHEMAS[name]))))
    if isinstance(first, DecodeFailure):
        assert BETWEEN_FIELDS.search(first.reason), first.reason
        return
    again = decode(name, first.event.model_dump_json().encode())
    assert isinstance(again, Received)
    assert again.event == first.event


@pytest.mark.parametrize("name", NAMES)
@PATIENT
@given(st.data(), JSON)
def test_a_message_with_one_wrong_value_is_read_or_refused_by_a_field_or_a_position(name: str, data: st.DataObject, wrong: Any) -> None:
    body = data.draw(values_of(SCHEMAS[name]))
    path = data.draw(st.sampled_from(places(body)))
    answer = decode(name, written(replaced(body, path, wrong)))
    if isinstance(answer, Received):
        again = decode(name, answer.event.model_dump_json().encode())
        assert isinstance(again, Received)
        assert again.event == answer.event
        return
    steps = {str(step) for place in places(body) for step in place} | fields(SCHEMAS[name])
    assert POSITION.search(answer.reason) or any(step in answer.reason for step in steps), answer.reason
    answer.reason.encode()


@pytest.mark.parametrize("name", NAMES)
@PATIENT
@given(st.data(), st.binary(max_size=6))
def test_a_message_with_spoiled_bytes_is_read_or_refused_by_a_field_or_a_position(name: str, data: st.DataObject, noise: bytes) -> None:
    good = written(data.draw(values_of(SCHEMAS[name])))
    at = data.draw(st.integers(0, len(good)))
    answer = decode(name, good[:at] + noise + good[at + data.draw(st.integers(0, 6)) :])
    if isinstance(answer, DecodeFailure):
        assert POSITION.search(answer.reason) or any(field in answer.reason for field in fields(SCHEMAS[name])), answer.reason


@pytest.mark.parametrize("name", NAMES)
@PATIENT
@given(st.binary(max_size=200) | st.none())
def test_arbitrary_bytes_are_refused_by_a_position_or_a_field(name: str, value: bytes | None) -> None:
    answer = decode(name, value)
    if isinstance(answer, DecodeFailure):
        assert POSITION.search(answer.reason) or any(field in answer.reason for field in fields(SCHEMAS[name])), answer.reason


@pytest.mark.parametrize("name", NAMES)
@PATIENT
@given(st.data(), st.dictionaries(st.sampled_from(["unknown", "also_unknown"]), JSON))
def test_fields_nobody_knows_are_ignored(name: str, data: st.DataObject, unknown: dict[str, Any]) -> None:
    body = data.draw(values_of(SCHEMAS[name]))
    plain, with_more = (
        decode(name, written(body)),
        decode(name, written(body | unknown)),
    )
    if isinstance(plain, Received) and isinstance(with_more, Received):
        assert with_more.event == plain.event
    elif isinstance(with_more, DecodeFailure):
        assert isinstance(plain, DecodeFailure) or "unknown" in with_more.reason  # NaN is no JSON wherever it stands


def fields(schema: dict[str, Any]) -> set[str]:
    """Every field name of a schema."""
    return {name for part in (schema, *schema.get("$defs", {}).values()) for name in part.get("properties", {})}
