"""Plan: a workflow is taken once, its events leave before its evaluations, and a cluster on its way is waited for."""

import asyncio
from dataclasses import replace

import pytest

from budsim.core.hardware.spec import Cluster, Device, Node
from budsim.core.ranking.recommendation import Failure
from budsim.core.search.part import Blacklist
from budsim.services.plan import Planner, PlanPorts
from budsim.services.ports import StoredCluster, WorkflowStatus
from budsim.services.request import SimulationRequest
from budsim.services.split import SplitPolicy
from tests.support.service_fakes import (
    FakeBlacklists,
    FakeClusters,
    FakeEnds,
    FakeModels,
    FakeOutbox,
    FakePrices,
    FakeWorkflows,
    PlainMessages,
    Workflow,
)
from tests.support.storage_values import FakeClock, make_request

OPENING = [
    "progress workflow_metadata STARTED",
    "progress validation STARTED",
    "progress eta RUNNING",
    "progress validation COMPLETED",
    "progress performance_estimation STARTED",
]
REFUSED = ["progress workflow_metadata STARTED", "progress validation STARTED", "progress validation FAILED", "recommendation failed"]
WAIT_S = 0.3


def cluster(cluster_id: str = "c1") -> StoredCluster:
    devices = (Device(name="NVIDIA-A100-SXM4-80GB", type="cuda", available_count=8, memory_bytes=80e9),)
    node = Node(id="n0", name="node-0", ready=True, devices=devices)
    return StoredCluster(cluster=Cluster(id=cluster_id, nodes=(node,)), updated_s=0.0)


class Desk:
    def __init__(self, *known: StoredCluster, cluster_wait_s: float = WAIT_S) -> None:
        self.workflows, self.blacklists, self.outbox = FakeWorkflows(), FakeBlacklists(), FakeOutbox()
        self.clusters, self.ends = FakeClusters(*known), FakeEnds()
        ports = PlanPorts(
            models=FakeModels(),
            clusters=self.clusters,
            cluster_ends=self.ends,
            workflows=self.workflows,
            blacklists=self.blacklists,
            prices=FakePrices(),
            outbox=self.outbox,
            messages=PlainMessages(),
            clock=FakeClock(0.0),
        )
        policy = SplitPolicy(images={}, usd_per_hour={}, skip_master_for_cpu=True, stale_after_s=900.0)
        self.planner = Planner(ports, policy, cluster_wait_s=cluster_wait_s)

    async def plan(self, request: SimulationRequest) -> Workflow:
        await self.planner.plan(request)
        return self.workflows.stored[request.workflow_id]

    def arrive(self, stored: StoredCluster) -> None:
        """The topic holds one record more, and plan finds it stored at its third look."""
        self.ends.ends = {0: 1}

        def put() -> None:
            self.clusters.known.append(stored)
            self.clusters.stored[0] = 0

        self.clusters.arriving = [lambda: None, lambda: None, put]


async def test_every_opening_event_stands_before_the_first_evaluation() -> None:
    workflow = await Desk(cluster()).plan(make_request())
    assert workflow.status is WorkflowStatus.RUNNING
    assert workflow.outbox[:5] == OPENING
    assert workflow.outbox[5:] == [f"evaluation {part_id}" for part_id in workflow.parts]
    assert len(workflow.parts) >= 1


async def test_a_request_that_comes_again_is_taken_once_and_its_unsent_messages_are_sent() -> None:
    desk, request = Desk(cluster()), make_request()
    first = await desk.plan(request)
    parts, outbox = dict(first.parts), list(first.outbox)
    again = await desk.plan(request)
    assert (again.parts, again.outbox) == (parts, outbox)
    assert desk.outbox.published == [str(request.workflow_id)] * 2


async def test_a_repeated_request_makes_the_same_parts_with_the_same_seeds() -> None:
    request = make_request()
    one, other = [await Desk(cluster()).plan(request) for _ in range(2)]
    assert one.parts == other.parts
    assert len({stored.part.seed for stored in one.parts.values()}) == len(one.parts)


