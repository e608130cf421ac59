"""Clusters ranked, replicas placed, refusals told."""

from dataclasses import replace

import pytest

from budsim.core.engines.spec import EngineKind
from budsim.core.ranking.rank import Findings, recommend
from budsim.core.ranking.recommendation import Completion, Rejection
from budsim.core.search.direct import direct_search
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import PartResult, PartStatus, SearchTask
from budsim.core.search.space import layouts_for
from budsim.core.slo import Slo
from tests.support.search_fakes import GB, FakeMemory, FakePredictor, make_engine, make_entry, make_group, make_load, make_part


def result_of(part, *entries, memory=None):
    task = SearchTask(part=part, layouts=layouts_for(part), blacklist=entries)
    return direct_search(task, FakePredictor(), memory or FakeMemory())


def findings_of(*parts, results=None, slo=None, **more):
    found = [result_of(part) for part in parts] if results is None else results
    return Findings(workflow_id="w", slo=slo or Slo(), parts=parts, results=found, **more)


def on(cluster_id, *, engine=EngineKind.VLLM, preference=0, nodes=(8,), memory_gb=80, **more):
    group = make_group(cluster_id=cluster_id, nodes=nodes, memory_gb=memory_gb)
    return make_part(group=group, engine=make_engine(engine, preference=preference), **more)


def test_the_cheaper_cluster_comes_first_whatever_the_order_of_its_parts():
    dear, cheap = on("a-dear", usd_per_hour=4.0), on("b-cheap", usd_per_hour=1.0)
    for parts in ((dear, cheap), (cheap, dear)):
        answer = recommend(findings_of(*parts))
        assert [item.cluster_id for item in answer.clusters] == ["b-cheap", "a-dear"]
        assert answer.completion is Completion.COMPLETED


def test_a_cluster_that_meets_the_slo_comes_before_a_cheaper_one_that_does_not():
    # E2E at TP=1 is 2.1 + 0.06c > 2 s; with 8 devices TP=8 gives 0.1 + 0.25 + 0.05125c ≤ 2 up to 32 users
    slo = Slo(e2e_s=2.0)
    slow, quick = on("a-slow", nodes=(1,), usd_per_hour=0.1, slo=slo), on("b-quick", usd_per_hour=9.0, slo=slo)
    answer = recommend(findings_of(slow, quick, slo=slo))
    assert [(item.cluster_id, item.best.configuration.meets_slo) for item in answer.clusters] == [("b-quick", True), ("a-slow", False)]


def test_a_device_without_an_hourly_price_does_not_look_cheap():
    # 27,164 $ / 43,800 h = 0.62 $/h is less than any hourly price of such a device, and no price anybody asks
    priced, unpriced = on("z-priced", usd_per_hour=4.5), on("a-unpriced", usd_per_hour=27_164 / 43_800, price_source="purchase")
    answer = recommend(findings_of(priced, unpriced))
    assert [item.cluster_id for item in answer.clusters] == ["z-priced", "a-unpriced"]
    assert [any("no hourly price" in warning for warning in item.warnings) for item in answer.clusters] == [False, True]
    # an SLO that only it meets still puts it first, and among its like the cheaper one wins
    slo = Slo(e2e_s=2.0)
    slow = on("z-priced", nodes=(1,), usd_per_hour=4.5, slo=slo)
    quick = [on(name, usd_per_hour=usd, price_source="purchase", slo=slo) for name, usd in (("a-unpriced", 0.6), ("b-unpriced", 0.1))]
    ranked = [item.cluster_id for item in recommend(findings_of(slow, *quick, slo=slo)).clusters]
    assert ranked == ["b-unpriced", "a-unpriced", "z-priced"]


def test_equal_clusters_stand_in_the_order_of_their_ids():
    assert [item.cluster_id for item in recommend(findings_of(on("c"), on("a"), on("b"))).clusters] == ["a", "b", "c"]


def test_between_equal_engines_the_preferred_one_wins():
    answer = recommend(findings_of(on("c", preference=1), on("c", engine=EngineKind.SGLANG, preference=0)))
    assert answer.clusters[0].best.part.engine.kind is EngineKind.SGLANG


def test_a_cluster_keeps_the_best_of_all_its_parts_and_at_most_top_k():
    parts = (on("c", usd_per_hour=2.0), on("c", memory_gb=48, usd_per_hour=0.9))
    cluster = recommend(findings_of(*parts, top_k=3)).clusters[0]
    costs = [item.configuration.cost_per_million_tokens for item in cluster.configurations]
    assert len(costs) == 3
    assert costs == sorted(costs)
    assert cluster.best.part.group.device_name == "ACC-48GB"
    assert len(cluster.results) == 2


