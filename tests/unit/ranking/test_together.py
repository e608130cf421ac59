"""Hardware groups that carry a target together, with the figures of FakeMemory and FakePredictor.

On 40 GB 36 − 17 = 19 users fit a device, of the powers of two 16; on 24 GB 21.6 − 17 = 4.
"""

from dataclasses import replace

import pytest

from budsim.adapters.wire.recommendations import recommendation_event
from budsim.core.hardware.spec import HardwareMode
from budsim.core.ranking.rank import recommend
from budsim.core.ranking.reach import Wish, reaching
from budsim.core.ranking.shorten import shortened
from budsim.core.slo import Slo
from tests.support.search_fakes import make_engine, make_group, make_load, make_part
from tests.unit.ranking.test_ranking import findings_of, on


def deployed(cluster):
    return [(item.part.group.device_name, item.replicas, item.configuration.candidate.concurrency) for item in cluster.deployed]


def single(cluster_id, *, nodes, memory_gb, load, **more):
    """A part whose devices stand apart and whose engine cannot split a model over them."""
    group = make_group(cluster_id=cluster_id, nodes=(1,) * nodes, memory_gb=memory_gb)
    return make_part(group=group, engine=make_engine(pipeline=False), load=load, **more)


def mixed(concurrency=40, *, slo=None, usd=(2.0, 2.0), nodes=(2, 4), **more):
    load = make_load(concurrency=concurrency)
    large = single("c", memory_gb=40, nodes=nodes[0], load=load, slo=slo, usd_per_hour=usd[0])
    small = single("c", memory_gb=24, nodes=nodes[1], load=load, slo=slo, usd_per_hour=usd[1])
    return findings_of(large, small, slo=slo, **more)


def test_two_hardware_groups_carry_what_neither_carries_alone_with_no_replica_more_than_needed():
    # 2 × 16 = 32 users on the large devices, which are cheaper a token; 8 are left, two replicas of 4 of the four there are room for
    (cluster,) = recommend(mixed()).clusters
    assert deployed(cluster) == [("ACC-40GB", 2, 16), ("ACC-24GB", 2, 4)]
    assert cluster.together == 2


def test_one_group_that_carries_the_target_is_not_mixed():
    (cluster,) = recommend(mixed(32)).clusters
    assert deployed(cluster) == [("ACC-40GB", 2, 16)]


def test_a_mix_is_as_slow_as_its_slowest_member_and_costs_what_its_users_cost():
    (cluster,) = recommend(mixed(20, nodes=(1, 1))).clusters
    body = recommendation_event(recommend(mixed(20, nodes=(1, 1)))).recommendations[0]
    # 16 users: E2E 0.26 + 100 · 0.028 = 3.06 s, 33.0 tokens/s, $2 / (33.0 · 16 · 3600) · 10⁶ = 1.052
    #  4 users: E2E 0.14 + 100 · 0.022 = 2.34 s, 43.2 tokens/s, $2 / (43.2 · 4 · 3600) · 10⁶ = 3.218; (16 · 1.052 + 4 · 3.218) / 20 = 1.485
    assert (body.metrics.replica, body.metrics.concurrency) == (2, 20)
    assert [(item.num_replicas, item.concurrency) for item in body.metrics.device_types] == [(1, 16), (1, 4)]
    assert body.metrics.e2e_latency == pytest.approx(3.06)
    assert body.metrics.ttft == pytest.approx(260.0)
    assert body.metrics.throughput_per_user == pytest.approx(101 / 3.06)
    assert body.metrics.cost_per_million_tokens == pytest.approx(1.485, rel=1e-3)
    assert body.deployed_config_ids == [item.configuration.config_id for item in cluster.deployed]
    assert [item.config_id for item in body.configurations[:2]] == body.deployed_config_ids
    assert "1 replica of vllm at TP=1, PP=1 on ACC-40GB and 1 replica of vllm at TP=1, PP=1 on ACC-24GB carry 20 users" in body.explanation


def test_a_mix_that_reaches_too_little_is_rejected_with_what_all_groups_hold_together():
    (rejection,) = recommend(mixed(100)).rejected
    assert rejection.reason.startswith("carries 48 of 100 users: all its hardware groups together hold 2 replicas of vllm")
    assert rejection.device_type is None
    # the loads of 16 and 4 are powers of two, which a request for 48 users looks at as well
    assert [(change.kind, change.asked, change.needed) for change in rejection.changes] == [("concurrency", 100.0, 48.0)]
    assert rejection.remedy == "ask for at most 48 users (all its hardware groups together)"
    assert deployed(recommend(mixed(48)).clusters[0]) == [("ACC-40GB", 2, 16), ("ACC-24GB", 4, 4)]


def test_engines_of_one_group_do_not_share_its_devices():
    load = make_load(concurrency=30)
    parts = [on("c", engine=engine, memory_gb=40, nodes=(1,), load=load) for engine in ("vllm", "sglang")]
    assert recommend(findings_of(*parts)).clusters == ()


def test_the_cheaper_group_is_filled_first():
    (cluster,) = recommend(mixed(36, usd=(2.0, 0.1), nodes=(1, 9))).clusters
    # 24 GB: $0.1 / $2 · 3.218 = 0.161 a million against 1.052: nine replicas hold 36 users, alone
    assert deployed(cluster) == [("ACC-24GB", 9, 4)]
    (cluster,) = recommend(mixed(38, usd=(2.0, 0.1), nodes=(1, 9))).clusters
    assert [name for name, *_ in deployed(cluster)] == ["ACC-24GB", "ACC-40GB"]


