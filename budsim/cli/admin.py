"""Commands for whoever runs BudSim: topics, schema, dead letters, settings, doctor."""

import asyncio
import importlib.util
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import budsim
from budsim.adapters.topic_admin import TopicAdmin
from budsim.app import topic_specs
from budsim.cli.kafka import read_all
from budsim.config import Settings, load_settings, settings_markdown
from budsim.core.errors import BudSimError, InvalidInput
from budsim.core.model.catalogue import catalogue as model_catalogue
from budsim.storage import migrate
from budsim.stream.dead_letters import DeadLetter
from budsim.stream.producer import KafkaPublisher
from topics import catalogue

topics, database, dlq = typer.Typer(), typer.Typer(), typer.Typer()
console = Console()
TOP_LEVEL = ("agents", "topics", "tables")


def topic_admin(settings: Settings) -> TopicAdmin:
    """Return the administration of topics."""
    return TopicAdmin(settings.kafka, replication=settings.replication_factor, min_in_sync=settings.min_insync_replicas)


@topics.command("apply")
def apply_topics() -> None:
    """Create missing topics and say what differs; calling again changes nothing."""
    settings = load_settings()
    _show_topics(asyncio.run(topic_admin(settings).apply(topic_specs(settings))))


@topics.command("list")
def list_topics() -> None:
    """Compare the topics that exist with those that should."""
    settings = load_settings()
    _show_topics(asyncio.run(topic_admin(settings).list(topic_specs(settings))))


def _show_topics(states: Sequence[Any]) -> None:
    table = Table("topic", "partitions", "state")
    for state in states:
        table.add_row(state.name, str(state.partitions), state.state)
    console.print(table)
    if any(state.state not in ("ok", "created") for state in states):
        raise typer.Exit(1)


@database.command()
def upgrade(revision: str = "head") -> None:
    """Migrate up, to the newest revision or the one named."""
    asyncio.run(migrate.upgrade(load_settings().database_url, revision))


@database.command()
def downgrade(revision: str = "base") -> None:
    """Migrate down; «base» removes every table."""
    asyncio.run(migrate.downgrade(load_settings().database_url, revision))


@database.command()
def current() -> None:
    """Show the revision the database is at."""
    console.print(asyncio.run(migrate.current(load_settings().database_url)) or "empty")


async def _dead_letters(settings: Settings) -> list[DeadLetter]:
    return [DeadLetter.from_record(record) for record in await read_all(settings.kafka, settings.topic_prefix + catalogue.DEAD_LETTERS)]


@dlq.command("list")
def list_dead_letters() -> None:
    """List the dead letters with their reasons."""
    table = Table("place", "agent", "from", "attempts", "reason")
    for letter in asyncio.run(_dead_letters(load_settings())):
        source = f"{letter.topic}/{letter.partition}@{letter.offset}"
        table.add_row(_place(letter), letter.agent, source, str(letter.attempts), letter.reason[:200])
    console.print(table)


@dlq.command()
def show(place: Annotated[str, typer.Argument(help="partition@offset, as `dlq list` shows it")]) -> None:
    """Show one dead letter whole."""
    letter = _find(asyncio.run(_dead_letters(load_settings())), place)
    console.print_json(
        data={
            "topic": letter.topic,
            "agent": letter.agent,
            "error": letter.error,
            "reason": letter.reason,
            "key": (letter.record.key or b"").decode("utf-8", "replace"),
            "value": (letter.record.value or b"").decode("utf-8", "replace"),
            "headers": {name: value.decode("utf-8", "replace") for name, value in letter.record.headers},
        }
    )


@dlq.command()
def replay(place: Annotated[str, typer.Argument(help="partition@offset, or «all»")]) -> None:
    """Send a dead letter to its topic again."""
    settings = load_settings()

    async def send() -> int:
        letters = await _dead_letters(settings)
        chosen = letters if place == "all" else [_find(letters, place)]
        publisher = KafkaPublisher(settings.kafka)
        try:
            await publisher.publish([letter.replay() for letter in chosen])
        finally:
            await publisher.stop()
        return len(chosen)

    console.print(f"{asyncio.run(send())} sent again")


def _place(letter: DeadLetter) -> str:
    return f"{letter.record.partition}@{letter.record.offset}"


def _find(letters: list[DeadLetter], place: str) -> DeadLetter:
    for letter in letters:
        if _place(letter) == place:
            return letter
    raise InvalidInput(f"there is no dead letter at {place}", remedy="see: budsim dlq list")


def settings(write: Annotated[Path | None, typer.Option(help="File to write")] = None) -> None:
    """Show every setting, as docs/how-to/settings.md has them."""
    text = settings_markdown()
    if write is None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    else:
        write.write_text(text, encoding="utf-8")


def doctor() -> None:
    """Check settings, Kafka, topics, PostgreSQL, migrations, models and package names; exit 1 when something is wrong."""
    checks = asyncio.run(_checks())
    table = Table("check", "state", "found")
    for name, good, found in checks:
        table.add_row(name, "[green]ok[/]" if good else "[red]wrong[/]", found)
    console.print(table)
    if not all(good for _, good, _ in checks):
        raise typer.Exit(1)


async def _checks() -> list[tuple[str, bool, str]]:
    try:
        settings = load_settings()
    except BudSimError as error:
        return [("settings", False, str(error))]
    found = [("settings", True, f"prefix {settings.topic_prefix}")]
    found.append(await _check("kafka and topics", _topics_found(settings)))
    found.append(await _check("postgresql and migrations", _revision_found(settings)))
    found.append(("models", True, f"{len(model_catalogue())} catalogued; registry {settings.model_registry_dir}"))
    found += [_own_package(name) for name in TOP_LEVEL]
    return found


async def _check(name: str, work: Awaitable[tuple[bool, str]]) -> tuple[str, bool, str]:
    try:
        return (name, *(await work))
    except BudSimError as error:
        return name, False, str(error)


async def _topics_found(settings: Settings) -> tuple[bool, str]:
    states = await topic_admin(settings).list(topic_specs(settings))
    wrong = [f"{state.name}: {state.state}" for state in states if state.state != "ok"]
    return not wrong, "; ".join(wrong) or f"{len(states)} topics"


async def _revision_found(settings: Settings) -> tuple[bool, str]:
    revision = await migrate.current(settings.database_url)
    return revision == migrate.head(), f"at {revision or 'nothing'}, newest {migrate.head()}"


def _own_package(name: str) -> tuple[str, bool, str]:
    """Another installed package of the same name would shadow ours."""
    spec = importlib.util.find_spec(name)
    folder = Path(spec.origin).parent if spec and spec.origin else None
    ours = Path(budsim.__file__).parent.parent / name
    return f"package {name}", folder == ours, "ours" if folder == ours else f"{folder} shadows ours"