def test_replicas_stand_on_real_nodes_and_no_device_is_given_twice():
    # 200 users; TP=1 on 80 GB holds at most 55, of the grid 50: 4 replicas of one device on nodes of 3 and 1
    part = on("c", nodes=(3, 1), load=make_load(concurrency=200))
    best = recommend(findings_of(part)).clusters[0].best
    taken = {}
    for replica in best.placement:
        for share in replica.nodes:
            taken[share.node_id] = taken.get(share.node_id, 0) + share.devices
    assert (best.configuration.candidate.concurrency, best.replicas) == (50, 4)
    assert taken == {"n0": 3, "n1": 1}


def test_a_cluster_too_small_for_the_target_is_rejected_with_how_far_it_reaches():
    # 40 GB: 36 − 17 = 19 users, of the grid 16; one device; 100 users need ceil(100/16) = 7
    answer = recommend(
        findings_of(on("small", nodes=(1,), memory_gb=40, load=make_load(concurrency=100)), on("big", load=make_load(concurrency=100)))
    )
    assert [item.cluster_id for item in answer.clusters] == ["big"]
    (rejection,) = answer.rejected
    assert (rejection.cluster_id, rejection.code) == ("small", "target_not_carried")
    assert rejection.reason.startswith("carries 16 of 100 users: 1 free × ACC-40GB hold 1 replica(s) of vllm at TP=1")
    assert rejection.remedy == "offer 7 × ACC-40GB (7 replicas), or ask for at most 16 users"


def test_the_remedy_of_a_small_cluster_holds_when_it_is_followed():
    load = make_load(concurrency=100)
    grown = recommend(findings_of(on("small", nodes=(7,), memory_gb=40, load=load)))
    fewer = recommend(findings_of(on("small", nodes=(1,), memory_gb=40, load=make_load(concurrency=16))))
    assert [item.cluster_id for item in (*grown.clusters, *fewer.clusters)] == ["small", "small"]


def test_when_nothing_carries_the_workflow_fails_with_every_reason():
    answer = recommend(findings_of(on("small", nodes=(1,), memory_gb=40, load=make_load(concurrency=100))))
    assert (answer.completion, answer.clusters) == (Completion.FAILED, ())
    assert answer.failure is not None
    assert answer.failure.code == "target_not_carried"
    assert "small: carries 16 of 100 users" in answer.failure.message
    assert "offer 7 × ACC-40GB" in answer.failure.remedy


def test_a_part_that_fits_nowhere_is_rejected_while_its_neighbour_is_recommended():
    large, tiny = on("c"), on("c", memory_gb=10, nodes=(1,))
    refused = narrow(tiny, (), FakeMemory(), now_s=0.0)
    assert isinstance(refused, PartResult)
    answer = recommend(findings_of(large, tiny, results=[result_of(large), refused]))
    assert [item.cluster_id for item in answer.clusters] == ["c"]
    (rejection,) = answer.rejected
    assert (rejection.code, rejection.device_type, rejection.engine) == ("does_not_fit", "cuda", "vllm")
    assert "needs 18.0 GB per device" in rejection.reason
    assert "16 GB" not in rejection.remedy  # 0.9 × 16 GB = 14.4 would not do either; 24 GB gives 21.6
    assert "24 GB" in rejection.remedy


def test_what_memory_alone_has_judged_is_no_remedy_for_users_left_unserved():
    load = make_load(concurrency=100)
    small, tiny = on("c", nodes=(1,), memory_gb=40, load=load), on("c", memory_gb=10, nodes=(1,), load=load)
    refused = narrow(tiny, (), FakeMemory(), now_s=0.0)
    assert isinstance(refused, PartResult)
    assert refused.changes
    unserved, unfit = recommend(findings_of(small, tiny, results=[result_of(small), refused])).rejected
    assert (unserved.code, unserved.changes) == ("target_not_carried", ())
    assert unserved.remedy.startswith("offer 7 × ACC-40GB")
    assert unfit.changes == refused.changes


def test_what_plan_left_out_stays_in_the_answer():
    left = Rejection(cluster_id="x", reason="unknown device", code="device_left_out")
    assert recommend(findings_of(on("c"), rejections=[left])).rejected == (left,)


def test_parts_without_a_result_make_the_answer_partial_and_are_named():
    there, late = on("a"), on("b")
    answer = recommend(findings_of(there, late, results=[result_of(there)]))
    assert answer.completion is Completion.PARTIAL
    assert [(item.part_id, item.cluster_id, item.engine) for item in answer.missing] == [(late.part_id, "b", "vllm")]


def test_without_any_result_the_workflow_timed_out():
    answer = recommend(findings_of(on("a"), results=[]))
    assert answer.completion is Completion.FAILED
    assert answer.failure is not None
    assert answer.failure.code == "simulation_timed_out"


