"""Admission: a request is taken up once, however often and wherever it is sent."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from budsim.core.errors import Conflict, TooManyWorkflows
from budsim.services.ports import OutgoingMessage, WorkflowStatus
from budsim.services.request import SimulationRequest


class Identities(Protocol):
    """Who is being taken up just now."""

    def held(self, workflow_id: UUID) -> AbstractAsyncContextManager[None]:
        """Keep every other process from looking at or taking this id meanwhile."""
        ...


class KnownWorkflows(Protocol):
    """What has been taken up."""

    async def status(self, workflow_id: UUID) -> WorkflowStatus | None:
        """Return the present state, None of an unknown workflow."""
        ...

    async def request_of(self, workflow_id: UUID) -> SimulationRequest | None:
        """Return the stored request; None where none has come."""
        ...

    async def open_count(self) -> int:
        """Return how many workflows are not terminal."""
        ...


class NewWorkflows(Protocol):
    """Where workflows begin."""

    async def insert_if_absent(self, request: SimulationRequest) -> bool:
        """Insert as PENDING; False if the id is known."""
        ...


class Sender(Protocol):
    """The way to Kafka."""

    async def publish(self, messages: list[OutgoingMessage]) -> None:
        """Send and await the broker."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionPorts:
    """What admission touches."""

    identities: Identities
    known: KnownWorkflows
    workflows: NewWorkflows
    publisher: Sender


class Admission:
    """Produces the request, awaits the broker, then inserts PENDING if plan was not faster."""

    def __init__(self, ports: AdmissionPorts, *, limit: int) -> None:
        self._ports = ports
        self._limit = limit

    async def start(self, request: SimulationRequest, message: OutgoingMessage) -> WorkflowStatus:
        """Start a workflow whose id nobody can have used yet.

        Raises:
            TooManyWorkflows: The limit of open workflows is reached.
            Unavailable: Kafka or PostgreSQL is away; the same request may be sent again.
        """
        if await self._ports.known.open_count() >= self._limit:
            raise TooManyWorkflows(
                f"{self._limit} workflows are open, as many as are taken", remedy="try again when some have ended, or raise the limit"
            )
        await self._ports.publisher.publish([message])
        await self._ports.workflows.insert_if_absent(request)
        return WorkflowStatus.PENDING

    async def start_once(self, request: SimulationRequest, message: OutgoingMessage) -> WorkflowStatus:
        """Start a workflow under an id of the caller's, or return the state of the first one.

        Raises:
            Conflict: The id stands for another request.
        """
        async with self._ports.identities.held(request.workflow_id):
            status = await self._ports.known.status(request.workflow_id)
            if status is None:
                return await self.start(request, message)
            first = await self._ports.known.request_of(request.workflow_id)
            if first is not None and not _same(first, request):
                raise Conflict(
                    f"workflow_id {request.workflow_id} stands for another request",
                    param="workflow_id",
                    remedy="use a new Idempotency-Key or workflow_id for a new request",
                )
            return status


def _same(first: SimulationRequest, second: SimulationRequest) -> bool:
    """Whether two bodies ask the same; the id may stand in the body or in a header."""
    return first.clusters == second.clusters and _asked(first.body) == _asked(second.body)


def _asked(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "workflow_id"}
