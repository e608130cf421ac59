"""`budsim dlq`: what could not be answered, why, and a second chance for it."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from budsim.cli.ask import send
from budsim.cli.kafka import read_all
from budsim.cli.output import AsJson, print_json, wide_console
from budsim.config import Settings, load_settings
from budsim.core.errors import InvalidInput
from budsim.stream.dead_letters import DeadLetter
from topics import catalogue

dlq = typer.Typer()
console = wide_console()
SHOWN_REASON = 200  # characters of a reason in the list
ALL = "all"


@dlq.command("list")
def list_dead_letters(
    limit: Annotated[int, typer.Option(help="How many of the newest", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest dead letters with their reasons, the newest last.

    Example: budsim dlq list --limit 10
    """
    letters = asyncio.run(_dead_letters(load_settings()))
    if as_json:
        print_json([_summary(letter) for letter in letters[-limit:]])
        return
    table = Table("place", "at", "agent", "from", "attempts", "reason")
    for row in map(_summary, letters[-limit:]):
        table.add_row(row["place"], row["at"], row["agent"], row["from"], str(row["attempts"]), row["reason"][:SHOWN_REASON])
    console.print(table, markup=False)
    if len(letters) > limit:
        console.print(f"the newest {limit} of {len(letters)}")


@dlq.command()
def show(place: Annotated[str, typer.Argument(help="partition@offset, as `budsim dlq list` shows it")]) -> None:
    """Show one dead letter whole, as JSON: why, where from, key, value and headers.

    Example: budsim dlq show 0@12
    """
    letter = _find(asyncio.run(_dead_letters(load_settings())), place)
    record = letter.record
    content = {
        "key": None if record.key is None else _text(record.key),
        "value": None if record.value is None else _text(record.value),
        "headers": [[name, _text(value)] for name, value in record.headers],
    }
    print_json(_summary(letter) | {"error": letter.error} | content)


@dlq.command()
def replay(
    place: Annotated[str, typer.Argument(help="partition@offset, as `budsim dlq list` shows it, or all")],
) -> None:
    """Send a dead letter to the topic it came from, with the key, value and headers it had. It stays in the list.

    Example: budsim dlq replay 0@12
    """
    settings = load_settings()
    letters = asyncio.run(_dead_letters(settings))
    chosen = [letter for letter in letters if letter.topic] if place == ALL else [_find(letters, place)]
    for letter in chosen:
        if not letter.topic:
            raise InvalidInput(
                f"the dead letter {_place(letter)} does not say which topic it came from", remedy=f"see: budsim dlq show {_place(letter)}"
            )
    asyncio.run(send(settings, [letter.replay() for letter in chosen]))
    console.print(f"{len(chosen)} sent again")


async def _dead_letters(settings: Settings) -> list[DeadLetter]:
    letters = [DeadLetter.from_record(record) for record in await read_all(settings.kafka, settings.topic_prefix + catalogue.DEAD_LETTERS)]
    return sorted(letters, key=lambda letter: letter.record.timestamp_s)


def _summary(letter: DeadLetter) -> dict[str, Any]:
    return {
        "place": _place(letter),
        "at": datetime.fromtimestamp(letter.at_s or letter.record.timestamp_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "agent": letter.agent,
        "from": f"{letter.topic}/{letter.partition}@{letter.offset}",
        "attempts": letter.attempts,
        "reason": letter.reason,
    }


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _place(letter: DeadLetter) -> str:
    return f"{letter.record.partition}@{letter.record.offset}"


def _find(letters: list[DeadLetter], place: str) -> DeadLetter:
    for letter in letters:
        if _place(letter) == place:
            return letter
    raise InvalidInput(f"there is no dead letter at {place!r}", remedy="see: budsim dlq list")
