"""Whatever a caller sends is answered, and never as a fault of ours."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from tests.support.web_bodies import ANY_JSON, CLUSTER, FEEDBACK, WHOLE, nearly
from tests.support.web_fakes import BODY, SECRET, Office, open_office

CALLS = [("POST", "/simulator/run", WHOLE), ("POST", "/feedback", FEEDBACK), ("PUT", "/clusters/c1", CLUSTER)]
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


class Caller:
    """Calls an office from a test that is not a coroutine."""

    def __init__(self, loop: asyncio.AbstractEventLoop, office: Office) -> None:
        self._loop = loop
        self._office = office

    def status(self, method: str, path: "str | URL", *, headers: dict[str, str] | None = None, data: bytes | None = None) -> int:
        async def call() -> int:
            known = {"Authorization": f"Bearer {SECRET}"} | (headers or {})
            async with self._office.client.request(method, path, data=data, headers=known) as response:
                body = await response.read()
                if response.status >= 400:
                    assert json.loads(body)["object"] == "error"
                return response.status

        return self._loop.run_until_complete(call())


@pytest.fixture
def caller() -> Iterator[Caller]:
    loop = asyncio.new_event_loop()
    stack = AsyncExitStack()
    yield Caller(loop, loop.run_until_complete(stack.enter_async_context(open_office())))
    loop.run_until_complete(stack.aclose())
    loop.close()


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_any_json_is_answered_without_a_fault_of_ours(caller: Caller, method: str, path: str, body: dict[str, object]):
    @FUZZ
    @given(value=ANY_JSON | nearly(body))
    def sends(value: object) -> None:
        assert caller.status(method, path, data=json.dumps(value).encode()) < 500

    sends()


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_any_bytes_are_answered_without_a_fault_of_ours(caller: Caller, method: str, path: str, body: dict[str, object]):
    @FUZZ
    @given(value=st.binary(max_size=200), cut=st.integers(0, 100), encoding=st.sampled_from(["", "gzip", "deflate"]))
    def sends(value: bytes, cut: int, encoding: str) -> None:
        text = json.dumps(body).encode()
        headers = {"Content-Encoding": encoding} if encoding else {}
        assert caller.status(method, path, data=text[:cut] + value + text[cut:], headers=headers) < 500

    sends()


def test_any_parameter_is_answered_without_a_fault_of_ours(caller: Caller):
    paths = ("/workflows", "/simulator/recommendations")
    names = ("page", "limit", "status", "model", "created_from", "created_before", "workflow_id", "concurrency", "error_rate_threshold")
    values = st.text(max_size=20) | st.sampled_from(["0", "-1", "1e400", "nan", "²", "%00", "9" * 30, "2026-01-01", "0001-01-01T00:00:00Z"])

    @FUZZ
    @given(path=st.sampled_from(paths), query=st.dictionaries(st.sampled_from(names), values.filter(_writable), max_size=4))
    def asks(path: str, query: dict[str, str]) -> None:
        assert caller.status("GET", URL(path).with_query(query)) < 500

    asks()


def test_any_header_is_answered_without_a_fault_of_ours(caller: Caller):
    texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, blacklist_characters="\x7f"), max_size=300)

    @FUZZ
    @given(
        name=st.sampled_from(["Idempotency-Key", "Authorization", "dapr-api-token", "traceparent", "Cookie", "Content-Type"]), value=texts
    )
    def sends(name: str, value: str) -> None:
        assert caller.status("POST", "/simulator/run", data=json.dumps(BODY).encode(), headers={name: value}) < 500

    sends()


def _writable(text: str) -> bool:
    return text.isprintable()
