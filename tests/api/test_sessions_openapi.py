"""What docs/openapi.yaml says of sessions is true."""

import pytest
from test_openapi import PAGE, resolve, response_schema, validate

from kilntest.sessions import Session
from kilntest.settings import NO_USER_IDS, has_user_ids

pytestmark = pytest.mark.skipif(not has_user_ids(), reason=NO_USER_IDS)


def example(path, method, name):
    return PAGE["paths"][path][method]["requestBody"]["content"]["application/json"]["examples"][name]["value"]


def schema(path, method, status):
    return resolve(PAGE["paths"][path][method]["responses"][str(status)])["content"]["application/json"]["schema"]


@pytest.fixture(scope="module")
def dojo(server):
    session = Session(server, **example("/v1/sessions", "post", "dojo"))
    validate(session.made, schema("/v1/sessions", "post", 201))
    session.call("POST", session.path + "/users", example("/v1/sessions/{id}/users", "post", "lion"), status=201)
    session.call("POST", session.path + "/runs", {"user": "lion", "command": ["true"]})
    yield session
    session.remove()


def test_a_run_is_as_the_page_says(dojo):
    request = example("/v1/sessions/{id}/runs", "post", "run")
    validate(request, PAGE["components"]["schemas"]["SessionRunRequest"])
    result = dojo.call("POST", dojo.path + "/runs", request)
    validate(result, schema("/v1/sessions/{id}/runs", "post", 200))
    assert list(result["files"]["created"]) == ["out.txt"]


@pytest.mark.parametrize(
    "path", [path for path, item in PAGE["paths"].items() if path.startswith("/v1/sessions") and "get" in item]
)
def test_every_get_is_as_the_page_says(path, dojo):
    number = dojo.call("GET", dojo.path + "/runs")["runs"][-1]["number"]
    here = path.replace("{id}", dojo.id).replace("{name}", "lion").replace("{number}", str(number)) + ("?wait_ms=0" if path.endswith("events") else "")
    validate(dojo.call("GET", here), schema(path, "get", 200))


def test_prolonging_finishing_and_forking_are_as_the_page_says(dojo):
    validate(dojo.call("PUT", dojo.path, example("/v1/sessions/{id}", "put", "prolong")), schema("/v1/sessions/{id}", "put", 200))
    fork = dojo.call("POST", dojo.path + "/fork", {}, status=201)
    validate(fork, schema("/v1/sessions/{id}/fork", "post", 201))
    forked = Session.found(dojo.server, fork["id"])
    validate(forked.call("POST", forked.path + "/finish"), schema("/v1/sessions/{id}/finish", "post", 200))
    validate(forked.call("POST", forked.path + "/reopen"), schema("/v1/sessions/{id}/reopen", "post", 200))
    forked.remove()


def test_a_refusal_is_as_the_page_says(dojo):
    answer = dojo.answer("POST", "/v1/sessions", {"id": dojo.id, "image": "host"})
    assert answer.status == 409
    validate(answer.json(), response_schema(PAGE["paths"]["/v1/sessions"]["post"], 409))
