"""Every topic as DESIGN wants it: who shares a partition count, what is kept how long, what a message may weigh."""

from topics import catalogue
from topics.catalogue import Cleanup, PartitionCounts, TopicSpec, topic_specs

DAY_MS = 24 * 3600 * 1000
CHANGELOG = catalogue.changelog_topic("p.eval", "blacklist")


def specs(counts: PartitionCounts | None = None) -> dict[str, TopicSpec]:
    return {spec.name: spec for spec in topic_specs("p.", counts or PartitionCounts(), (CHANGELOG,))}


def partitions(**counts: int) -> dict[str, int]:
    return {name.removeprefix("p."): spec.partitions for name, spec in specs(PartitionCounts(**counts)).items()}


def test_evaluations_blacklist_updates_and_the_changelog_share_one_count_and_searches_and_workflows_have_their_own() -> None:
    found = partitions(by_key=5, searches=7, workflows=11, others=2)
    assert {found[name] for name in ("evaluations.v1", "blacklist-updates.v1", "eval-blacklist-changelog")} == {5}
    assert found["searches.v1"] == 7
    assert {found[name] for name in ("simulation-requests.v1", "workflow-events.v1")} == {11}
    assert partitions()["evaluations.v1"] == 12


def test_the_changelog_is_named_as_faust_names_it() -> None:
    assert CHANGELOG == "p.eval-blacklist-changelog"


def test_changelogs_clusters_and_prices_are_compacted_and_never_deleted() -> None:
    kept = {name for name, spec in specs().items() if spec.cleanup is Cleanup.COMPACT}
    assert kept == {CHANGELOG, "p.clusters.v1", "p.prices.v1"}
    assert {specs()[name].retention_ms for name in kept} == {None}


def test_the_rest_expires_after_its_time() -> None:
    days = {name: spec.retention_ms / DAY_MS for name, spec in specs().items() if spec.retention_ms is not None}
    assert days == {
        "p.simulation-requests.v1": 7,
        "p.workflow-events.v1": 7,
        "p.evaluations.v1": 3,
        "p.searches.v1": 3,
        "p.blacklist-updates.v1": 3,
        "p.recommendations.v1": 30,
        "p.feedback.v1": 30,
        "p.dead-letters.v1": 30,
        "p.progress.v1": 0.25,
    }


def test_whatever_a_topic_takes_the_dead_letters_take_with_what_is_added() -> None:
    largest = max(spec.max_message_bytes for name, spec in specs().items() if name != "p.dead-letters.v1")
    assert catalogue.MAX_VALUE_BYTES == 512 * 1024
    assert catalogue.MAX_VALUE_BYTES < largest < specs()["p.dead-letters.v1"].max_message_bytes == 2 * 1024 * 1024
