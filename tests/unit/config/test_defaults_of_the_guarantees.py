"""Whoever sets nothing gets the numbers the guarantees were proven with."""

from budsim.app import retry_policy, topic_specs
from budsim.config import load_settings
from budsim.stream import fuse
from budsim.stream.holds import RetryPolicy
from topics import catalogue


def test_three_tries_one_second_apart_and_doubling_twenty_seconds_each_thirty_in_all() -> None:
    policy = retry_policy(load_settings())
    assert policy == RetryPolicy()
    assert (policy.attempts, policy.first_delay_s, policy.factor, policy.attempt_s, policy.total_s) == (3, 1.0, 2.0, 20.0, 30.0)


def test_the_fuse_opens_over_half_of_a_hundred_and_half_opens_after_a_minute() -> None:
    settings = load_settings()
    assert (settings.fuse_window, settings.fuse_share, settings.fuse_cool_down_s) == (100, 0.5, 60.0)
    assert (fuse.WINDOW, fuse.SHARE, fuse.COOL_DOWN_S) == (100, 0.5, 60.0)


def test_deadline_sweep_attempts_and_the_wait_for_a_cluster() -> None:
    settings = load_settings()
    assert (settings.deadline_s, settings.sweep_age_s, settings.max_attempts, settings.cluster_wait_s) == (60.0, 10.0, 3, 10.0)


def test_topics_have_twelve_partitions_one_replica_and_the_prefix() -> None:
    settings = load_settings()
    assert (settings.partitions_by_key, settings.replication_factor, settings.min_insync_replicas) == (12, 1, 1)
    assert {spec.name.split(".")[0] for spec in topic_specs(settings)} == {"budsim"}
    assert settings.max_value_bytes == catalogue.MAX_VALUE_BYTES == 512 * 1024
