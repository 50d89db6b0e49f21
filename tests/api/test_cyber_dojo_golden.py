"""What cyber-dojo's own runner answered, recorded (cyber-dojo/golden.json), and what kiln answers to the same."""

import json
import re
from pathlib import Path

import pytest

from kilntest.dojo import Dojo, import_images
from kilntest.server import Home, Server
from kilntest.settings import ENGINE, runs_as_root

GOLDEN = json.loads((Path(__file__).parent / "cyber-dojo/golden.json").read_text())
LIGHTS = {
    "green": "lambda { |stdout, stderr, status| :green }\n",
    "strlambda": "lambda { |stdout, stderr, status| 'red' }\n",
    "bashless": "lambda { |stdout, stderr, status| :green }\n",
}
LONG = "./" + "/".join(["p" * 50] * 4) + "/f\n"


def ran(stdout="", created=None):
    """The answer to a run that ended well."""
    streams = {"stdout": {"content": stdout, "truncated": False}, "stderr": {"content": "", "truncated": False}}
    created = {name: {"content": text, "truncated": False} for name, text in (created or {}).items()}
    return {"run_cyber_dojo_sh": {**streams, "status": "0", "outcome": "green", "log": {}, "created": created, "changed": {}}}


def exception(case, message):
    return {"exception": {**case["response"]["exception"], "message": message}}


def own_words(case):
    """The recorded answer with kiln's words on the lambda in place of Ruby's."""
    response = json.loads(json.dumps(case["response"]))
    response["run_cyber_dojo_sh"]["log"]["exception"]["message"] = ["line 1, column 1: undefined method 'xlambda'"]
    return response


# What is answered otherwise, and how; docs/dialects.md says why.
DIFFERENT = {
    "run_max_seconds_nil": lambda case: (400, case["response"]),
    "manifest_lambda_null": lambda case: (400, exception(case, "rag_lambda is not a String")),
    "manifest_lambda_bad": lambda case: (200, own_words(case)),
    "incoming_path_200": lambda case: (200, ran(stdout="./cyber-dojo.sh\n" + LONG)),
    "created_invalid_utf8_name": lambda case: (200, ran(created={"bad\\xff.txt": "xx"})),
}


@pytest.fixture(scope="module")
def dojo():
    home = Home()
    import_images(home, LIGHTS, bashless=["bashless"])
    server = Server(home=home).start()
    yield Dojo(server, "/dialects/cyber-dojo")
    server.stop()
    home.cleanup()


def steady(value):
    """Without what differs from run to run: process ids and backtraces."""
    if isinstance(value, dict):
        return {key: steady(one) for key, one in value.items() if key != "backtrace"}
    return re.sub(r"^pid \d+", "pid N", value) if isinstance(value, str) else value


@pytest.mark.parametrize("name", GOLDEN)
def test_a_recorded_call_is_answered_as_it_was(dojo, name):
    case = GOLDEN[name]
    status, response = DIFFERENT.get(name, lambda case: (case["http_status"], case["response"]))(case)
    answer = dojo.raw(case["path"], case["request"])
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    ours = steady(answer.json())
    if name == "incoming_path_200":  # find's order is the file system's
        ours["run_cyber_dojo_sh"]["stdout"]["content"] = "".join(
            sorted(ours["run_cyber_dojo_sh"]["stdout"]["content"].splitlines(keepends=True))
        )
    if name == "ulimits" and (ENGINE == "gvisor" or not runs_as_root()):  # without a cgroup for processes the rlimit is what holds them
        told = ours["run_cyber_dojo_sh"]["stdout"]
        told["content"] = re.sub(r"(processes \(-u\)) 12[789]\n", r"\1 1024\n", told["content"])
    assert ours == steady(response)


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_is_different_is_a_recorded_call(name):
    assert name in GOLDEN
