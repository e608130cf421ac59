"""Commands for whoever runs BudSim: topics, settings."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from budsim.adapters.topic_admin import TopicAdmin
from budsim.app import topic_specs
from budsim.config import Settings, load_settings, settings_markdown

topics = typer.Typer()
console = Console()


def topic_admin(settings: Settings) -> TopicAdmin:
    """Return the administration of topics."""
    return TopicAdmin(settings.kafka, replication=settings.replication_factor, min_in_sync=settings.min_insync_replicas)


@topics.command("apply")
def apply_topics() -> None:
    """Create missing topics and say what differs; calling again changes nothing.

    Example: budsim topics apply
    """
    settings = load_settings()
    _show_topics(asyncio.run(topic_admin(settings).apply(topic_specs(settings))))


@topics.command("list")
def list_topics() -> None:
    """Compare the topics that exist with those that should; exit 1 when they differ.

    Example: budsim topics list
    """
    settings = load_settings()
    _show_topics(asyncio.run(topic_admin(settings).list(topic_specs(settings))))


def _show_topics(states: Sequence[Any]) -> None:
    table = Table("topic", "partitions", "state")
    for state in states:
        table.add_row(state.name, str(state.partitions), state.state)
    console.print(table)
    if any(state.state not in ("ok", "created") for state in states):
        raise typer.Exit(1)


def settings(write: Annotated[Path | None, typer.Option(help="File to write")] = None) -> None:
    """Show every setting, as docs/how-to/settings.md has them.

    Example: budsim settings
    """
    text = settings_markdown()
    if write is None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    else:
        write.write_text(text, encoding="utf-8")