def three(concurrency, *, last=1):
    """4 users on a cheap device, 16 on a second, 16 on each of the last, dearer ones; 43.2 − 17 = 26 would fit those."""
    load = make_load(concurrency=concurrency)
    kinds = ((24, 1, 0.01), (40, 1, 2.0), (48, last, 4.0))
    return findings_of(*(single("c", memory_gb=size, nodes=count, load=load, usd_per_hour=usd) for size, count, usd in kinds))


def test_a_group_that_the_others_do_without_is_left_out_however_cheap():
    # 4 + 16 leave 12 of 32 users, so the last group is needed, and 16 + 16 are enough without the first
    (cluster,) = recommend(three(32)).clusters
    assert deployed(cluster) == [("ACC-40GB", 1, 16), ("ACC-48GB", 1, 16)]


def test_a_cheap_group_stays_where_it_saves_a_replica_of_the_last():
    # without its 4 users 20 of 36 would be left for the last group: two replicas where one is enough
    (cluster,) = recommend(three(36, last=1)).clusters
    assert deployed(cluster) == [("ACC-24GB", 1, 4), ("ACC-40GB", 1, 16), ("ACC-48GB", 1, 16)]
    load = make_load(concurrency=60)
    kinds = ((24, 1, 0.01), (40, 1, 2.0), (32, 5, 4.0))  # 28.8 − 17 = 11 users fit 32 GB, of the powers of two 8
    mix = findings_of(*(single("c", memory_gb=size, nodes=count, load=load, usd_per_hour=usd) for size, count, usd in kinds))
    (cluster,) = recommend(mix).clusters
    assert deployed(cluster) == [("ACC-24GB", 1, 4), ("ACC-40GB", 1, 16), ("ACC-32GB", 5, 8)]


def test_a_mix_that_carries_and_meets_is_ranked_with_those_that_carry_alone():
    slo = Slo(e2e_s=4.0)
    mix = mixed(slo=slo, usd=(0.2, 0.2))
    load = make_load(concurrency=40)
    alone = on("z", load=load, slo=slo, usd_per_hour=50.0)
    both = findings_of(*mix.parts, alone, slo=slo)
    answer = recommend(both)
    assert [(item.cluster_id, item.together) for item in answer.clusters] == [("c", 2), ("z", 1)]
    told = answer.clusters[1].explained
    assert told is not None
    assert told.behind is not None
    assert (told.behind.criterion, told.behind.cluster_id) == ("cost", "c")


def test_clusters_that_share_a_target_give_only_the_replicas_that_are_needed():
    load = make_load(concurrency=52)
    parts = [single(name, nodes=2, memory_gb=40, load=load) for name in ("a", "b")]
    answer = recommend(findings_of(*parts, spread=True))
    # 52 / 16 = 3.25: four replicas, two a cluster; of 40 users the second cluster gives one
    assert [deployed(item) for item in answer.clusters] == [[("ACC-40GB", 2, 16)], [("ACC-40GB", 2, 16)]]
    fewer = [single(name, nodes=2, memory_gb=40, load=make_load(concurrency=40)) for name in ("a", "b")]
    shared = recommend(findings_of(*fewer, spread=True)).clusters
    assert sorted(replicas for item in shared for _, replicas, _ in deployed(item)) == [1, 2]
    assert [item.explained and item.explained.behind for item in shared] == [None, None]  # parts of one answer


def test_under_an_arrival_rate_each_group_takes_its_share_of_the_rate():
    # one replica of 16 users answers 16 / 3.06 s = 5.2 requests/s, one of 4 answers 4 / 2.34 s = 1.7: 7 requests/s need both and more
    load = make_load(concurrency=None, request_rate_per_s=6.5)
    parts = [single("c", memory_gb=size, nodes=1, load=load) for size in (40, 24)]
    (cluster,) = recommend(findings_of(*parts)).clusters
    served = sum(item.replicas * item.configuration.candidate.concurrency / item.configuration.e2e_s for item in cluster.deployed)
    assert cluster.together == 2
    assert served >= 6.5


def test_however_short_an_answer_is_cut_what_is_deployed_stays_whole():
    *_, shortest = shortened(recommend(mixed(top_k=5)))
    assert len(shortest.clusters[0].deployed) == 2


def test_a_mix_asked_again_is_the_same_mix_and_grows_or_shrinks_with_the_users():
    answer = recommend(mixed(40))
    wish = Wish(users=None, max_error_rate=1.0, entries={}, now_s=0.0)
    assert [deployed(item) for item in reaching(answer, wish)] == [deployed(answer.clusters[0])]
    # 48 users fill all four small devices, 16 need one large device alone; 49 are too many
    (more,) = reaching(answer, replace(wish, users=48))
    assert deployed(more) == [("ACC-40GB", 2, 16), ("ACC-24GB", 4, 4)]
    (fewer,) = reaching(answer, replace(wish, users=16))
    assert deployed(fewer) == [("ACC-40GB", 1, 16)]
    assert reaching(answer, replace(wish, users=49)) == ()


def test_of_shared_devices_each_slice_carries_one_replica():
    group = make_group(nodes=(3,), memory_gb=40, mode=HardwareMode.SHARED)
    smaller = make_group(nodes=(3,), memory_gb=24, mode=HardwareMode.SHARED)
    parts = [make_part(group=each, load=make_load(concurrency=60)) for each in (group, smaller)]
    (cluster,) = recommend(findings_of(*parts)).clusters
    assert deployed(cluster) == [("ACC-40GB", 3, 16), ("ACC-24GB", 3, 4)]
    assert all(node.devices == 1 for item in cluster.deployed for replica in item.placement for node in replica.nodes)
