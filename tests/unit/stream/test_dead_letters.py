from budsim.stream.codec import Record
from budsim.stream.dead_letters import REASON_LIMIT, Cause, DeadLetter, dead_letter
from tests.support.stream_fakes import record

CAUSE = Cause(agent="plan", error="InvalidInput", reason="name = 3: must be text", attempts=2, at_s=1_700_000_000.25)


def read_back(original: Record, cause: Cause = CAUSE) -> DeadLetter:
    sent = dead_letter(original, cause, "dead-letters")
    return DeadLetter.from_record(Record(topic=sent.topic, partition=0, offset=0, key=sent.key, value=sent.value, headers=sent.headers))


def test_a_dead_letter_keeps_key_value_and_headers_and_adds_where_from_and_why() -> None:
    original = record(b"\xff not json", headers=[("ce_id", b"1"), ("ce_id", b"2"), ("x", b"\x00\xff")])
    sent = dead_letter(original, CAUSE, "dead-letters")
    assert (sent.topic, sent.key, sent.value) == ("dead-letters", b"k", b"\xff not json")
    assert sent.headers[:3] == original.headers
    assert dict(sent.headers[3:]) == {
        "dlq_topic": b"greetings",
        "dlq_partition": b"3",
        "dlq_offset": b"7",
        "dlq_agent": b"plan",
        "dlq_error": b"InvalidInput",
        "dlq_reason": b"name = 3: must be text",
        "dlq_attempts": b"2",
        "dlq_at": b"1700000000.250",
    }


def test_what_is_read_back_is_what_was_written_and_replay_restores_the_message() -> None:
    original = record(headers=[("ce_id", b"1")])
    letter = read_back(original)
    assert (letter.topic, letter.partition, letter.offset, letter.attempts, letter.at_s) == ("greetings", 3, 7, 2, 1_700_000_000.25)
    replayed = letter.replay()
    assert (replayed.topic, replayed.key, replayed.value, replayed.headers) == ("greetings", b"k", original.value, original.headers)


def test_a_message_with_neither_key_nor_value_can_still_be_buried() -> None:
    sent = dead_letter(record(None, key=None), CAUSE, "dead-letters")
    assert sent.key == b""
    assert sent.value is None


def test_headers_the_message_brought_do_not_pass_for_ours() -> None:
    assert read_back(record(headers=[("dlq_topic", b"forged"), ("dlq_offset", b"none")])).topic == "greetings"


def test_a_reason_is_bounded_and_may_hold_any_text() -> None:
    letter = read_back(record(), Cause(agent="plan", error="E", reason="half \ud800 " + "ä" * REASON_LIMIT, attempts=1, at_s=0.0))
    assert letter.reason.startswith("half \\ud800")
    assert len(letter.reason.encode()) <= REASON_LIMIT + 3  # a character cut in two is read as U+FFFD, three bytes


def test_a_foreign_record_in_the_topic_is_read_without_its_place() -> None:
    letter = DeadLetter.from_record(record(headers=[("dlq_offset", b"seven")]))
    assert (letter.topic, letter.offset, letter.attempts) == ("", 0, 0)
