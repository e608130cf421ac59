"""What PostgreSQL and Kafka might choke on is answered all the same, and what was accepted is stored."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from yarl import URL

from budsim.config import Settings
from tests.support.web_bodies import ANY_JSON, CLUSTER, FEEDBACK, WHOLE, nearly
from tests.support.web_caller import WebCaller, calling

FUZZ = hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
BODIES = {"/simulator/run": WHOLE, "/feedback": FEEDBACK, "/clusters/c1": CLUSTER}


class Loop:
    """Runs a caller from a test that is not a coroutine."""

    def __init__(self, made: Settings) -> None:
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._caller: WebCaller = self.run(self._stack.enter_async_context(calling(made)))

    def run(self, work):
        return self._loop.run_until_complete(work)

    def call(self, method: str, path: "str | URL", **more: object):
        return self.run(self._caller.call(method, path, **more))

    def close(self) -> None:
        self.run(self._stack.aclose())
        self._loop.close()


@pytest.fixture
def loop(settings: Settings) -> Iterator[Loop]:
    made = Loop(settings)
    yield made
    made.close()


def test_any_body_is_answered_and_stored(loop: Loop):
    @FUZZ
    @given(path=st.sampled_from(sorted(BODIES)), data=st.data())
    def sends(path: str, data: st.DataObject) -> None:
        body = data.draw(ANY_JSON | nearly(BODIES[path]))
        if isinstance(body, dict):
            body.pop("workflow_id", None)
        status, answer = loop.call("PUT" if path.startswith("/clusters") else "POST", path, data=json.dumps(body).encode())
        assert status < 500, answer
        if status == 202 and path == "/simulator/run":
            assert loop.call("GET", f"/workflow/{answer['workflow_id']}")[0] == 200
            assert loop.call("POST", f"/workflow/{answer['workflow_id']}/cancel")[0] == 200

    sends()


def test_any_parameter_is_answered(loop: Loop):
    names = ("status", "project_id", "cluster_id", "model", "created_from", "created_before", "page")
    values = st.text(max_size=20).filter(str.isprintable) | st.sampled_from(["253402300799", "0", "1000000", "%", "'; --", "\\"])

    @FUZZ
    @given(query=st.dictionaries(st.sampled_from(names), values, max_size=3))
    def asks(query: dict[str, str]) -> None:
        status, answer = loop.call("GET", URL("/workflows").with_query(query))
        assert status in (200, 422), answer

    asks()
