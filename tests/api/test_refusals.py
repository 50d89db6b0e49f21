"""Malformed and impossible requests: each a clear error naming the field, and the server unharmed."""

import json
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest

from kilntest import settings
from kilntest.requests import b64, command, multipart, python, shell, tar, text

pytestmark = pytest.mark.usefixtures("unharmed_module")


@pytest.fixture(scope="module")
def unharmed_module(server):
    born = (server.pid, server.front_pid())
    yield
    assert (server.pid, server.front_pid()) == born
    assert text(server.run(command("echo", "right"))) == "right\n"


GOOD = shell("echo good")


def names(error, field):
    """Whether an error's field is `field` or a place inside it."""
    said = error.get("field", "")
    return said == field or (said.startswith(field) and said[len(field)] in ".[")


# Syntax


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"}",
        b"[",
        b'{"image":"host",}',
        b"{}{}",
        b"{} x",
        b"{'image':'host'}",
        b'{"limits":{"wall_ms":NaN}}',
        b'{"limits":{"wall_ms":Infinity}}',
        b"\xef\xbb\xbf{}",
        '{"image":"host"}'.encode("utf-16"),
        '{"image":"host"}'.encode("utf-32"),
        b"\0",
        b"{}\0",
        b'{"image":"ho\xffst"}',
        b'{"image":"ho\xc0\xafst"}',
        b'{"image":"\xed\xa0\x80"}',
        b'{"image":"\\ud800"}',
        b'{"image":"\\u12"}',
        b'{"image":"a\nb"}',
        b'{"image":host}',
        b'{"image" "host"}',
        b"{image:1}",
        b"// c\n{}",
        b"/* c */{}",
        b'{"limits":{"wall_ms":01}}',
        b'{"limits":{"wall_ms":+1}}',
        b'{"limits":{"wall_ms":.5}}',
        b'{"limits":{"wall_ms":1e999}}',
        b'{"limits":{"wall_ms":0x10}}',
        b"\x1f\x8b\x08",
        b"{" * 1000,
        b'"unended',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_json_is_malformed(server, body):
    server.refuse(body, 400)


@pytest.mark.parametrize("body", ["null", "true", "17", '"text"', "[]", "[{}]"])
def test_json_that_is_no_object_is_malformed(server, body):
    server.refuse(body, 400)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b"[" * 1_000_000 + b"]" * 1_000_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"nosuchfield":' + b"[" * 500_000 + b"]" * 500_000 + b"}",
        b'{"image":"host","files":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    ],
    ids=["open_arrays", "arrays", "objects", "in_an_unknown_field", "in_files"],
)
def test_deep_nesting_is_refused(server, body):
    server.refuse(body, 400)


@pytest.mark.parametrize(
    "body",
    [
        '{"image":"host","image":"host","steps":[]}',
        '{"image":"host","files":{"a":"1","a":"2"},"steps":[{"name":"r","command":["true"]}]}',
        '{"image":"host","env":{"A":"1","A":"1"},"steps":[{"name":"r","command":["true"]}]}',
        '{"image":"host","limits":{"wall_ms":1000,"wall_ms":1000},"steps":[{"name":"r","command":["true"]}]}',
        '{"image":"host","steps":[{"name":"r","name":"r","command":["true"]}]}',
        '{"image":"host","files":{"a":"1","\\u0061":"2"},"steps":[{"name":"r","command":["true"]}]}',
    ],
    ids=["top", "files", "env", "limits", "steps", "escaped"],
)
def test_a_key_that_stands_twice_is_refused(server, body):
    server.refuse(body, 400)


# Fields

WRONG_TYPES = {
    "null": None,
    "true": True,
    "number": 7,
    "float": 7.5,
    "string": "text",
    "array": [1],
    "object": {"a": 1},
}
FIELDS = {
    "language": {"string"},
    "image": {"string"},
    "files": set(),
    "archive": set(),
    "entry": {"string"},
    "args": set(),
    "stdin": {"string"},
    "env": set(),
    "steps": set(),
    "limits": set(),
    "collect": {"string"},
    "network": set(),
}


@pytest.mark.parametrize(("field", "kind"), [(f, k) for f in FIELDS for k in WRONG_TYPES if k not in FIELDS[f]])
def test_a_field_of_the_wrong_type_is_refused_by_name(server, field, kind):
    document = {"language": "bash", "files": {"main.sh": "echo ran"}, field: WRONG_TYPES[kind]}
    if field == "image":
        del document["language"]
        document["steps"] = [{"name": "run", "command": ["true"]}]
    assert names(server.refuse(document, 400), field)


