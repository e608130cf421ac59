"""Every command's place and line. Only what is called is imported: `--help` needs none of them, a worker none but its own."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS: Final = {
    "request": (
        "ask:request",
        "Send a simulation request as a Kafka event; with --wait or --json, follow it to its answer. A failed answer is exit code 1.",
    ),
    "feedback": ("ask:feedback", "Tell what became of a recommended configuration; with --wait, return when it counts."),
    "simulate": (
        "simulate:simulate",
        "Answer in this process: the same services, no Kafka, no PostgreSQL. A failed answer is exit code 1.",
    ),
    "memory": (
        "memory:memory",
        "Tell where the bytes of one device go when an engine starts a model on it; exit 1 when it does not fit.",
    ),
    "up": (
        "servers:up",
        "Start everything on this machine: Kafka, PostgreSQL, workers, web. Ctrl-C ends all; a second start keeps the data.",
    ),
    "web": ("workers:web", "Run the HTTP API and the page, until SIGTERM or Ctrl-C."),
    "demo": ("servers:demo", "Run a real request end to end on a real Kafka and PostgreSQL, then feedback, then the request again."),
    "doctor": (
        "doctor:doctor",
        "Check settings, Kafka, topics, PostgreSQL, migrations, models and package names; exit 1 when something is wrong.",
    ),
    "settings": ("admin:settings", "Show every setting, as docs/how-to/settings.md has them."),
    "accuracy": ("accuracy:accuracy", "Predict every measured row and say how far off that is. Nothing is fitted."),
    "calibrate": (
        "accuracy:calibrate",
        "Fit the constants of the latency model to kernel timings and measured runs, and write them as the core loads them.",
    ),
    "train": ("train:train", "Train the regressor on measured rows, score it on rows it never saw, and write models and cards."),
    "topics": ("admin:topics", "Kafka topics"),
    "db": ("database:database", "PostgreSQL schema"),
    "token": ("tokens:token", "API tokens"),
    "dlq": ("dead_letters:dlq", "Dead letters"),
    "clusters": ("clusters:clusters", "Cluster topologies"),
    "schemas": ("schemas:schemas", "JSON Schemas and AsyncAPI document of the messages"),
    "worker": ("workers:worker", "Stream workers"),
    "models": ("models:models", "Sets of trained models"),
}


@contextmanager
def nothing_to_collect() -> Iterator[None]:
    """Import without garbage collection, a fifth of the time; modules stay, so that later collections need not look at them either."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def load(name: str) -> Any:
    """Import a command, or a group of them, and return it as the parser takes it."""
    place, line = COMMANDS[name]
    with nothing_to_collect():
        found = resolve_name(f"budsim.cli.{place}")
    around = typer.Typer()
    if isinstance(found, typer.Typer):
        around.add_typer(found, name=name, help=line, no_args_is_help=True)
    else:
        around.command(name)(found)
    return typer.main.get_group(around).commands[name]


class OnDemand(TyperGroup):
    """Shows the lines, and loads the command that is called."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {name: TyperCommand(name=name, help=line) for name, (_, line) in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put the command in the place of its line before the parser asks for it."""
        if args[0] in COMMANDS:
            self.commands[args[0]] = load(args[0])
        return super().resolve_command(ctx, args)