def test_a_part_that_broke_is_reported_as_an_error_of_ours():
    part = on("a")
    broken = PartResult(part_id=part.part_id, status=PartStatus.FAILED, reason="failed 3 times", remedy="send it again")
    answer = recommend(findings_of(part, results=[broken]))
    assert (answer.rejected[0].code, answer.completion) == ("internal_error", Completion.FAILED)


def test_several_clusters_share_a_target_only_when_asked_and_when_none_carries_it_alone():
    # each holds 16 users; 40 need three of them: 16 + 16 + 16
    load = make_load(concurrency=40)
    parts = [on(name, nodes=(1,), memory_gb=40, load=load) for name in ("a", "b", "c", "d")]
    assert recommend(findings_of(*parts)).clusters == ()
    answer = recommend(findings_of(*parts, spread=True))
    assert [item.cluster_id for item in answer.clusters] == ["a", "b", "c"]
    assert answer.clusters[0].explanation.startswith("together with b, c it carries 40 users")
    assert [item.cluster_id for item in answer.rejected] == ["d"]
    assert recommend(findings_of(*parts[:2], spread=True)).completion is Completion.FAILED
    alone = recommend(findings_of(*parts, on("whole", load=load), spread=True))
    assert [item.cluster_id for item in alone.clusters] == ["whole"]


def test_the_explanation_names_bound_margins_memory_price_and_what_feedback_left_out():
    slo = Slo(ttft_s=0.84, e2e_s=5.025, throughput_per_user=20.0)
    part = on("c", nodes=(2,), slo=slo)
    entry = make_entry(part, tensor_parallel=2)
    cluster = recommend(findings_of(part, results=[result_of(part, entry)], slo=slo)).clusters[0]
    # TP=1, 32 users: TTFT 0.42 of 0.84 s; E2E 4.02 of 5.025; 101/4.02 = 25.1 tokens/s, 26 % over 20; 16 + 32 + 1 of 72 GB
    # at p95 times are 1.25 longer: 0.525 of 0.84 s is 38 % to spare, 5.025 of 5.025 none; 25.12 / 1.25 = 20.1 tokens/s is half a percent
    for clause in (
        "1 replica of vllm at TP=1, PP=1 on ACC-80GB carries 32 users",
        "bounded by memory bandwidth",
        "TTFT 420 ms against 840 ms (50% to spare, at p95 38% to spare)",
        "25.1 tokens/s per user against 20.0 (26% to spare, at p95 0% to spare)",
        "E2E 4.02 s against 5.03 s (20% to spare, at p95 0% to spare)",
        "49.0 of 72.0 GB usable",
        "$2/h per device (request)",
        f"left out 1 configuration blacklisted by feedback: {entry.config_id}",
    ):
        assert clause in cluster.explanation
    assert any(entry.config_id in warning for warning in cluster.warnings)


def test_the_energy_of_a_million_tokens_is_explained_where_the_rated_power_is_known():
    part = on("c", nodes=(1,))
    rated = replace(part, group=replace(part.group, accelerator=replace(part.group.accelerator, tdp_w=700.0)))
    explained, silent = (recommend(findings_of(each)).clusters[0].explanation for each in (rated, part))
    # 32 users at 101/4.02 = 25.12 tokens/s are 804 tokens/s: 0.7 kW × 10⁶/804 s / 3600 s = 0.242 kWh
    assert "at most 0.242 kWh per 10⁶ output tokens at the rated 700 W of each device" in explained
    assert "kWh" not in silent


def test_a_missed_slo_is_said_plainly():
    slo = Slo(ttft_s=0.1)
    explanation = recommend(findings_of(on("c", nodes=(1,), slo=slo, load=make_load(concurrency=1)), slo=slo)).clusters[0].explanation
    assert "not every SLO is met" in explanation
    assert "TTFT 110 ms against 100 ms (missed by 10%, at p95 missed by 38%)" in explanation


def test_warnings_and_the_fallback_of_the_method_are_passed_on_once():
    part = on("c")
    noted = replace(result_of(part), method_note="no regressor is there")
    cluster = recommend(findings_of(part, results=[noted], warnings=("stale", "stale"))).clusters[0]
    assert cluster.warnings == ("stale", "no regressor is there")


def test_the_merged_front_is_cheapest_first_and_slowest_first():
    parts = (on("c", usd_per_hour=2.0), on("c", memory_gb=48, usd_per_hour=0.9))
    pareto = recommend(findings_of(*parts)).clusters[0].pareto
    latencies = [item.configuration.e2e_s for item in pareto]
    assert 1 < len(pareto) <= 10
    assert latencies == sorted(latencies, reverse=True)


@pytest.mark.parametrize("weights_gb", [16, 400])
def test_the_answer_is_the_same_twice(weights_gb):
    part = on("c")
    memory = FakeMemory(weights_bytes=weights_gb * GB)
    assert recommend(findings_of(part, results=[result_of(part, memory=memory)])) == recommend(
        findings_of(part, results=[result_of(part, memory=memory)])
    )
