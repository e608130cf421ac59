"""What the streams reported and whom the service knows: clusters, prices, tokens."""

from budsim.core.hardware.spec import Cluster
from budsim.storage.clusters import PostgresClusters, PostgresPrices
from budsim.storage.tokens import PostgresTokens
from tests.support.databases import Database

NOW_S = 1_800_000_000.0


async def test_a_cluster_comes_back_as_it_was_put_and_with_its_time(sessions):
    clusters = PostgresClusters(sessions)
    cluster = Cluster(id="c1", nodes=())
    await clusters.put(cluster, updated_s=1700000000.5, partition=0, offset=7)
    stored = await clusters.find("c1")
    assert stored is not None
    assert (stored.cluster, stored.updated_s) == (cluster, 1700000000.5)
    assert await clusters.find("c2") is None


async def test_a_removed_cluster_is_gone_and_its_offset_is_kept(sessions):
    clusters = PostgresClusters(sessions)
    await clusters.put(Cluster(id="c1", nodes=()), updated_s=1.0, partition=0, offset=7)
    await clusters.remove("c1", partition=0, offset=8)
    assert await clusters.all() == []
    assert await clusters.offsets() == {0: 8}


async def test_a_replay_from_an_earlier_offset_does_not_turn_the_offset_back(sessions):
    clusters = PostgresClusters(sessions)
    await clusters.put(Cluster(id="c1", nodes=()), updated_s=1.0, partition=0, offset=9)
    await clusters.put(Cluster(id="c1", nodes=()), updated_s=1.0, partition=0, offset=3)
    await clusters.put(Cluster(id="c2", nodes=()), updated_s=1.0, partition=1, offset=0)
    assert await clusters.offsets() == {0: 9, 1: 0}
    assert [stored.cluster.id for stored in await clusters.all()] == ["c1", "c2"]


async def test_prices_are_set_changed_and_removed(sessions):
    prices = PostgresPrices(sessions)
    await prices.put("A100", 2.0, now_s=NOW_S)
    await prices.put("A100", 1.5, now_s=NOW_S)
    await prices.put("c1|A100", 0.9, now_s=NOW_S)
    assert await prices.all(now_s=NOW_S) == {"A100": 1.5, "c1|A100": 0.9}
    await prices.remove("A100")
    await prices.remove("never")
    assert await prices.all(now_s=NOW_S) == {"c1|A100": 0.9}


async def test_a_price_is_used_from_its_beginning_on_and_the_present_one_until_then(sessions):
    prices = PostgresPrices(sessions)
    await prices.put("A100", 2.0, now_s=NOW_S)
    await prices.put("A100", 3.0, now_s=NOW_S, valid_from_s=NOW_S + 60)
    await prices.put("H100", 4.0, now_s=NOW_S, valid_from_s=NOW_S + 60)
    await prices.put("L4", 0.5, now_s=NOW_S, valid_from_s=NOW_S - 60)
    assert await prices.all(now_s=NOW_S + 59) == {"A100": 2.0, "L4": 0.5}
    assert await prices.all(now_s=NOW_S + 60) == {"A100": 3.0, "H100": 4.0, "L4": 0.5}


async def test_a_price_told_after_another_began_follows_that_one(sessions):
    prices = PostgresPrices(sessions)
    await prices.put("A100", 2.0, now_s=NOW_S)
    await prices.put("A100", 3.0, now_s=NOW_S, valid_from_s=NOW_S + 60)
    await prices.put("A100", 4.0, now_s=NOW_S + 90, valid_from_s=NOW_S + 120)
    assert await prices.all(now_s=NOW_S + 119) == {"A100": 3.0}
    assert await prices.all(now_s=NOW_S + 120) == {"A100": 4.0}


async def test_a_price_for_now_takes_the_place_of_one_to_come(sessions):
    prices = PostgresPrices(sessions)
    await prices.put("A100", 3.0, now_s=NOW_S, valid_from_s=NOW_S + 60)
    await prices.put("A100", 2.0, now_s=NOW_S)
    assert await prices.all(now_s=NOW_S + 600) == {"A100": 2.0}


async def test_a_token_is_found_by_its_secret_which_is_not_stored(sessions, migrated_database: Database):
    tokens = PostgresTokens(sessions)
    secret = await tokens.create("ci", projects=["p1"])
    token = await tokens.find(secret)
    assert token is not None
    assert (token.name, token.projects, token.clusters) == ("ci", frozenset({"p1"}), None)
    assert await tokens.find(f"{secret}x") is None
    assert (await migrated_database.fetch("SELECT position($1 in t::text) FROM tokens t", secret))[0][0] == 0


async def test_a_revoked_token_is_not_found_and_others_are(sessions):
    tokens = PostgresTokens(sessions)
    ended, kept = await tokens.create("old"), await tokens.create("new")
    assert await tokens.revoke("old") == 1
    assert await tokens.revoke("old") == 0
    assert await tokens.find(ended) is None
    assert await tokens.find(kept) is not None


async def test_a_token_limited_to_nothing_is_not_a_token_for_all(sessions):
    token = await (tokens := PostgresTokens(sessions)).find(await tokens.create("none", projects=[], clusters=[]))
    assert token is not None
    assert (token.projects, token.clusters) == (frozenset(), frozenset())
