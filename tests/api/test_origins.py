"""Pages of other sites: what they may not do unasked, and what those may whose origin is allowed."""

import json

import pytest

from kilntest.requests import command

SITE = "https://docs.example.org"
RUN = json.dumps(command("echo", "ran")).encode()
JSON = {"Content-Type": "application/json"}


def run(server, method="POST", path="/v1/runs", body=RUN, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.request(method, path, body, JSON | headers)


@pytest.fixture(scope="module")
def shared(servers):
    return servers(origins=[SITE, "http://localhost:8000"], tokens=["secret"])


@pytest.mark.parametrize("origin", [SITE, "null", "http://127.0.0.1", "http://127.0.0.1:1", "https://127.0.0.1:{port}.evil.org", "file://", ""])
def test_a_page_that_nobody_allowed_runs_nothing(server, origin):
    answer = run(server, Origin=origin.format(port=server.port))
    assert answer.status == 403
    assert answer.error()["code"] == "origin_not_allowed"
    assert "access-control-allow-origin" not in answer.headers


def test_nor_does_a_form_that_needs_no_permission_of_the_browser(server):
    body = b'--x\r\nContent-Disposition: form-data; name="run"\r\n\r\n' + RUN + b"\r\n--x--\r\n"
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert server.request("POST", "/v1/runs", body, form | {"Origin": SITE}).status == 403
    assert server.request("POST", "/v1/runs", body, form).status == 200


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://127.0.0.1:{port}"}, {"Origin": "https://kiln.example.org", "Sec_Fetch_Site": "same-origin"}])
def test_programs_and_the_servers_own_pages_run_as_ever(server, headers):
    answer = run(server, **{name: value.format(port=server.port) for name, value in headers.items()})
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


def test_what_only_reads_is_answered_but_not_shown_to_other_sites(server):
    answer = run(server, "GET", "/v1/languages", None, Origin=SITE)
    assert answer.status == 200 and "access-control-allow-origin" not in answer.headers


def test_an_allowed_page_may_run_and_see_the_answer(shared):
    answer = run(shared, Origin=SITE)
    assert answer.status == 200 and answer.json()["outcome"] == "ok"
    assert answer.headers["access-control-allow-origin"] == SITE
    assert "Origin" in answer.headers["vary"]


def test_an_allowed_page_sees_refusals_too(shared):
    unauthorized = run(shared, Origin=SITE, Authorization="Bearer wrong")
    malformed = run(shared, body=b"{", Origin=SITE)
    assert (unauthorized.status, malformed.status) == (401, 400)
    for answer in (unauthorized, malformed):
        assert answer.headers["access-control-allow-origin"] == SITE


def test_an_allowed_page_may_do_nothing_else(shared):
    assert run(shared, path="/v1/images", Origin=SITE).status == 403
    assert "access-control-allow-origin" not in run(shared, "GET", "/v1/node", None, Origin=SITE).headers


def ask(server, origin, path="/v1/runs"):
    return server.request("OPTIONS", path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})


def test_the_browsers_question_is_answered_without_a_token(shared):
    answer = shared.request("OPTIONS", "/v1/runs", headers={"Origin": SITE, "Access-Control-Request-Method": "POST", "Authorization": ""})
    assert answer.status == 204 and answer.body == b""
    assert answer.headers["access-control-allow-origin"] == SITE
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]


def test_the_browsers_question_is_answered_to_nobody_else(server, shared):
    for answer in (ask(server, SITE), ask(shared, "https://evil.example.org"), ask(shared, SITE, "/v1/images"), ask(shared, SITE, "/v1/node")):
        assert answer.status in (405, 403, 404)
        assert "access-control-allow-origin" not in answer.headers


def test_a_star_allows_all(servers):
    server = servers(origins=["*"])
    assert run(server, Origin="https://any.example.org").headers["access-control-allow-origin"] == "https://any.example.org"