STEP_FIELDS = {
    "name": {"string"},
    "command": set(),
    "image": {"string"},
    "limits": set(),
    "stdin": {"string"},
    "env": set(),
    "keep": set(),
}


@pytest.mark.parametrize(
    ("field", "kind"), [(f, k) for f in STEP_FIELDS for k in WRONG_TYPES if k not in STEP_FIELDS[f]]
)
def test_a_field_of_a_step_of_the_wrong_type_is_refused_by_name(server, field, kind):
    step = {"name": "run", "command": ["true"], field: WRONG_TYPES[kind]}
    assert names(server.refuse({"image": "host", "steps": [step]}, 400), f"steps[0].{field}")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"nosuchfield": 1}, "nosuchfield"),
        ({"Image": "host"}, "Image"),
        ({"files": {"a": {"content": "x", "colour": "red"}}}, "files"),
        ({"files": {"a": {"encoding": "utf-8"}}}, "files"),
        ({"files": {"a": {"content": "x", "encoding": "latin-1"}}}, "files"),
        ({"files": {"a": {"content": 7}}}, "files"),
        ({"files": {"a": {"content": "x", "mode": "999"}}}, "files"),
        ({"files": {"a": {"content": "x", "mode": "07777777777"}}}, "files"),
        ({"files": {"a": {"content": "x", "mode": "4755"}}}, "files"),
        ({"files": {"a": {"content": "x", "mode": ""}}}, "files"),
        ({"files": {"a": {"content": "x", "mode": "rwx"}}}, "files"),
        ({"files": {"a": {"content": "x", "mode": 420}}}, "files"),
        ({"stdin": {"content": "x", "encoding": "hex"}}, "stdin"),
        ({"stdin": {"content": "x", "more": 1}}, "stdin"),
        ({"stdin": {}}, "stdin"),
        ({"env": {"": "x"}}, "env"),
        ({"env": {"A=B": "x"}}, "env"),
        ({"env": {"A\0B": "x"}}, "env"),
        ({"env": {"A": "x\0y"}}, "env"),
        ({"env": {"A": 1}}, "env"),
        ({"args": ["a\0b"]}, "args"),
        ({"args": [1]}, "args"),
        ({"args": [None]}, "args"),
        ({"steps": [{"name": "run", "command": []}]}, "steps"),
        ({"steps": [{"name": "run", "command": [""]}]}, "steps"),
        ({"steps": [{"name": "run"}]}, "steps"),
        ({"steps": [{"name": "run", "command": ["a\0b"]}]}, "steps"),
        ({"steps": [{"name": "run", "command": "true"}]}, "steps"),
        ({"steps": [{"name": "run", "command": ["true"], "shell": True}]}, "steps"),
        ({"steps": [{"name": "run", "command": ["true"], "keep": [1]}]}, "steps"),
        ({"steps": [{"name": "run", "command": ["true"]}, 7]}, "steps"),
        ({"limits": {"nosuchlimit": 1}}, "limits"),
        ({"collect": "everything"}, "collect"),
        ({"collect": [1]}, "collect"),
        ({"network": "host"}, "network"),
        ({"network": "bridge"}, "network"),
        ({"network": ""}, "network"),
    ],
    ids=lambda value: json.dumps(value)[:70] if isinstance(value, dict) else "",
)
def test_a_wrong_field_is_refused_by_name(server, change, field):
    assert names(server.refuse({**GOOD, **change}, 400), field)


@pytest.mark.parametrize(
    ("document", "statuses", "field"),
    [
        ({}, (400, 422), None),
        ({"files": {"main.py": ""}}, (400, 422), None),
        ({"image": "host"}, (400, 422), "steps"),
        ({"image": "host", "steps": []}, (400, 422), "steps"),
        ({"image": "host", "language": "python", "steps": [{"name": "r", "command": ["true"]}]}, (400, 422), None),
        ({"language": "python"}, (400, 422), None),
        ({"language": "python", "files": {}}, (400, 422), None),
        ({"language": "nosuchlanguage", "files": {"a": ""}}, (404,), "language"),
        ({"image": "nosuchimage", "steps": [{"name": "r", "command": ["true"]}]}, (404,), "image"),
        (
            {
                "image": "host",
                "steps": [{"name": "r", "command": ["true"]}, {"name": "s", "command": ["true"], "image": "gone"}],
            },
            (404,),
            "steps[1].image",
        ),
    ],
    ids=repr,
)
def test_a_request_that_says_too_little_or_the_unknown_is_refused(server, document, statuses, field):
    answer = server.post(document)
    assert answer.status in statuses, answer
    error = answer.error()
    assert field in (None, error.get("field")), error