@pytest.mark.parametrize("status", [status for status in WorkflowStatus if status is not WorkflowStatus.PENDING])
async def test_a_workflow_that_is_no_longer_pending_is_not_planned(status: WorkflowStatus) -> None:
    desk, request = Desk(cluster()), make_request()
    desk.workflows.stored[request.workflow_id] = Workflow(request=request, status=status)
    workflow = await desk.plan(request)
    assert (workflow.status, workflow.parts, workflow.outbox) == (status, {}, [])


async def test_the_version_of_postgresql_stands_on_each_part() -> None:
    desk = Desk(cluster("c1"), cluster("c2"))
    desk.blacklists.listed["c1|cuda"] = Blacklist(key="c1|cuda", version=7, entries=())
    workflow = await desk.plan(make_request())
    assert {stored.part.key: stored.part.blacklist_version for stored in workflow.parts.values()} == {"c1|cuda": 7, "c2|cuda": 0}


async def test_the_topology_that_was_used_is_stored_with_the_part() -> None:
    workflow = await Desk(cluster()).plan(make_request())
    (group,) = {stored.part.group for stored in workflow.parts.values()}
    assert [(share.node_name, share.devices) for share in group.nodes] == [("node-0", 8)]


@pytest.mark.parametrize("wanted", ["c1", None], ids=["one", "all"])
async def test_a_cluster_on_its_way_is_waited_for_before_it_is_called_unknown_and_before_all_are_taken(wanted: str | None) -> None:
    desk = Desk(cluster_wait_s=30.0)
    desk.arrive(cluster("c1"))
    workflow = await asyncio.wait_for(desk.plan(make_request(cluster_id=wanted)), 10.0)
    assert workflow.status is WorkflowStatus.RUNNING
    assert {stored.part.group.cluster_id for stored in workflow.parts.values()} == {"c1"}


async def test_a_known_cluster_is_not_waited_for() -> None:
    desk = Desk(cluster("c1"), cluster_wait_s=30.0)
    desk.ends.ends = {0: 10**6}  # the topic runs ahead of the store
    workflow = await asyncio.wait_for(desk.plan(make_request(cluster_id="c1")), 10.0)
    assert workflow.status is WorkflowStatus.RUNNING


async def test_after_the_bound_a_cluster_is_unknown_and_the_request_fails_with_a_remedy() -> None:
    desk = Desk(cluster("c2"))  # nothing is on its way: its report may still be sent
    began_s = asyncio.get_running_loop().time()
    workflow = await desk.plan(make_request(cluster_id="c1"))
    assert asyncio.get_running_loop().time() - began_s >= WAIT_S
    assert workflow.outbox == REFUSED
    assert workflow.answer is not None
    assert workflow.answer.failure is not None
    assert (workflow.answer.failure.code, workflow.answer.failure.param) == ("cluster_not_found", "cluster_id")


async def test_an_unknown_model_ends_the_workflow_once_with_reason_and_remedy() -> None:
    desk, request = Desk(cluster()), replace(make_request(), model_uri="org/none")
    for _ in range(2):
        workflow = await desk.plan(request)
    assert workflow.status is WorkflowStatus.FAILED
    assert workflow.outbox == REFUSED


async def test_a_request_that_cannot_be_read_fails_its_workflow_if_that_is_known_and_no_ended_one() -> None:
    desk, request = Desk(cluster()), make_request()
    failure = Failure(code="invalid_input", message="input_tokens = 0", remedy="send 1 or more")
    assert await desk.planner.refuse(request.workflow_id, failure) is False
    desk.workflows.stored[request.workflow_id] = workflow = Workflow(request=request)
    assert await desk.planner.refuse(request.workflow_id, failure) is True
    assert await desk.planner.refuse(request.workflow_id, failure) is True
    assert workflow.outbox == ["progress validation FAILED", "recommendation failed"]
