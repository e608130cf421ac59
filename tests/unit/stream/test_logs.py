"""Every line names the message in hand, whoever logs it."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from budsim.core.errors import InvalidInput
from budsim.stream.logs import JsonFormatter, LineFormatter, configure, in_hand
from tests.support.stream_fakes import Desk, record

WORKFLOW = "0b7a8f0e-94d3-4f0e-8f52-6c1f0c1f7a11"
NAMED = record(headers=[("correlationid", WORKFLOW.encode())])


class Lines:
    def __init__(self, formatter: logging.Formatter) -> None:
        self._stream = io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.handler.setFormatter(formatter)

    def all(self) -> list[str]:
        return self._stream.getvalue().splitlines()


@pytest.fixture(params=[LineFormatter, JsonFormatter], ids=["text", "json"])
def lines(request: pytest.FixtureRequest) -> Iterator[Lines]:
    made = Lines(request.param())
    logging.getLogger("budsim").addHandler(made.handler)
    yield made
    logging.getLogger("budsim").removeHandler(made.handler)


async def test_a_line_of_any_module_names_workflow_agent_and_place_while_a_message_is_in_hand(lines: Lines) -> None:
    desk = Desk()

    async def log_elsewhere() -> None:
        logging.getLogger("budsim.services.anything").warning("half way")

    desk.script = [log_elsewhere]
    await desk.loop.conclude(NAMED, desk.route())
    logging.getLogger("budsim.services.anything").warning("nothing in hand")
    within, outside = lines.all()
    assert WORKFLOW in within
    assert "greeter" in within
    assert "greetings/3@7" in within
    assert WORKFLOW not in outside


async def test_two_messages_in_hand_at_once_are_not_mixed_up(lines: Lines) -> None:
    async def handle(name: str) -> None:
        with in_hand(name, record(key=f"workflow-{name}".encode())):
            await asyncio.sleep(0)
            logging.getLogger("budsim.x").warning("from %s", name)

    await asyncio.gather(handle("a"), handle("b"))
    for name, line in zip("ab", sorted(lines.all(), key=lambda line: "from b" in line), strict=True):
        assert f"from {name}" in line
        assert f"workflow-{name}" in line


async def test_a_dead_letter_is_logged_with_its_reason_and_its_workflow(lines: Lines) -> None:
    desk = Desk()
    desk.script = [InvalidInput("input_tokens = 0", remedy="send 1 or more")]
    await desk.loop.conclude(NAMED, desk.route())
    (line,) = lines.all()
    assert WORKFLOW in line
    assert "input_tokens = 0" in line


def formatted(formatter: logging.Formatter, text: str, *, crash: bool = False) -> str:
    try:
        raise KeyError("lost")
    except KeyError:
        error = sys.exc_info() if crash else None
    return formatter.format(logging.LogRecord("budsim.x", logging.ERROR, __file__, 1, text, None, error))


def test_what_callers_sent_cannot_forge_a_line() -> None:
    with in_hand("plan", record(key=b"x\n2026-01-01 ERROR forged")):
        assert len(formatted(LineFormatter(), "first\nsecond").splitlines()) == 1
        assert len(formatted(JsonFormatter(), "first\nsecond").splitlines()) == 1


def test_json_lines_hold_their_fields_and_the_traceback() -> None:
    with in_hand("plan", NAMED):
        line = json.loads(formatted(JsonFormatter(), "it broke", crash=True))
    assert {name: line[name] for name in ("level", "logger", "agent", "workflow_id", "message", "text")} == {
        "level": "ERROR",
        "logger": "budsim.x",
        "agent": "plan",
        "workflow_id": WORKFLOW,
        "message": "greetings/3@7",
        "text": "it broke",
    }
    assert "KeyError: 'lost'" in line["traceback"]
    assert line["time"].endswith("Z")


def test_the_level_is_the_setting_and_logging_that_was_set_up_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.RootLogger(logging.WARNING)
    monkeypatch.setattr(logging, "getLogger", lambda *_: root)
    configure("ERROR", as_json=True)
    configure("DEBUG")
    (handler,) = root.handlers
    assert (root.level, type(handler.formatter)) == (logging.ERROR, JsonFormatter)
