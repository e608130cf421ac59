"""`budsim`: every command; exit codes: 0 done, 1 the answer is a failure, 2 wrong use, 3 a dependency is away."""

import sys

import typer
from rich.console import Console

from budsim.cli import admin, ask, clusters, schemas, servers, tokens
from budsim.core.errors import BudSimError, Unavailable

app = typer.Typer(
    help="How should this model be deployed on these clusters, for this load and these SLOs?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group, name, text in (
    (admin.topics, "topics", "Kafka topics"),
    (admin.database, "db", "PostgreSQL schema"),
    (tokens.token, "token", "API tokens"),
    (admin.dlq, "dlq", "Dead letters"),
    (clusters.clusters, "clusters", "Cluster topologies"),
    (schemas.schemas, "schemas", "JSON Schemas and AsyncAPI document of the messages"),
    (servers.worker, "worker", "Stream workers"),
):
    app.add_typer(group, name=name, help=text, no_args_is_help=True)
for command in (ask.request, ask.feedback, ask.simulate, servers.up, servers.web, servers.demo, admin.doctor, admin.settings):
    app.command()(command)


def main() -> None:
    """Run a command; errors are one line, never a traceback."""
    try:
        app()
    except Unavailable as error:
        _complain(error)
        sys.exit(3)
    except BudSimError as error:
        _complain(error)
        sys.exit(2)


def _complain(error: BudSimError) -> None:
    Console(stderr=True, soft_wrap=True).print(f"budsim: {error}", markup=False, highlight=False)
