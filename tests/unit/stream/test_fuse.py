import pytest

from budsim.stream.fuse import COOL_DOWN_S, Fuse


def feed(fuse: Fuse, outcomes: str, now_s: float = 0.0) -> None:
    for outcome in outcomes:
        fuse.record(object(), failed=outcome == "x", now_s=now_s)


def test_half_of_the_window_failing_leaves_it_closed_and_one_more_opens_it() -> None:
    fuse = Fuse()
    feed(fuse, "." * 50 + "x" * 50)
    assert not fuse.is_open
    feed(fuse, "x")  # the first «.» leaves the window of 100: 51 of 100 failed
    assert fuse.is_open


def test_a_few_failures_at_the_start_do_not_open_it() -> None:
    fuse = Fuse()
    feed(fuse, "x" * 19)
    assert not fuse.is_open
    feed(fuse, "x")
    assert fuse.is_open


def test_while_open_nothing_passes_and_after_the_cool_down_exactly_one_does() -> None:
    fuse = Fuse()
    feed(fuse, "x" * 20)
    first, second = object(), object()
    assert not fuse.admits(first, now_s=COOL_DOWN_S - 1)
    assert fuse.admits(first, now_s=COOL_DOWN_S)
    assert fuse.admits(first, now_s=COOL_DOWN_S)  # its own retries pass as well
    assert not fuse.admits(second, now_s=COOL_DOWN_S)


def test_a_probe_that_succeeds_closes_it_and_forgets_the_failures() -> None:
    fuse = Fuse()
    feed(fuse, "x" * 20)
    probe = object()
    assert fuse.admits(probe, now_s=COOL_DOWN_S)
    fuse.record(probe, failed=False, now_s=COOL_DOWN_S)
    feed(fuse, "x" * 19, now_s=COOL_DOWN_S)
    assert not fuse.is_open


def test_a_probe_that_fails_opens_it_for_another_cool_down() -> None:
    fuse = Fuse()
    feed(fuse, "x" * 20)
    probe = object()
    assert fuse.admits(probe, now_s=COOL_DOWN_S)
    fuse.record(probe, failed=True, now_s=COOL_DOWN_S)
    assert not fuse.admits(object(), now_s=2 * COOL_DOWN_S - 1)
    assert fuse.admits(object(), now_s=2 * COOL_DOWN_S)


@pytest.mark.parametrize("failed", [True, False])
def test_messages_that_were_under_way_when_it_opened_decide_nothing(failed: bool) -> None:
    fuse = Fuse()
    feed(fuse, "x" * 20)
    fuse.record(object(), failed=failed, now_s=1.0)
    assert not fuse.admits(object(), now_s=COOL_DOWN_S - 1)
    assert fuse.admits(object(), now_s=COOL_DOWN_S)


def test_a_probe_that_ends_without_an_outcome_gives_its_place_back() -> None:
    fuse = Fuse()
    feed(fuse, "x" * 20)
    probe, other = object(), object()
    assert fuse.admits(probe, now_s=COOL_DOWN_S)
    fuse.release(other)
    assert not fuse.admits(other, now_s=COOL_DOWN_S)
    fuse.release(probe)
    assert fuse.admits(other, now_s=COOL_DOWN_S)
