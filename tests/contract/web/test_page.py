"""The page at /."""

import re

import pytest

from budsim.services.ports import WorkflowStatus
from tests.support.storage_values import make_request
from tests.support.web_fakes import SECRET, Office

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"


async def sign_in(office: Office, secret: str = SECRET):
    return await office.client.post("/", data={"token": secret}, allow_redirects=False)


async def page(office: Office, query: str = "") -> tuple[int, str]:
    async with office.client.get(f"/{query}") as response:
        return response.status, await response.text()


async def test_without_a_token_the_page_is_a_door_and_shows_nothing(office: Office):
    office.answered(make_request(), "c1")
    status, text = await page(office)
    assert status == 401
    assert '<form class="card" method="post" action="/">' in text
    assert "org/model-8b" not in text


async def test_a_signed_in_person_sees_what_was_recommended_and_what_runs(office: Office):
    office.answered(make_request(project_id="p1"), "c1", "c2")
    office.store.keep(running := make_request())
    office.store.change(running.workflow_id, status=WorkflowStatus.RUNNING, parts_total=8, parts_done=2)
    office.store.keep(failed := make_request())
    office.fail(failed.workflow_id, "does_not_fit")
    assert (await sign_in(office)).status == 303
    status, text = await page(office)
    assert status == 200
    for shown in ("org/model-8b", "project p1", "c1", "c2", "vllm", "TP 1 × PP 1", "ACC-80GB", " ms", "it cannot be done", "2 of 8 parts"):
        assert shown in text
    assert re.search(r'<span class="pill (good|bad)">(met|missed)</span>', text)
    assert '<progress max="100" value="25">' in text


async def test_the_page_looks_again_by_itself_only_while_something_runs(office: Office):
    await sign_in(office)
    assert 'http-equiv="refresh"' not in (await page(office))[1]
    office.store.keep(make_request())
    assert 'http-equiv="refresh"' in (await page(office))[1]


async def test_the_cookie_is_kept_from_scripts_and_other_sites_and_the_token_stands_in_no_address(office: Office):
    response = await sign_in(office)
    cookie = response.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"))
    assert "Secure" not in cookie
    assert response.headers["Location"] == "/"
    text = (await page(office))[1]
    assert SECRET not in text
    behind_tls = await office.client.post("/", data={"token": SECRET}, headers={"X-Forwarded-Proto": "https"}, allow_redirects=False)
    assert "Secure" in behind_tls.headers["Set-Cookie"]


async def test_the_cookie_opens_the_page_and_no_other_route(office: Office):
    await sign_in(office)
    assert (await page(office))[0] == 200
    assert (await office.call("GET", "/workflows", token=None))[0] == 401


async def test_an_unknown_token_stays_outside_and_is_told_so(office: Office):
    response = await sign_in(office, "wrong")
    assert response.status == 401
    assert "Set-Cookie" not in response.headers
    assert "not known" in await response.text()


async def test_who_signs_out_is_outside(office: Office):
    await sign_in(office)
    response = await office.client.post("/", data={"sign_out": "1"}, allow_redirects=False)
    assert response.status == 303
    assert (await page(office))[0] == 401


async def test_a_revoked_token_no_longer_opens_the_page(office: Office):
    await sign_in(office)
    del office.store.tokens[SECRET]
    assert (await page(office))[0] == 401


async def test_the_page_shows_a_token_what_it_may_see(office: Office):
    office.answered(make_request(project_id="p1", model_uri="org/mine"), "c1")
    office.answered(make_request(project_id="p2", model_uri="org/theirs"), "c1")
    await sign_in(office, office.limited(projects={"p1"}))
    text = (await page(office))[1]
    assert "org/mine" in text
    assert "org/theirs" not in text


async def test_a_hostile_name_is_text_and_nothing_else(office: Office):
    request = make_request(model_uri=HOSTILE, project_id=HOSTILE, cluster_id=HOSTILE)
    office.answered(request, HOSTILE)
    office.store.keep(failed := make_request(model_uri=HOSTILE))
    office.fail(failed.workflow_id, "x")
    office.store.change(failed.workflow_id, failure=HOSTILE)
    await sign_in(office)
    text = (await page(office))[1]
    assert "<script" not in text
    assert "<img" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5
    assert "{{7*7}}" in text
    assert "&#34;" in text


async def test_the_page_allows_no_script_no_frame_and_nothing_from_outside(office: Office):
    await sign_in(office)
    async with office.client.get("/") as response:
        policy, text = response.headers["Content-Security-Policy"], await response.text()
        assert response.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    nonce = re.search(r"style-src 'nonce-([^']+)'", policy)
    assert nonce
    assert f'<style nonce="{nonce[1]}">' in text
    assert not re.search(r"(src|href)=\"(https?:)?//|@import|url\(|style=", text)


async def test_older_workflows_are_on_the_next_page(office: Office):
    for number in range(30):
        office.store.keep(make_request(model_uri=f"org/m-{number:02}"))
    await sign_in(office)
    first, second = (await page(office))[1], (await page(office, "?page=2"))[1]
    assert "org/m-29" in first
    assert "org/m-04" not in first
    assert 'href="/?page=2"' in first
    assert "org/m-04" in second
    assert 'href="/?page=1"' in second


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"token=%00", b"token=", b"", b"--x\r\nContent-Disposition: nonsense"])
async def test_a_form_that_is_none_is_only_refused(office: Office, data: bytes):
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
        async with office.client.post("/", data=data, headers={"Content-Type": kind}) as response:
            assert response.status == 401


async def test_a_caller_with_a_header_needs_no_form(office: Office):
    async with office.client.get("/", headers={"Authorization": f"Bearer {SECRET}"}) as response:
        assert response.status == 200
