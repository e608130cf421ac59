"""A given answer asked again, on 8 devices of one node, with the figures of FakeMemory and FakePredictor."""

from dataclasses import replace

import pytest

from budsim.core.ranking.reach import Wish, keys_of, reaching
from budsim.core.search.change import Change, ChangeKind
from budsim.core.slo import Slo
from tests.support.search_fakes import as_out_of_memory, make_entry, make_load
from tests.support.storage_values import answer_of, make_request, parts_of

NOW_S = 500.0


def wish(*, users: int | None = None, max_error_rate: float = 1.0, entries=None) -> Wish:
    return Wish(users=users, max_error_rate=max_error_rate, entries=entries or {}, now_s=NOW_S)


def asked(*cluster_ids: str, concurrency: int = 32):
    request = make_request(workload=make_load(concurrency=concurrency), slo=Slo(ttft_s=0.12))
    parts = [replace(part, slo=request.slo) for part in parts_of(request.workflow_id, *cluster_ids)]
    return parts, answer_of(request, parts)


def test_asked_again_without_a_wish_it_is_the_same_answer():
    _, answer = asked("c1", "c2")
    again = reaching(answer, wish())
    assert [(cluster.cluster_id, cluster.best, cluster.explanation) for cluster in again] == [
        (cluster.cluster_id, cluster.best, cluster.explanation) for cluster in answer.clusters
    ]


def test_asked_again_each_cluster_says_why_it_stands_behind_the_one_before():
    _, answer = asked("c1", "c2", "c3")
    first, second, third = reaching(answer, wish(users=33))
    assert first.explained.behind is None
    for front, cluster in ((first, second), (second, third)):
        assert cluster.explained.behind.cluster_id == front.cluster_id
        assert cluster.explained.behind.config_id == front.best.configuration.config_id
    assert [cluster.explained.behind for cluster in reaching(answer, wish())] == [cluster.explained.behind for cluster in answer.clusters]


@pytest.mark.parametrize("users", [1, 33, 64, 200])
def test_replicas_are_those_the_users_need_placed_on_devices_of_their_own(users: int):
    _, answer = asked("c1")
    (cluster,) = reaching(answer, wish(users=users))
    for ranked in cluster.configurations:
        each = ranked.configuration.candidate.concurrency
        assert ranked.replicas == -(-users // each)
        assert ranked.replicas * ranked.configuration.candidate.devices <= 8
        assert sum(node.devices for replica in ranked.placement for node in replica.nodes) == ranked.replicas * (
            ranked.configuration.candidate.devices
        )


def test_a_cluster_that_cannot_carry_the_users_is_left_out():
    _, answer = asked("c1")
    found = [item for result in answer.clusters[0].results for item in (*result.configurations, *result.pareto)]
    most = max(8 // item.candidate.devices * item.candidate.concurrency for item in found)
    assert len(reaching(answer, wish(users=most))) == 1
    assert reaching(answer, wish(users=most + 1)) == ()


def test_an_arrival_rate_gives_way_to_the_users_asked_for():
    request = make_request(workload=replace(make_load(concurrency=None), request_rate_per_s=5.0))
    answer = answer_of(request, parts_of(request.workflow_id, "c1"))
    (cluster,) = reaching(answer, wish(users=1))
    assert {ranked.replicas for ranked in cluster.configurations} == {1}


def test_configurations_over_the_error_rate_are_left_out():
    _, answer = asked("c1")
    rates = sorted({item.error_rate for result in answer.clusters[0].results for item in result.configurations})
    assert len(rates) > 1
    (cluster,) = reaching(answer, wish(max_error_rate=rates[0]))
    assert {ranked.configuration.error_rate for ranked in cluster.configurations} == {rates[0]}
    assert reaching(answer, wish(max_error_rate=rates[0] - 1e-9)) == ()


def test_what_is_blacklisted_by_now_is_left_out_and_named():
    parts, answer = asked("c1")
    best = answer.clusters[0].best
    layout = best.configuration.candidate
    entry = make_entry(parts[0], tensor_parallel=layout.tensor_parallel, pipeline_parallel=layout.pipeline_parallel)
    (cluster,) = reaching(answer, wish(entries={"c1|cuda": (entry,)}))
    assert all(ranked.configuration.candidate.tensor_parallel != layout.tensor_parallel for ranked in cluster.configurations)
    assert entry.config_id in cluster.explanation
    assert reaching(answer, wish(entries={"c2|cuda": (entry,)}))[0].best == best
    ended = replace(entry, expires_at=NOW_S)
    assert reaching(answer, wish(entries={"c1|cuda": (ended,)}))[0].best == best


def test_a_cluster_of_which_feedback_left_nothing_is_left_out():
    parts, answer = asked("c1", "c2")
    everything = as_out_of_memory(make_entry(parts[0], memory_bytes=0.0))
    assert [cluster.cluster_id for cluster in reaching(answer, wish(entries={"c1|cuda": (everything,)}))] == ["c2"]


def test_the_keys_are_those_of_the_parts_that_were_chosen():
    assert keys_of(asked("c2", "c1")[1]) == ("c1|cuda", "c2|cuda")


def test_changes_of_the_users_first_asked_for_are_not_told_of_others():
    parts, answer = asked("c1")
    change = Change(kind=ChangeKind.TTFT, asked=0.12, needed=0.42, sentence="ask for a TTFT of 420 ms")
    told = replace(answer.clusters[0], results=tuple(replace(result, changes=(change,)) for result in answer.clusters[0].results))
    again = replace(answer, clusters=(told,))
    assert reaching(again, wish())[0].changes == (change,)
    assert reaching(again, wish(users=64))[0].changes == ()
    # nor once feedback has barred what they may rest on
    entry = replace(make_entry(parts[0], tensor_parallel=told.best.configuration.candidate.tensor_parallel), expires_at=NOW_S + 1)
    assert reaching(again, wish(entries={"c1|cuda": (entry,)}))[0].changes == ()
