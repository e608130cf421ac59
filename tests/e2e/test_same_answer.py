"""`budsim simulate` and the stream are the same services: they give the same answer."""

import json
from typing import Any
from uuid import uuid4

import pytest

from budsim.cli.simulate import answer_here
from tests.support.in_process import InProcess
from tests.support.stack import EXAMPLES, example_request
from topics.clusters import ClusterUpdated
from topics.recommendations import RecommendationMade

CLUSTERS = [ClusterUpdated.model_validate_json((EXAMPLES / name).read_bytes()) for name in ("cluster-a100.json", "cluster-l40s.json")]


def node(node_id: str, **figures: Any) -> dict[str, Any]:
    device = {"name": "NVIDIA-L40S", "type": "cuda", "mem_per_GPU_in_GB": 48} | figures
    return {"id": node_id, "name": node_id, "status": True, "devices": [device]}


SMALL = [{"id": f"small-{number}", "nodes": [node("n1", available_count=2)]} for number in range(3)]
SHARED = [{"id": "shared", "nodes": [node("n1", memory_allocated_gb=10), node("n2", memory_allocated_gb=40)]}]
A100 = {"name": "NVIDIA-A100-SXM4-80GB", "mem_per_GPU_in_GB": 80}
MIXED = [{"id": "mixed", "nodes": [node("n1", available_count=1), node("n2", available_count=1, **A100)]}]
NO_SLO = {"target_ttft": None, "target_e2e_latency": None, "target_throughput_per_user": None}
ODD = [{"id": "empty", "nodes": []}, {"id": "unknown", "nodes": [node("n1", name="no such device", mem_per_GPU_in_GB=None)]}]


def comparable(answer: RecommendationMade) -> dict[str, Any]:
    """Everything but when it was given."""
    found: dict[str, Any] = json.loads(answer.model_dump_json(exclude={"created"}))
    for item in found["recommendations"]:
        item.pop("data_version")  # of the plan; told on the stream only
    return found


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "completed"),
        ({"is_quantization": True, "quantization_type": "INT4", "concurrency": 40}, "completed"),
        ({"hardware_mode": "shared", "clusters": SHARED, "concurrency": 4}, "completed"),
        ({"clusters": [CLUSTERS[0].model_dump()], "cluster_id": "a100-cluster"}, "completed"),
        ({"concurrency": None, "request_rate": 3.5}, "completed"),
        (
            {"clusters": SMALL, "concurrency": 600, "spread": True, **NO_SLO},
            "completed",
        ),
        ({"clusters": MIXED, "concurrency": 350, **NO_SLO}, "completed"),
        ({"target_ttft": 100}, "completed"),
        ({"simulation_method": "regressor", "seed": 7, "engines": ["vllm", "sglang"]}, "completed"),
        ({"pretrained_model_uri": "deepseek-ai/DeepSeek-V3"}, "failed"),
        ({"pretrained_model_uri": "nobody/knows-this"}, "failed"),
        ({"clusters": ODD}, "failed"),
        ({"clusters": SMALL, "cluster_id": "elsewhere"}, "failed"),
        ({"clusters": [*SMALL, *ODD], "concurrency": 8}, "completed"),
    ],
)
async def test_in_process_and_over_the_stream_the_answer_is_the_same(services: InProcess, changes: dict[str, Any], status: str) -> None:
    await services.know(*CLUSTERS)
    event = example_request(workflow_id=str(uuid4()), **changes)
    streamed = await services.answer(event)
    assert streamed.status == status
    assert comparable(await answer_here(services.settings, event, CLUSTERS)) == comparable(streamed)
    if changes.get("spread"):
        assert len(streamed.recommendations) > 1
    if changes.get("clusters") is MIXED:
        assert len(streamed.recommendations[0].deployed_config_ids) == 2
    if changes.get("target_ttft") == 100:
        assert all(change.judged_by == "prediction" for item in streamed.recommendations for change in item.changes)
        assert all(item.changes for item in streamed.recommendations)
