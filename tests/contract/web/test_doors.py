"""Tokens, errors, health and metrics: what holds on every route."""

from uuid import uuid4

import pytest
from yarl import URL

from tests.support.web_fakes import BODY, SECRET, Office

ANY = "3c4f0f43-6f0a-4d0e-9a39-6f8f3f1f0c11"
ROUTES = [
    ("POST", "/simulator/run"),
    ("GET", f"/simulator/recommendations?workflow_id={ANY}"),
    ("GET", "/workflows"),
    ("GET", f"/workflow/{ANY}"),
    ("POST", f"/workflow/{ANY}/cancel"),
    ("POST", "/feedback"),
    ("GET", "/clusters/c1"),
    ("PUT", "/clusters/c1"),
    ("DELETE", "/clusters/c1"),
    ("GET", "/nowhere"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Digest {SECRET}"},
        {"Authorization": SECRET},
        {"dapr-api-token": "wrong"},
        {"Cookie": f"budsim_token={SECRET}"},
    ],
)
async def test_every_route_wants_a_token_in_a_header(office: Office, method: str, path: str, headers: dict[str, str]):
    async with office.client.request(method, path, headers=headers, json=BODY) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        body = await response.json()
    assert set(body) == {"object", "message", "type", "param", "code"}
    assert (body["object"], body["code"]) == ("error", "access_denied")
    assert office.broker.sent == []


async def test_a_token_in_the_address_is_no_token(office: Office):
    assert (await office.call("GET", f"/workflows?token={SECRET}", token=None))[0] == 401


@pytest.mark.parametrize(
    "headers", [{"Authorization": f"Bearer {SECRET}"}, {"Authorization": f"bearer  {SECRET} "}, {"dapr-api-token": SECRET}]
)
async def test_both_headers_are_understood(office: Office, headers: dict[str, str]):
    assert (await office.call("GET", "/workflows", token=None, headers=headers))[0] == 200


async def test_a_revoked_token_is_shut_out_at_once(office: Office):
    assert (await office.call("GET", "/workflows"))[0] == 200
    del office.store.tokens[SECRET]
    assert (await office.call("GET", "/workflows"))[0] == 401


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_health_is_open_to_all_and_false_when_a_dependency_is_away(office: Office, path: str):
    assert await office.call("GET", path, token=None) == (200, {"object": "health", "checks": {"postgresql": True, "kafka": True}})
    office.checks["kafka"] = False
    assert (await office.call("GET", path, token=None))[0] == 503


async def test_metrics_count_requests_by_route_and_never_by_what_callers_write(office: Office):
    workflow_id = uuid4()
    await office.call("GET", f"/workflow/{workflow_id}")
    async with office.client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain")
        text = await response.text()
    assert 'budsim_http_requests_total{method="GET",route="/workflow/{id}",status="404"}' in text
    assert "budsim_http_waiting 0.0" in text
    assert str(workflow_id) not in text


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/workflows", 405, "method_not_allowed"),
        ("GET", "/feedback", 405, "method_not_allowed"),
    ],
)
async def test_what_does_not_exist_is_an_error_of_the_same_shape(office: Office, method: str, path: str, status: int, kind: str):
    found, body = await office.call(method, path)
    assert (found, body["object"], body["type"]) == (status, "error", kind)


@pytest.mark.parametrize("path", ["/workflows?model=%00", "/clusters/a%00b", "/workflows?%00=1"])
async def test_text_that_cannot_be_stored_is_refused(office: Office, path: str):
    status, body = await office.call("GET", URL(path, encoded=True))
    assert (status, body["object"]) == (422, "error")


async def test_postgresql_away_is_unavailable_on_every_route(office: Office):
    office.store.away = True
    for method, path in ROUTES:
        status, body = await office.call(method, path, json=BODY)
        assert (status, body["code"]) == (503, "unavailable")


async def test_the_publisher_is_closed_with_the_application(office: Office):
    await office.client.close()
    assert office.broker.stopped
    assert office.news.closed