# Names of files

BAD_NAMES = [
    "../../../../tmp/evil",
    "..",
    ".",
    "a/../b",
    "a/..",
    "a/./b",
    "./a",
    "/etc/cron.d/evil",
    "/sandbox/ok",
    "//a",
    "a//b",
    "a/",
    "",
    "a\0b",
    "x" * 256,
    "d/" * 2500 + "f",
    "\ud800",
    "/",
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: repr(name[:20]))
def test_a_bad_file_name_is_refused_and_nothing_is_written(server, name):
    body = json.dumps({**GOOD, "files": {"main.sh": "echo ran", name: "x"}})
    answer = server.post(body)
    assert answer.status == 400, answer
    if name != "\ud800":
        assert names(answer.error(), "files")
    assert not Path("/tmp/evil").exists()


def test_a_file_name_of_raw_bad_bytes_is_refused(server):
    server.refuse(b'{"image":"host","files":{"a\xff":"x"},"steps":[{"name":"r","command":["true"]}]}', 400)


@pytest.mark.parametrize("files", [{"a": "x", "a/b": "y"}, {"a/b": "y", "a": "x"}, {"a/b/c": "x", "a/b": "y"}])
def test_a_name_that_is_file_and_folder_is_refused(server, files):
    assert names(server.refuse({**GOOD, "files": files}, 400), "files")


# Base64


@pytest.mark.parametrize(
    "content",
    [
        "ab!d",
        "a-b_",
        "YQ",
        "YQ=",
        "YQ===",
        "YQ==YQ==",
        "Y=Q=",
        "Y Q=",
        "YQ==\n",
        "\nYQ==",
        "Y",
        "YWJjZ",
        "YR==",
        "YWJ=",
        "=",
        "====",
        "ÿÿÿÿ",
        "=" * 1_000_000,
    ],
    ids=lambda content: repr(content[:12]),
)
@pytest.mark.parametrize("place", ["files", "stdin", "archive"])
def test_bad_base64_is_refused_by_name(server, content, place):
    value = {"content": content, "encoding": "base64"}
    change = {"files": {"files": {"data": value}}, "stdin": {"stdin": value}, "archive": {"archive": content}}[place]
    assert names(server.refuse({**GOOD, **change}, 400), place)


def test_fifty_megabytes_of_equal_signs_are_refused(server, unharmed):
    body = (
        b'{"image":"host","files":{"a":{"encoding":"base64","content":"'
        + b"=" * 50_000_000
        + b'"}},"steps":[{"name":"r","command":["true"]}]}'
    )
    assert server.post(body).status in (400, 413)


# Images and languages

INJECTIONS = [
    "../../etc",
    "/etc",
    "gcc; touch /tmp/kiln-x",
    "--privileged",
    "-v/:/host",
    "gcc\nFROM x",
    "$(id)",
    "`id`",
    "a" * 10000,
    "UPPER/Case",
    "x@sha256:zz",
    "",
    " ",
    "host ",
    "host\0",
    "host/..",
    "host/../host",
    "ünï",
    "host@sha256:" + "0" * 64,
    "%2e%2e",
    "\\\\host",
    "*",
    "host:latest:x",
]


@pytest.mark.parametrize("name", INJECTIONS, ids=lambda name: repr(name[:20]))
@pytest.mark.parametrize("field", ["image", "language"])
def test_a_name_that_is_none_is_refused_before_any_look_up(server, field, name):
    document = {field: name, "files": {"main.sh": "echo ran"}, "steps": [{"name": "run", "command": ["true"]}]}
    answer = server.post(document)
    assert answer.status in (400, 404), answer
    assert answer.error().get("field") == field
    assert not Path("/tmp/kiln-x").exists()


# Sizes


def test_an_argument_list_that_no_kernel_takes_is_refused_or_fails_cleanly(server):
    answer = server.post(shell("true", args=["x" * 100_000] * 100))
    assert answer.status in (400, 413, 422) or answer.json()["outcome"] in ("ok", "failed"), answer


def test_one_argument_over_the_kernel_s_bound_is_refused_or_fails_cleanly(server):
    answer = server.post(command("echo", "x" * 200_000))
    assert answer.status in (400, 413, 422) or answer.json()["outcome"] in ("failed", "engine_error"), answer


def test_too_many_files_are_refused(server):
    answer = server.post({**GOOD, "files": {f"f{i}": "" for i in range(200_000)}})
    assert answer.status in (400, 413, 422), answer
    assert names(answer.error(), "files")


