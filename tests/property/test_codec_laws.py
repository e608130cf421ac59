"""Laws of reading the wire: what was written is read, and nothing that comes raises."""

import json
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from budsim.stream.codec import Codec, DecodeFailure, Received, Record
from budsim.stream.dead_letters import Cause, DeadLetter, dead_letter
from tests.support.stream_fakes import record

HEADERS = st.lists(st.tuples(st.text(max_size=12).filter(lambda name: not name.startswith("dlq_")), st.binary(max_size=20)), max_size=4)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10) | st.sampled_from(["name", "data", "specversion"]), inner)
    ),
    max_leaves=12,
)


class Said(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    workflow_id: UUID
    text: str
    numbers: list[float]
    notes: dict[str, int] = {}


CODEC = Codec(Said, max_value_bytes=64 * 1024)
SAID = st.builds(
    Said,
    workflow_id=st.uuids(),
    text=TEXT,
    numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5),
    notes=st.dictionaries(TEXT, st.integers(-(10**9), 10**9), max_size=3),
)


def read(value: bytes | None, headers: list[tuple[str, bytes]] | None = None) -> Received[Said] | DecodeFailure:
    return CODEC.decode(record(value, headers=headers or []))


@given(SAID)
def test_what_was_written_is_read(event: Said) -> None:
    received = read(event.model_dump_json().encode())
    assert isinstance(received, Received)
    assert received.event == event


@given(SAID, TEXT)
def test_structured_mode_says_the_same_as_binary_mode(event: Said, subject: str) -> None:
    body = {"specversion": "1.0", "id": "1", "subject": subject, "data": event.model_dump(mode="json")}
    received = read(json.dumps(body).encode())
    assert isinstance(received, Received)
    assert received.event == event
    assert received.header("ce_subject") == subject


@given(st.none() | st.binary(max_size=200), HEADERS)
def test_arbitrary_bytes_never_raise(value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
    assert isinstance(read(value, headers), Received | DecodeFailure)


@given(JSON)
def test_arbitrary_json_never_raises_and_its_reason_can_be_written(body: object) -> None:
    failure = read(json.dumps(body).encode("utf-8", "surrogatepass"))
    assert isinstance(failure, DecodeFailure)  # without a workflow_id that is a UUID nothing of it passes
    sent = dead_letter(failure.record, Cause(agent="a", error="e", reason=failure.reason, attempts=0, at_s=0.0), "dead")
    assert sent.value == failure.record.value


@given(st.binary(max_size=50) | st.none(), st.binary(max_size=50), HEADERS, st.text(max_size=60))
def test_a_replayed_dead_letter_is_the_message_that_died(
    key: bytes | None, value: bytes, headers: list[tuple[str, bytes]], reason: str
) -> None:
    original = record(value, key=key, headers=headers)
    sent = dead_letter(original, Cause(agent="a", error="e", reason=reason, attempts=1, at_s=1.0), "dead")
    letter = DeadLetter.from_record(Record(topic="dead", partition=0, offset=0, key=sent.key, value=sent.value, headers=sent.headers))
    replayed = letter.replay()
    assert (replayed.topic, replayed.key, replayed.value, replayed.headers) == ("greetings", key, value, original.headers)
