"""An answer as tables for a person."""

from rich.console import Console
from rich.table import Table

from topics.recommendations import ConfigurationBody, RecommendationBody, RecommendationMade

SHOWN = 5


def recommendation_tables(console: Console, answer: RecommendationMade) -> None:
    """Print clusters ranked, their configurations, and what was rejected."""
    if answer.error is not None:
        console.print("[red]failed[/]: ", end="")
        console.print(answer.error.message, markup=False, highlight=False)
        console.print(f"remedy: {answer.error.remedy}", markup=False, highlight=False)
    for rank, item in enumerate(answer.recommendations, 1):
        _cluster(console, rank, item)
    for rejected in answer.rejected:
        where = " ".join(part for part in (rejected.cluster_id, rejected.device_type, rejected.engine) if part)
        console.print(f"rejected {where}: {rejected.reason} {rejected.remedy}".rstrip(), markup=False, highlight=False)
    for missing in answer.missing:
        console.print(f"missing {missing.cluster_id} {missing.device_type} {missing.engine}: not in before the deadline", markup=False)


def _cluster(console: Console, rank: int, item: RecommendationBody) -> None:
    table = Table(title=f"{rank}. {item.cluster_id}: {item.explanation}", title_justify="left")
    for name in ("engine", "device", "TP×PP", "replicas", "users each", "TTFT ms", "tokens/s/user", "E2E s", "$/10⁶", "SLO", "config_id"):
        table.add_column(name, no_wrap=name == "config_id")
    for body in item.configurations[:SHOWN]:
        table.add_row(*_row(body))
    console.print(table)
    if len(item.deployed_config_ids) > 1:
        console.print(f"deploy together: {', '.join(item.deployed_config_ids)}", highlight=False)
    for change in item.changes:
        console.print(f"would meet the SLOs: {change.sentence}", markup=False, highlight=False)
    if item.excluded_config_ids:
        console.print(f"left out after feedback: {', '.join(item.excluded_config_ids)}", highlight=False)


def _row(body: ConfigurationBody) -> tuple[str, ...]:
    return (
        body.engine,
        body.device_name,
        f"{body.tp_size}×{body.pp_size}",
        str(body.replicas),
        str(body.concurrency),
        f"{body.ttft:.0f}",
        f"{body.throughput_per_user:.1f}",
        f"{body.e2e_latency:.2f}",
        f"{body.cost_per_million_tokens:.2f}",
        "met" if body.meets_slo else "missed",
        body.config_id,
    )
