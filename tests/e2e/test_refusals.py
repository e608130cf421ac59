"""What cannot be done says why and what would do; what is only late is waited for."""

import asyncio
import re
from typing import Any

import pytest

from budsim.cli.simulate import answer_here
from budsim.config import Settings, load_settings
from budsim.services.ports import OutgoingMessage
from tests.support.in_process import InProcess
from tests.support.stack import example_request
from topics import catalogue
from topics.clusters import ClusterUpdated
from topics.recommendations import RecommendationMade

LATE_S = 5.0
WAIT_S = 10.0


def cluster(*, count: int = 2, memory_gb: float = 48, name: str = "NVIDIA-L40S") -> ClusterUpdated:
    device = {"name": name, "type": "cuda", "available_count": count, "mem_per_GPU_in_GB": memory_gb}
    return ClusterUpdated.model_validate({"id": "small", "nodes": [{"id": "n1", "name": "node-1", "status": True, "devices": [device]}]})


async def ask(topology: ClusterUpdated, **changes: Any) -> RecommendationMade:
    settings: Settings = load_settings(hub_enabled=False)
    return await answer_here(settings, example_request(**{"concurrency": 1, "target_ttft": None} | changes), [topology])


LONG = {"pretrained_model_uri": "meta-llama/Llama-3.1-8B-Instruct", "input_tokens": 100_000, "output_tokens": 1000}
WIDE = {"pretrained_model_uri": "meta-llama/Llama-3.1-70B-Instruct", "input_tokens": 1024, "output_tokens": 256}


@pytest.mark.parametrize(
    ("request_", "topology"),
    [
        (LONG, cluster(count=1, memory_gb=24, name="NVIDIA-L4")),
        (WIDE, cluster()),
        (WIDE, cluster(count=1)),
        ({"pretrained_model_uri": "deepseek-ai/DeepSeek-V3"}, cluster(count=8)),
    ],
)
async def test_each_change_that_a_refusal_for_memory_names_really_fits(request_: dict[str, Any], topology: ClusterUpdated) -> None:
    refused = await ask(topology, **request_)
    assert refused.status == "failed"
    assert refused.error is not None
    assert refused.error.code == "does_not_fit"
    tried = 0
    for engine_refusal in (item for item in refused.rejected if item.code == "does_not_fit"):
        engine = {"engines": [engine_refusal.engine]}
        for change, on in proposals(engine_refusal.remedy, topology):
            answer = await ask(on, **request_ | engine | change)
            assert answer.error is None or answer.error.code != "does_not_fit", (engine_refusal.remedy, answer.error)
            tried += 1
    assert tried


def proposals(remedy: str, topology: ClusterUpdated) -> list[tuple[dict[str, Any], ClusterUpdated]]:
    """Return what a remedy proposes, as changes of the request and of the cluster."""
    device = topology.nodes[0].devices[0]
    found: list[tuple[dict[str, Any], ClusterUpdated]] = []
    if shorter := re.search(r"ask for (\d+) input \+ (\d+) output tokens", remedy):
        found.append(({"input_tokens": int(shorter[1]), "output_tokens": int(shorter[2])}, topology))
    if format_ := re.search(r"quantise the weights to (\w+)", remedy):
        found.append(({"is_quantization": True, "quantization_type": format_[1]}, topology))
    if more := re.search(r"offer (\d+) × .+? free on one node", remedy):
        found.append(({}, cluster(count=int(more[1]), memory_gb=device.mem_per_GPU_in_GB or 0, name=device.name)))
    if larger := re.search(r"use devices of (\d+) GB", remedy):
        figures = {"hbm_bandwidth_in_GB_per_sec": 2000, "peak_fp16_TFLOPS": 300}
        bigger = topology.nodes[0].devices[0].model_copy(update={"mem_per_GPU_in_GB": float(larger[1]), "name": "bigger", **figures})
        node = topology.nodes[0].model_copy(update={"devices": [bigger]})
        found.append(({}, topology.model_copy(update={"nodes": [node]})))
    return found


async def test_an_unknown_cluster_is_waited_for_and_answered_when_its_report_comes(services: InProcess) -> None:
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    asked = await services.ask(example_request(cluster_id="small"))
    # its report comes while plan waits; the services in process read one message at a time, so the store is told directly
    late = asyncio.create_task(_reported_late(services))
    answer = await services.answer_of(asked)
    await late
    assert answer.status == "completed"
    assert LATE_S <= loop.time() - started_s < LATE_S + WAIT_S


async def _reported_late(services: InProcess) -> None:
    from budsim.adapters.wire.clusters import cluster_from_body

    await asyncio.sleep(LATE_S)  # the lateness itself
    await services.stores.clusters.put(cluster_from_body(cluster(count=8)), updated_s=services.stores.clock.now_s(), partition=0, offset=0)


async def test_a_cluster_nobody_reports_is_unknown_after_ten_seconds(services: InProcess) -> None:
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    answer = await services.answer(example_request(cluster_id="nowhere"))
    assert loop.time() - started_s >= WAIT_S
    assert answer.error is not None
    assert (answer.error.code, answer.error.param) == ("cluster_not_found", "cluster_id")
    assert "budsim clusters apply" in answer.error.remedy


async def test_a_cluster_without_devices_and_a_device_nobody_knows_are_rejected_beside_the_answer(services: InProcess) -> None:
    empty = {"id": "empty", "nodes": []}
    strange = cluster(name="Frobnicator 9000", count=8).model_dump() | {"id": "strange"}
    event = example_request(clusters=[empty, strange, cluster(count=8).model_dump()])
    answer = await services.answer(event)
    assert answer.status == "completed"
    assert [item.cluster_id for item in answer.recommendations] == ["small"]
    reasons = {item.cluster_id: item.reason + item.remedy for item in answer.rejected if item.cluster_id != "small"}
    assert set(reasons) == {"empty", "strange"}
    unknown = next(item.reason for item in answer.rejected if item.cluster_id == "strange")
    assert "Frobnicator 9000" in unknown


async def test_two_thousand_nodes_left_out_for_one_reason_are_one_rejection(services: InProcess) -> None:
    down = [{"id": f"n{number}", "name": f"n{number}", "status": False} for number in range(2000)]
    answer = await services.answer(example_request(clusters=[{"id": "down", "nodes": down}]))
    assert answer.status == "failed"
    assert "n0 and 1999 more" in answer.rejected[0].reason
    assert len(answer.rejected) == 2


async def test_a_request_without_a_key_is_answered(on_a100: InProcess) -> None:
    services = on_a100
    value = example_request().model_dump_json(exclude_none=True).encode()
    topic = services.settings.topic_prefix + catalogue.SIMULATION_REQUESTS
    await services.stores.publisher.publish([OutgoingMessage(topic=topic, key=None, value=value)])
    await services.until(lambda: services.read.get(catalogue.RECOMMENDATIONS))
    (record,) = services.read[catalogue.RECOMMENDATIONS]
    assert RecommendationMade.model_validate_json(record.value or b"").status == "completed"


async def test_a_cluster_sent_twice_in_one_request_is_refused_by_name(services: InProcess) -> None:
    twice = [cluster().model_dump(), cluster().model_dump()]
    answer = await services.answer(example_request(clusters=twice))
    assert answer.error is not None
    assert (answer.status, answer.error.code, answer.error.param) == ("failed", "invalid_input", "clusters")
    assert "'small'" in answer.error.message
