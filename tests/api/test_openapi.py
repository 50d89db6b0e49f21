"""docs/openapi.yaml is true: it is well-formed, and its examples do what it says."""

import json
from pathlib import Path
from urllib.parse import quote

import jsonschema
import pytest
import yaml

from kilntest.requests import multipart, tar
from kilntest.settings import ROOT

PAGE = yaml.safe_load(Path(ROOT, "docs", "openapi.yaml").read_text())
POST = PAGE["paths"]["/v1/runs"]["post"]
METHODS = {"get", "post", "put", "delete", "patch"}

# What differs from run to run, and what the compiler's version or the host decides.
VOLATILE = {
    "id", "image", "wall_ms", "cpu_ms", "memory_peak_bytes", "processes_peak", "timing", "used", "enforced_by", "explanation",
    "unenforced",
}
# Of these examples the stderr is the compiler's.
COMPILER_SPEAKS = {"compile_failed"}

PROGRAM = {"main.py": b"print('from the archive')\n"}


def resolve(node):
    while isinstance(node, dict) and "$ref" in node:
        target = PAGE
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        node = target
    return node


def walk(node):
    yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(child)


def operations():
    for path, item in PAGE["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, method, operation


def validate(document, schema):
    whole = {**schema, "components": PAGE["components"]}
    jsonschema.Draft202012Validator(whole).validate(document)


def response_schema(operation, status):
    response = resolve(operation["responses"][str(status)])
    return response["content"]["application/json"]["schema"]


def example_answer(name):
    """The status and document that the page shows for a request example, or 200 and None."""
    for status, response in POST["responses"].items():
        content = resolve(response).get("content", {}).get("application/json", {})
        if name in content.get("examples", {}):
            return int(status), content["examples"][name]["value"]
    return 200, None


def steady(node):
    """The document without what differs from run to run."""
    if isinstance(node, dict):
        return {key: steady(value) for key, value in node.items() if key not in VOLATILE}
    return [steady(child) for child in node] if isinstance(node, list) else node


JSON_EXAMPLES = POST["requestBody"]["content"]["application/json"]["examples"]
RAW_EXAMPLE = POST["parameters"][0]["content"]["application/json"]["examples"]["raw_archive"]["value"]


def test_every_reference_leads_somewhere():
    references = [node for node in walk(PAGE) if isinstance(node, dict) and isinstance(node.get("$ref"), str)]
    assert references
    for reference in references:
        assert isinstance(resolve(reference), dict), reference


def test_every_schema_is_one():
    for schema in PAGE["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_operations_have_names_of_their_own():
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    assert all(operation["summary"] and operation["responses"] for _, _, operation in operations())


@pytest.mark.parametrize("name", JSON_EXAMPLES)
def test_example_gives_what_the_page_says(name, server):
    request = JSON_EXAMPLES[name]["value"]
    status, shown = example_answer(name)
    answer = server.post(request)
    assert answer.status == status, answer
    validate(answer.json(), response_schema(POST, status))
    if status == 200:
        validate(request, POST["requestBody"]["content"]["application/json"]["schema"])
    assert shown, f"the page shows no answer to {name}"
    validate(shown, response_schema(POST, status))
    seen, expected = steady(answer.json()), steady(shown)
    if name in COMPILER_SPEAKS:
        assert seen["steps"][0].pop("stderr") and expected["steps"][0].pop("stderr")
    assert seen == expected


@pytest.mark.parametrize("content_type, compress", [("application/gzip", "gz"), ("application/x-tar", "")])
def test_a_raw_archive_runs_with_the_query_example(content_type, compress, server):
    answer = server.request(
        "POST", "/v1/runs?run=" + quote(json.dumps(RAW_EXAMPLE)), tar(PROGRAM, compress), {"Content-Type": content_type}
    )
    assert answer.status == 200, answer
    validate(answer.json(), response_schema(POST, 200))
    assert answer.json()["steps"][0]["stdout"] == "from the archive\n"


def test_multipart_runs_with_the_query_example(server):
    body, content_type = multipart(
        [
            ("run", "application/json", json.dumps(RAW_EXAMPLE).encode()),
            ("archive", "application/octet-stream", tar(PROGRAM, "gz")),
        ]
    )
    answer = server.request("POST", "/v1/runs", body, {"Content-Type": content_type})
    assert answer.status == 200, answer
    assert answer.json()["steps"][0]["stdout"] == "from the archive\n"


@pytest.mark.parametrize(
    "path", [path for path, method, operation in operations() if method == "get" and "200" in operation["responses"] and path != "/assets/{name}" and "/{id}" not in path]
)
def test_get_answers_as_its_schema_says(path, server):
    answer = server.get(path.replace("/images/{name}", "/images/host"))
    assert answer.status == 200, answer
    content = resolve(PAGE["paths"][path]["get"]["responses"]["200"])["content"]
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in content, f"{path} answers with {kind}"
    if kind == "application/json":
        validate(answer.json(), content[kind]["schema"])
    else:
        assert answer.body


def test_limits_are_those_of_the_server(server):
    """The page's ceilings are the ones that a server without settings has; its minimum is taken, one less is not."""
    limits = PAGE["components"]["schemas"]["Limits"]["properties"]
    for name, limit in limits.items():
        request = {"image": "host", "steps": [{"name": "run", "command": ["true"]}]}
        server.refuse({**request, "limits": {name: limit["maximum"] + 1}}, 422, f"limits.{name}")
        if limit["minimum"] > 1:
            server.refuse({**request, "limits": {name: limit["minimum"] - 1}}, 422, f"limits.{name}")
