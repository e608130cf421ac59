"""Laws of what is deployed, on any nodes of two kinds of devices."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from budsim.core.ranking.rank import Findings, recommend
from budsim.core.search.change import ChangeKind
from budsim.core.search.direct import direct_search
from budsim.core.search.part import SearchTask
from budsim.core.search.space import layouts_for
from budsim.core.slo import Slo
from tests.support.search_fakes import FakeMemory, FakePredictor, make_group, make_load, make_part

NODES = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)
SLOS = st.sampled_from((Slo(), Slo(e2e_s=2.6), Slo(ttft_s=0.2)))


def found(part):
    return direct_search(SearchTask(part=part, layouts=layouts_for(part), blacklist=()), FakePredictor(), FakeMemory())


def parts_of(nodes, users, slo, *, clusters=("c",)):
    load = make_load(concurrency=users)
    return [
        make_part(group=make_group(cluster_id=cluster, nodes=free, memory_gb=size), load=load, slo=slo)
        for cluster in clusters
        for size, free in zip((40, 24), nodes, strict=True)
    ]


def answered(parts, slo, *, spread=False):
    return recommend(Findings(workflow_id="w", slo=slo, parts=parts, results=[found(part) for part in parts], spread=spread))


@settings(deadline=None)
@given(nodes=st.tuples(NODES, NODES), users=st.integers(1, 400), slo=SLOS)
def test_no_node_gives_more_devices_than_it_has_free_and_the_target_is_carried(nodes, users, slo):
    for cluster in answered(parts_of(nodes, users, slo), slo).clusters:
        given_devices = Counter()
        for item in cluster.deployed:
            for replica in item.placement:
                assert sum(node.devices for node in replica.nodes) == item.configuration.candidate.devices
                for node in replica.nodes:
                    given_devices[item.part.group.device_name, node.node_id] += node.devices
        free = {(item.part.group.device_name, node.node_id): node.devices for item in cluster.deployed for node in item.part.group.nodes}
        assert all(count <= free[place] for place, count in given_devices.items())
        assert sum(item.replicas * item.configuration.candidate.concurrency for item in cluster.deployed) >= users


@settings(deadline=None)
@given(nodes=st.tuples(NODES, NODES), users=st.integers(1, 400), slo=SLOS)
def test_every_member_of_a_mix_is_needed(nodes, users, slo):
    for cluster in answered(parts_of(nodes, users, slo), slo).clusters:
        carried = [item.replicas * item.configuration.candidate.concurrency for item in cluster.deployed]
        assert all(sum(carried) - each < users for each in carried)


@settings(deadline=None)
@given(nodes=st.tuples(NODES, NODES), users=st.integers(100, 1500))
def test_clusters_that_share_a_target_carry_it_and_none_would_alone(nodes, users):
    slo = Slo()
    parts = parts_of(nodes, users, slo, clusters=("a", "b"))
    shared = answered(parts, slo, spread=True).clusters
    alone = answered(parts, slo).clusters
    if shared and not alone:
        assert sum(item.replicas * item.configuration.candidate.concurrency for cluster in shared for item in cluster.deployed) >= users
    assert bool(alone) <= bool(shared)


@settings(deadline=None)
@given(nodes=st.tuples(NODES, NODES), users=st.integers(20, 1500), slo=SLOS)
def test_the_users_all_groups_carry_together_are_carried_when_asked_for(nodes, users, slo):
    for rejection in answered(parts_of(nodes, users, slo), slo).rejected:
        for change in rejection.changes:
            assert change.kind is ChangeKind.USERS
            (cluster,) = answered(parts_of(nodes, int(change.needed), slo), slo).clusters
            assert all(item.configuration.meets_slo for item in cluster.deployed)
