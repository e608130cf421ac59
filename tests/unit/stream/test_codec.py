import base64
import json

import pytest

from budsim.stream.codec import DecodeFailure, Received
from tests.support.stream_fakes import Greeted, greeted_codec, record

WORKFLOW = "0b7a8f0e-94d3-4f0e-8f52-6c1f0c1f7a11"


def decoded(value: bytes | None, **of_record: object) -> Received[Greeted]:
    received = greeted_codec().decode(record(value, **of_record))
    assert isinstance(received, Received), received
    return received


def refused(value: bytes | None, **of_record: object) -> DecodeFailure:
    failure = greeted_codec().decode(record(value, **of_record))
    assert isinstance(failure, DecodeFailure)
    return failure


def test_plain_json_without_any_envelope_is_understood() -> None:
    assert decoded(b'{"name": "Ada", "times": 2}').event == Greeted(name="Ada", times=2)


def test_unknown_fields_are_ignored() -> None:
    assert decoded(b'{"name": "Ada", "colour": "red"}').event == Greeted(name="Ada")


def test_binary_mode_keeps_the_attributes_in_the_headers() -> None:
    received = decoded(b'{"name": "Ada"}', headers=[("ce_id", b"1"), ("correlationid", b"w")])
    assert (received.header("ce_id"), received.header("correlationid"), received.header("traceparent")) == ("1", "w", None)


@pytest.mark.parametrize("headers", [[], [("content-type", b"application/cloudevents+json; charset=UTF-8")]])
def test_structured_mode_is_understood_with_and_without_its_content_type(headers: list[tuple[str, bytes]]) -> None:
    body = {"specversion": "1.0", "id": "1", "type": "t", "source": "s", "traceparent": "00-ab", "data": {"name": "Ada"}}
    received = decoded(json.dumps(body).encode(), headers=headers)
    assert received.event == Greeted(name="Ada")
    assert (received.header("ce_id"), received.header("traceparent")) == ("1", "00-ab")


def test_structured_mode_may_carry_its_data_in_base64() -> None:
    body = {"specversion": "1.0", "data_base64": base64.b64encode(b'{"name": "Ada"}').decode()}
    assert decoded(json.dumps(body).encode()).event == Greeted(name="Ada")
    assert "base64" in refused(b'{"specversion": "1.0", "data_base64": "%%%"}').reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "the value is null"),
        (b"", "not JSON"),
        (b"hello", "not JSON"),
        (b'{"name": "Ada"', "not JSON"),
        (b"\xff\xfe{\x00}\x00", "not JSON"),  # UTF-16, which Python's json would read
        (b'{"name": "Ada", "weight": NaN}', "NaN is not a JSON number"),
        (b'{"name": "Ada", "weight": -Infinity}', "weight = -Infinity is beyond what a number can be"),
        (b'{"name": "Ada", "weight": 1e999}', "weight = Infinity is beyond what a number can be"),
        (b'{"name": "half \\ud800"}', "not JSON"),
        (b'{"name": "\\u0000"}', "\\u0000"),
        (b"[" * 100_0, "not JSON"),
        (b"[]", "the value = []"),
        (b"null", "the value = None"),
        (b"{}", "name: Field required"),
        (b'{"name": 3}', "name = 3: Input should be a valid string"),
        (b'{"name": "Ada", "times": "many"}', "times = 'many': Input should be a valid integer"),
        (b'{"specversion": "1.0", "data": [1]}', "the value = [1]"),
    ],
)
def test_what_is_no_event_is_refused_with_the_field_the_value_and_the_remedy(value: bytes | None, reason: str) -> None:
    assert reason in refused(value).reason


def test_text_that_only_looks_like_a_forbidden_character_passes() -> None:
    assert decoded(b'{"name": "C:\\\\u0000"}').event.name == "C:\\u0000"
    assert decoded(b'{"name": "\\ud83d\\ude00"}').event.name == "😀"


def test_a_value_of_the_limit_passes_and_one_byte_more_is_refused_with_both_numbers() -> None:
    frame = len(b'{"name": ""}')
    assert decoded(b'{"name": "%s"}' % (b"a" * (1000 - frame)))
    assert refused(b'{"name": "%s"}' % (b"a" * (1001 - frame))).reason == "the value has 1,001 bytes; at most 1,000 are taken: send less"


def test_a_wrong_value_is_shown_shortened() -> None:
    reason = refused(b'{"name": [%s]}' % b",".join([b'"x"'] * 200)).reason
    assert reason.startswith("name = ['x'")
    assert len(reason) < 400


@pytest.mark.parametrize(
    ("of_record", "expected"),
    [
        ({"value": b'{"workflow_id": "%s", "name": 3}' % WORKFLOW.encode()}, WORKFLOW),
        ({"value": b'not JSON at all "workflow_id": "%s"' % WORKFLOW.encode()}, WORKFLOW),
        ({"value": b'{"specversion":"1.0","correlationid":"%s","data":7}' % WORKFLOW.encode()}, WORKFLOW),
        ({"value": b"{", "headers": [("correlationid", WORKFLOW.encode())]}, WORKFLOW),
        ({"value": b"{", "key": WORKFLOW.encode()}, WORKFLOW),
        ({"value": None, "key": WORKFLOW.encode()}, WORKFLOW),
        ({"value": b"{", "key": None}, None),
    ],
)
def test_a_failure_still_names_the_workflow_where_it_can_be_read(of_record: dict[str, object], expected: str | None) -> None:
    assert refused(**of_record).workflow_id == expected  # type: ignore[arg-type]
