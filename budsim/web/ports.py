"""What the routes need, as Protocols: the stores in production, fakes in the contract tests."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID

from budsim.core.search.part import Blacklist
from budsim.services.admission import Identities, KnownWorkflows, NewWorkflows
from budsim.services.ports import FeedbackReport, OutgoingMessage, StoredCluster, WorkflowStatus
from budsim.storage.queries import BestConfiguration, ConfigurationOwner, WorkflowFilter, WorkflowSummary, WorkflowView
from budsim.storage.tokens import Token


class Workflows(NewWorkflows, Protocol):
    """Where workflows begin and are cancelled."""

    async def cancel(self, workflow_id: UUID) -> WorkflowStatus:
        """Set CANCELLED unless terminal, inserting an unknown id; return the state after it."""
        ...


class Queries(KnownWorkflows, Protocol):
    """What is read."""

    async def one(self, workflow_id: UUID) -> WorkflowView | None:
        """Return one workflow."""
        ...

    async def page(self, wanted: WorkflowFilter, *, page: int, limit: int) -> tuple[list[WorkflowSummary], int]:
        """Return a page, newest first, and how many there are."""
        ...

    async def best_of(self, workflow_ids: Sequence[UUID]) -> list[BestConfiguration]:
        """Return the first choice on each cluster of these workflows."""
        ...

    async def owner_of(self, config_id: UUID) -> ConfigurationOwner | None:
        """Return whose configuration this is."""
        ...

    async def blacklists(self, keys: Sequence[str]) -> list[Blacklist]:
        """Return the live entries of each key."""
        ...

    async def cluster_count(self) -> int:
        """Return how many clusters are known."""
        ...


class Clusters(Protocol):
    """Topologies as they were reported."""

    async def find(self, cluster_id: str) -> StoredCluster | None:
        """Return one cluster."""
        ...


class Tokens(Protocol):
    """Who may call."""

    async def find(self, secret: str) -> Token | None:
        """Return the live token of a secret."""
        ...


class Feedback(Protocol):
    """Where feedback is applied."""

    async def apply(self, report: FeedbackReport) -> UUID:
        """Apply one report and return the workflow it concerns."""
        ...


class Publisher(Protocol):
    """The way to Kafka."""

    async def publish(self, messages: Sequence[OutgoingMessage]) -> None:
        """Send and await the broker."""
        ...

    async def stop(self) -> None:
        """Close the connection."""
        ...


class News(Protocol):
    """Who tells that a workflow has ended."""

    @property
    def closed(self) -> bool:
        """Whether nobody should wait any longer."""
        ...

    def subscribed(self, workflow_id: UUID) -> AbstractContextManager[asyncio.Event]:
        """Yield an event that is set by news of the workflow, and whenever news may have been missed."""
        ...

    def close(self) -> None:
        """Send everyone home."""
        ...

    async def run(self) -> None:
        """Listen until cancelled."""
        ...


__all__ = ["Clusters", "Feedback", "Identities", "News", "Publisher", "Queries", "Tokens", "Workflows"]
