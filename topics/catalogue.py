"""Every topic: its name, its partitions and what it keeps."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SIMULATION_REQUESTS: Final = "simulation-requests.v1"
EVALUATIONS: Final = "evaluations.v1"
SEARCHES: Final = "searches.v1"
WORKFLOW_EVENTS: Final = "workflow-events.v1"
RECOMMENDATIONS: Final = "recommendations.v1"
PROGRESS: Final = "progress.v1"
FEEDBACK: Final = "feedback.v1"
BLACKLIST_UPDATES: Final = "blacklist-updates.v1"
CLUSTERS: Final = "clusters.v1"
PRICES: Final = "prices.v1"
DEAD_LETTERS: Final = "dead-letters.v1"

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
MAX_VALUE_BYTES: Final = 512 * 1024
MAX_DEAD_LETTER_BYTES: Final = 2 * 1024 * 1024
MAX_INNER_BYTES: Final = MAX_DEAD_LETTER_BYTES - 64 * 1024  # the broker's bound: what BudSim tells itself may outgrow what callers may send
INNER: Final = frozenset({EVALUATIONS, SEARCHES, WORKFLOW_EVENTS, BLACKLIST_UPDATES})


class Cleanup(StrEnum):
    """Kafka's cleanup.policy."""

    DELETE = "delete"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionCounts:
    """Partitions of the three groups of topics, and of the rest."""

    by_key: int = 12
    searches: int = 12
    workflows: int = 12
    others: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """One topic as it must exist. `retention_ms` is None where nothing is deleted."""

    name: str
    partitions: int
    cleanup: Cleanup
    retention_ms: int | None
    max_message_bytes: int


def changelog_topic(flow_or_eval_app_id: str, table: str) -> str:
    """Return the name Faust gives to a table's changelog."""
    return f"{flow_or_eval_app_id}-{table}-changelog"


def topic_specs(prefix: str, counts: PartitionCounts, changelogs: tuple[str, ...]) -> tuple[TopicSpec, ...]:
    """Return every topic under `prefix`; `changelogs` are full names partitioned like the blacklist."""
    expiring = (
        (SIMULATION_REQUESTS, counts.workflows, 7 * _DAY_MS),
        (WORKFLOW_EVENTS, counts.workflows, 7 * _DAY_MS),
        (EVALUATIONS, counts.by_key, 3 * _DAY_MS),
        (SEARCHES, counts.searches, 3 * _DAY_MS),
        (BLACKLIST_UPDATES, counts.by_key, 3 * _DAY_MS),
        (RECOMMENDATIONS, counts.workflows, 30 * _DAY_MS),
        (FEEDBACK, counts.others, 30 * _DAY_MS),
        (PROGRESS, counts.workflows, 6 * _HOUR_MS),
    )
    compacted = ((prefix + CLUSTERS, counts.others), (prefix + PRICES, counts.others), *((name, counts.by_key) for name in changelogs))
    return (
        *(_spec(prefix + name, partitions, Cleanup.DELETE, retention) for name, partitions, retention in expiring),
        *(_spec(name, partitions, Cleanup.COMPACT, None) for name, partitions in compacted),
        TopicSpec(
            name=prefix + DEAD_LETTERS,
            partitions=counts.others,
            cleanup=Cleanup.DELETE,
            retention_ms=30 * _DAY_MS,
            max_message_bytes=MAX_DEAD_LETTER_BYTES,
        ),
    )


def _spec(name: str, partitions: int, cleanup: Cleanup, retention_ms: int | None) -> TopicSpec:
    # the broker takes more than a value's limit, so that an oversized message can still be dead-lettered with its reason
    return TopicSpec(
        name=name, partitions=partitions, cleanup=cleanup, retention_ms=retention_ms, max_message_bytes=MAX_DEAD_LETTER_BYTES - 64 * 1024
    )
