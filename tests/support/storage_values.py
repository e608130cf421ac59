"""Requests, parts, results and answers to store, and fakes of what storage calls."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4, uuid5

from budsim.core.hardware.spec import HardwareMode
from budsim.core.predictors.protocol import Method
from budsim.core.ranking.rank import Findings, recommend
from budsim.core.ranking.recommendation import Recommendation
from budsim.core.search.direct import direct_search
from budsim.core.search.part import Blacklist, Part, PartResult, SearchSettings, SearchTask
from budsim.core.search.space import layouts_for
from budsim.core.slo import Slo
from budsim.services.ports import OutgoingMessage, StepProgress
from budsim.services.request import SimulationRequest
from tests.support.search_fakes import FakeMemory, FakePredictor, make_group, make_load, make_part


def make_request(workflow_id: UUID | None = None, **changes: object) -> SimulationRequest:
    """Return a request for 32 users with a TTFT of 0.5 s and no other SLO."""
    request = SimulationRequest(
        workflow_id=workflow_id or uuid4(),
        model_uri="org/model-8b",
        proprietary=False,
        workload=make_load(),
        slo=Slo(ttft_s=0.5),
        hardware_mode=HardwareMode.DEDICATED,
        method=Method.HEURISTIC,
        settings=SearchSettings(),
        deadline_s=60.0,
        body={"pretrained_model_uri": "org/model-8b"},
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def parts_of(workflow_id: UUID, *cluster_ids: str) -> list[Part]:
    """Return one part of the workflow on each cluster."""
    return [
        replace(
            make_part(group=make_group(cluster_id=cluster_id)),
            workflow_id=str(workflow_id),
            part_id=str(uuid5(workflow_id, cluster_id)),
        )
        for cluster_id in cluster_ids
    ]


def result_of(part: Part) -> PartResult:
    """Return what the search finds for a part."""
    return direct_search(SearchTask(part=part, layouts=layouts_for(part), blacklist=()), FakePredictor(), FakeMemory())


def answer_of(request: SimulationRequest, parts: Sequence[Part]) -> Recommendation:
    """Return the ranked answer."""
    results = [result_of(part) for part in parts]
    return recommend(Findings(workflow_id=str(request.workflow_id), slo=request.slo, parts=parts, results=results))


def message(value: str, *, headers: tuple[tuple[str, bytes], ...] = ()) -> OutgoingMessage:
    """Return a message on a topic of its own."""
    return OutgoingMessage(topic="t", key=b"k", value=value.encode(), headers=headers)


class FakeMessages:
    """Says in plain text what would be sent; storage needs these."""

    def progress(self, request: SimulationRequest, step: StepProgress, seq: int) -> Sequence[OutgoingMessage]:
        return [message(f"{seq} {step.event}")]

    def recommendation(self, recommendation: Recommendation) -> OutgoingMessage:
        return message(f"answer {recommendation.completion}")

    def cancelled(self, workflow_id: UUID) -> OutgoingMessage:
        return message("cancelled before it came")

    def deadline(self, workflow_id: UUID) -> OutgoingMessage:
        return message(f"deadline {workflow_id}")

    def blacklist(self, blacklist: Blacklist) -> OutgoingMessage:
        return message(f"{blacklist.key} v{blacklist.version} {len(blacklist.entries)}")


class FakePublisher:
    """Keeps what it is given; `gate` holds it back, `refusals` are raised for a value instead."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.refusals: dict[str, Exception] = {}
        self.headers: list[tuple[tuple[str, bytes], ...]] = []

    async def publish(self, messages: Sequence[OutgoingMessage]) -> None:
        self.entered.set()
        await self.gate.wait()
        for item in messages:
            value = (item.value or b"").decode()
            if value in self.refusals:
                raise self.refusals[value]
            self.sent.append(value)
            self.headers.append(item.headers)


class FakeClock:
    """A clock that stands."""

    def __init__(self, now_s: float) -> None:
        self.time_s = now_s

    def now_s(self) -> float:
        return self.time_s