def test_too_many_steps_are_refused(server):
    answer = server.post({"image": "host", "steps": [{"name": f"s{i}", "command": ["true"]} for i in range(5000)]})
    assert answer.status in (400, 413, 422), answer
    assert names(answer.error(), "steps")


def test_an_error_does_not_echo_the_request(server):
    secret = "x" * 3000
    answer = server.post({**GOOD, secret: 1})
    assert answer.status == 400 and len(answer.body) < 1000


# Content types


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/jsonx", "x", ""]
)
def test_another_content_type_is_refused(server, kind):
    answer = server.request("POST", "/v1/runs", json.dumps(GOOD).encode(), {"Content-Type": kind})
    assert answer.status == 415, answer
    answer.error()


def test_an_encoded_body_is_refused(server):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert server.request("POST", "/v1/runs", json.dumps(GOOD).encode(), headers).status in (400, 415)


RUN_PART = ("run", "application/json", json.dumps(GOOD).encode())


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [("archive", "application/x-tar", b"")],
        [RUN_PART, RUN_PART],
        [RUN_PART, ("nosuchpart", "text/plain", b"x")],
        [("run", "application/json", b"{")],
        [RUN_PART, ("archive", "application/x-tar", b"no archive at all")],
        [RUN_PART, ("archive", "application/x-tar", b""), ("archive", "application/x-tar", b"")],
    ],
    ids=["nothing", "no_run", "run_twice", "unknown_part", "bad_json", "bad_archive", "archive_twice"],
)
def test_a_wrong_form_is_refused(server, parts):
    body, kind = multipart(parts)
    answer = server.request("POST", "/v1/runs", body, {"Content-Type": kind})
    assert answer.status == 400, answer
    answer.error()


@pytest.mark.parametrize("cut", [1, 4, 10, 60, 100])
def test_a_form_that_ends_early_is_refused(server, cut):
    body, kind = multipart([RUN_PART])
    answer = server.request("POST", "/v1/runs", body[:-cut], {"Content-Type": kind})
    assert answer.status == 400, answer


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "b" * 500,
        "multipart/form-data; boundary=other",
        'multipart/form-data; boundary="unended',
    ],
)
def test_a_form_with_a_wrong_boundary_is_refused(server, kind):
    body, _ = multipart([RUN_PART])
    assert server.request("POST", "/v1/runs", body, {"Content-Type": kind}).status in (400, 415)


def test_an_archive_in_json_and_form_at_once_is_refused(server):
    document = json.dumps({**GOOD, "archive": b64(b"x")}).encode()
    body, kind = multipart([("run", "application/json", document), ("archive", "application/x-tar", b"x")])
    assert server.request("POST", "/v1/runs", body, {"Content-Type": kind}).status == 400


@pytest.mark.parametrize("query", ["", "?run=", "?run=%7B", "?run=%ff", "?other=1", "?run=%7B%7D&run=%7B%7D"])
def test_a_raw_archive_without_a_right_run_is_refused(server, query):
    answer = server.request("POST", "/v1/runs" + query, b"x", {"Content-Type": "application/x-tar"})
    assert answer.status in (400, 422), answer
    answer.error()


def test_a_nul_in_the_run_parameter_is_refused(server):
    query = quote(json.dumps({**GOOD, "files": {}})) + "%00garbage"
    answer = server.request(
        "POST", "/v1/runs?run=" + query, tar({"main.sh": b"echo ran"}), {"Content-Type": "application/x-tar"}
    )
    assert answer.status == 400, answer


# Secrets


def test_no_error_names_a_path_of_the_host_or_an_id(server):
    state = str(server.home.path)
    seen = b"".join(
        server.post(document).body
        for document in (
            {**GOOD, "files": {"../x": ""}},
            {"language": "nosuch"},
            {"image": "nosuch", "steps": [{"name": "r", "command": ["x"]}]},
            {**GOOD, "archive": "eA=="},
            command("/no/such"),
            command("./x", files={"x": {"content": "", "mode": "0755"}}),
            "{",
        )
    )
    for word in (state, tempfile.gettempdir() + "/kiln-test", str(settings.ROOT), "/sys/fs/cgroup", ".c:", "0x7f", "/root/"):
        assert word.encode() not in seen, word


def test_a_refused_request_runs_nothing(server):
    before = server.get("/metrics").body
    server.refuse({**GOOD, "nosuchfield": 1}, 400)
    assert server.sandboxed() == [] or before
    assert text(server.run(python("print('still right')"))) == "still right\n"
