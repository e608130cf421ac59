"""The way of a part on the real memory model, predictor and catalogues: narrow, search, recommend."""

from dataclasses import replace

import pytest

from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.spec import HardwareMode
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.catalogue import catalogue_model
from budsim.core.model.quantize import quantize
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.predictors.protocol import Method
from budsim.core.ranking.rank import Findings, recommend
from budsim.core.ranking.recommendation import Completion
from budsim.core.search.choice import Predictors
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import PartStatus, SearchTask
from budsim.core.search.run import search
from budsim.core.slo import Slo
from tests.support.search_fakes import as_out_of_memory, make_engine, make_entry, make_group, make_load, make_part

MEMORY = AnalyticMemory()
PREDICTORS = Predictors(heuristic=HeuristicPredictor(memory=MEMORY))
SLO = Slo(ttft_s=1.0, e2e_s=20.0, throughput_per_user=20.0)


def part_on(cluster_id, device, nodes, *, model="meta-llama/Llama-3.1-8B", users=100, engine=EngineKind.VLLM, slo=SLO, memory_bytes=None):
    accelerator, shape = catalogue()[device], catalogue_model(model)
    assert shape is not None
    group = make_group(cluster_id=cluster_id, nodes=nodes, device_type=accelerator.device_type)
    group = replace(group, accelerator=accelerator, device_name=device, memory_bytes=memory_bytes or accelerator.memory_bytes)
    load = make_load(concurrency=users, output_tokens=512)
    part = make_part(group=group, engine=make_engine(engine), load=load, slo=slo)
    return replace(part, model=shape, requested_method=Method.REGRESSOR)


def answered(part, *entries):
    narrowed = narrow(part, entries, AnalyticMemory(), now_s=0.0)
    return search(narrowed, PREDICTORS, MEMORY) if isinstance(narrowed, SearchTask) else narrowed


def test_two_clusters_are_ranked_for_an_8b_model():
    parts = [part_on("a100", "A100-SXM-80GB", (8,)), part_on("l40s", "L40S-48GB", (4, 4))]
    answer = recommend(Findings(workflow_id="w", slo=SLO, parts=parts, results=[answered(part) for part in parts]))
    assert answer.completion is Completion.COMPLETED
    assert {item.cluster_id for item in answer.clusters} == {"a100", "l40s"}
    for cluster in answer.clusters:
        assert "no regressor is there for vllm on cuda: answered by heuristic" in cluster.warnings
        for item in cluster.configurations:
            found = item.configuration
            assert item.replicas * found.candidate.concurrency >= 100
            assert found.ttft_s < found.e2e_s
            # no device reads its share of the weights more often than its bandwidth allows
            assert (
                found.tpot_s * item.part.group.accelerator.bandwidth_bytes_per_s
                > found.memory.weights_bytes / found.candidate.pipeline_parallel
            )


def test_a_70b_model_does_not_fit_one_l40s_and_the_changes_named_do_fit():
    part = part_on("c", "L40S-48GB", (1,), model="meta-llama/Llama-3.1-70B", users=4, slo=Slo())
    refused = answered(part)
    # 70.6 · 10⁹ weights of 2 bytes = 141 GB; 4 devices: 35 GB each of 43.5 usable
    assert refused.status is PartStatus.INFEASIBLE
    assert "(weights 141.1 GB)" in refused.reason
    assert "quantise the weights to int4" in refused.remedy
    assert "offer 4 × L40S-48GB free on one node" in refused.remedy
    followed = (
        replace(part, model=quantize(part.model, "int4")),
        replace(part, group=replace(part.group, nodes=make_group(nodes=(4,)).nodes)),
    )
    assert [answered(changed).status for changed in followed] == [PartStatus.FOUND, PartStatus.FOUND]
    assert answered(replace(part, model=quantize(part.model, "fp8"))).status is PartStatus.INFEASIBLE  # 70 GB of 43.5: rightly not named


def test_feedback_on_the_best_changes_the_next_answer_and_says_so():
    part = part_on("c", "A100-SXM-80GB", (8,))
    best = answered(part).configurations[0]
    entry = as_out_of_memory(
        make_entry(
            part,
            tensor_parallel=best.candidate.tensor_parallel,
            pipeline_parallel=best.candidate.pipeline_parallel,
            memory_bytes=best.memory.total_bytes,
        )
    )
    after = answered(part, entry)
    assert after.excluded == (entry.config_id,)
    assert best.config_id not in {item.config_id for item in after.configurations + after.pareto}
    assert all(item.memory.total_bytes < best.memory.total_bytes for item in after.configurations + after.pareto)


def test_a_slice_of_a_shared_device_is_judged_by_what_it_offers():
    part = part_on("c", "A100-SXM-80GB", (2,), users=8, memory_bytes=30e9)
    part = replace(part, group=replace(part.group, mode=HardwareMode.SHARED))
    for item in answered(part).configurations:
        assert (item.candidate.tensor_parallel, item.candidate.pipeline_parallel) == (1, 1)
        assert item.memory.total_bytes < 30e9
        assert item.memory.gpu_memory_utilization * part.group.accelerator.memory_bytes <= 30e9


def test_a_cpu_whose_memory_the_cluster_sent_is_judged():
    name = next(name for name, device in catalogue().items() if device.device_type == "cpu")
    result = answered(part_on("c", name, (2,), users=1, slo=Slo(), memory_bytes=256e9))
    assert result.status is PartStatus.FOUND
    assert all(item.candidate.pipeline_parallel == 1 for item in result.configurations)


@pytest.mark.parametrize("users", [1, 7, 64, 5000])
def test_more_users_never_cost_more_per_token_on_a_large_cluster(users):
    few, more = (answered(part_on("c", "A100-SXM-80GB", (8,) * 32, users=count, slo=Slo())) for count in (users, 2 * users))
    assert more.configurations[0].cost_per_million_tokens <= few.configurations[0].cost_per_million_tokens * (1 + 1e-9)
