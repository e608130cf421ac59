"""Log lines an operator can filter: one a line, with the message in hand on each, as text or as JSON."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from budsim.stream.codec import Record, header_text

SHOWN_ID: Final = 64  # characters of a key that names no workflow
_IN_HAND: ContextVar[Mapping[str, str]] = ContextVar("in_hand", default={})  # noqa: B039 never changed, only replaced


@contextmanager
def in_hand(agent: str, record: Record) -> Iterator[None]:
    """Name the message on every line that is logged meanwhile, by whoever logs it."""
    key = record.key.decode("utf-8", "replace") if record.key else ""
    workflow = header_text(record.headers, "correlationid") or key or "unknown"
    place = f"{record.topic}/{record.partition}@{record.offset}"
    token = _IN_HAND.set({"agent": agent, "workflow_id": workflow[:SHOWN_ID], "message": place})
    try:
        yield
    finally:
        _IN_HAND.reset(token)


class LineFormatter(logging.Formatter):
    """`time level logger agent=… workflow_id=… message=… text`; line breaks only in tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one record."""
        named = "".join(f"{name}={_bare(value)} " for name, value in _IN_HAND.get().items())
        return f"{_time(record)} {record.levelname} {record.name} {named}{_one_line(record)}{_traceback(self, record)}"


class JsonFormatter(logging.Formatter):
    """The same as one JSON object a line, traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one record."""
        traceback = _traceback(self, record).strip()
        line = {"time": _time(record), "level": record.levelname, "logger": record.name, **_IN_HAND.get(), "text": record.getMessage()}
        return json.dumps(line | ({"traceback": traceback} if traceback else {}), ensure_ascii=False)


def configure(level: str, *, as_json: bool = False) -> None:
    """Log to stderr, unless whoever runs this program has set logging up already."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else LineFormatter())
    root.addHandler(handler)
    root.setLevel(level)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _one_line(record: logging.LogRecord) -> str:
    return record.getMessage().replace("\n", "\\n")


def _bare(value: str) -> str:
    return value if value.isprintable() and " " not in value else json.dumps(value)


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return "\n" + formatter.formatException(record.exc_info) if record.exc_info else ""
