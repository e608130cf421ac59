"""The blacklist agent only sets, and only a higher version: a replay leaves the table as it is."""

from collections.abc import MutableMapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.blacklist import blacklist_route
from agents.evaluate import BLACKLIST
from budsim.core.search.part import Blacklist
from budsim.stream.codec import Codec, Received, Record
from tests.support.search_fakes import make_entry, make_part
from topics.blacklist_updates import BlacklistUpdated

KEY = "c1|cuda"


class SetOnly(MutableMapping[bytes, bytes]):
    """A table that takes nothing but set and get, and counts what it is asked to write."""

    def __init__(self) -> None:
        self.content: dict[bytes, bytes] = {}
        self.writes = 0

    def __getitem__(self, key: bytes) -> bytes:
        return self.content[key]

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.content[key] = value
        self.writes += 1

    def __delitem__(self, key: bytes) -> None:
        raise AssertionError("a table is only set")

    def __iter__(self) -> Any:
        raise AssertionError("a table is read by key")

    def __len__(self) -> int:
        raise AssertionError("a table is read by key")


def update(version: int) -> Blacklist:
    """Return a set of as many entries as its version says."""
    part = make_part()
    return Blacklist(key=KEY, version=version, entries=tuple(make_entry(part, tensor_parallel=2**n) for n in range(version)))


async def play(versions: list[int]) -> SetOnly:
    table = SetOnly()
    route = blacklist_route(table, Codec(BlacklistUpdated, max_value_bytes=10**6))
    record = Record(topic="t", partition=0, offset=0, key=KEY.encode(), value=b"", headers=())
    for version in versions:
        assert await route.handle(Received(record=record, event=BlacklistUpdated(blacklist=update(version)))) == ()
    return table


@given(st.lists(st.integers(min_value=1, max_value=6), min_size=1, max_size=8))
async def test_whatever_comes_in_whatever_order_the_highest_version_stands_whole(versions: list[int]) -> None:
    table = await play(versions)
    assert BLACKLIST.validate_json(table.content[KEY.encode()]) == update(max(versions))


async def test_a_replayed_older_or_equal_update_writes_nothing() -> None:
    assert (await play([3])).writes == 1
    assert (await play([3, 1, 2, 3])).writes == 1
    assert (await play([3, 1, 2, 3, 4])).writes == 2
