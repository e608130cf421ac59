"""The best found while parts are still being judged, with the figures of FakeMemory and FakePredictor."""

from dataclasses import replace

from budsim.core.ranking.so_far import best_so_far
from budsim.core.slo import Slo
from budsim.services.ports import StoredPart, leader_of
from tests.support.search_fakes import make_load
from tests.support.storage_values import make_request, parts_of, result_of


def leader(cluster_id="c1", **changes):
    part = parts_of(make_request(workload=make_load(concurrency=32), slo=Slo()).workflow_id, cluster_id)[0]
    found = leader_of(StoredPart(part=part, result=result_of(part)))
    assert found is not None
    return replace(found, configuration=replace(found.configuration, replicas=40, **changes))


LOAD = make_load(concurrency=32)


def test_nothing_is_said_while_nothing_was_found():
    assert best_so_far([], LOAD) == ""
    part = parts_of(make_request().workflow_id, "c1")[0]
    assert leader_of(StoredPart(part=part, result=None)) is None


def test_the_cheapest_that_meets_the_slos_is_named_with_its_price():
    told = best_so_far([leader("dear", cost_per_million_tokens=3.0), leader("cheap", cost_per_million_tokens=1.25)], LOAD)
    assert told.startswith("best so far: 40 replicas of vllm at TP=")
    assert " in cheap, $1.25 per 10⁶ output tokens, the SLOs are met" in told


def test_what_misses_an_slo_stands_behind_and_is_called_so():
    missed = leader("cheap", cost_per_million_tokens=0.1, meets_slo=False, error_rate=0.2)
    assert " in dear, " in best_so_far([missed, leader("dear", cost_per_million_tokens=3.0)], LOAD)
    assert best_so_far([missed], LOAD).endswith("an SLO is missed")


def test_users_left_unserved_are_counted():
    few = leader("few")
    few = replace(few, configuration=replace(few.configuration, replicas=1))
    users = few.configuration.candidate.concurrency
    assert best_so_far([few], make_load(concurrency=users + 1)).endswith(f"for {users} of {users + 1} users")


def test_devices_without_an_hourly_price_come_after_those_with_one():
    unpriced = replace(leader("unpriced", cost_per_million_tokens=0.1), is_written_off=True)
    assert " in priced, " in best_so_far([unpriced, leader("priced", cost_per_million_tokens=3.0)], LOAD)
