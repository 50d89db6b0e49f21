"""What a node says about itself."""

import json
import re
import subprocess

import pytest

from kilntest.requests import command
from kilntest.server import identity
from kilntest.settings import ENGINE, KILN, seconds

LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(
    rf"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{{{LABEL}(?:,{LABEL})*,?\}})? "
    r"(-?(?:[0-9.]+(?:[eE][+-]?[0-9]+)?|Inf)|NaN)( [0-9]+)?$"
)


def metrics(server):
    """{name with labels: value}, after checking every line."""
    answer = server.get("/metrics")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain")
    found, typed = {}, {}
    for line in answer.body.decode().splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert kind in ("counter", "gauge", "histogram", "summary", "untyped") and name not in typed, line
            typed[name] = kind
        elif line and not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, line
            key = match[1] + (match[2] or "")
            assert key not in found, line
            found[key] = float(match[3])
            assert re.sub(r"_(bucket|sum|count)$", "", match[1]) in typed or match[1] in typed, line
    return found


def test_alive_and_ready_say_yes(server):
    assert server.get("/alive").status == 200
    assert server.get("/ready").status == 200


def test_languages_say_what_a_client_needs(server):
    document = server.get("/v1/languages").json()
    languages = document["languages"] if isinstance(document, dict) else document
    ids = [language["id"] for language in languages]
    assert ids == sorted(ids) and len(ids) >= 6
    for language in languages:
        assert {"id", "name", "version", "image"} <= set(language), language
        assert isinstance(language["id"], str) and language["image"]


def test_images_name_the_host_with_its_digest(server):
    document = server.get("/v1/images").json()
    images = document["images"] if isinstance(document, dict) else document
    assert "host" in [image["name"] for image in images]
    assert "sha256:" in json.dumps(images)


def test_the_image_of_a_run_is_the_one_listed(server):
    name = server.run(command("true"))["image"]
    assert re.fullmatch(r"host@sha256:[0-9a-f]{64}", name)
    assert name.split("@")[1] in server.get("/v1/images").body.decode()


def test_a_run_can_name_the_image_by_its_digest(server):
    name = server.run(command("true"))["image"]
    assert server.run(command("true", image=name))["outcome"] == "ok"


def test_the_node_says_version_engine_and_what_it_enforces(server):
    node = server.get("/v1/node").json()
    assert re.match(r"\d+\.\d+", node["version"])
    assert "native" in json.dumps(node["engine"])
    assert "enforce" in json.dumps(node)


def test_the_node_and_a_run_agree_on_what_is_not_enforced(server, unenforced):
    node = server.get("/v1/node").body.decode()
    for name in unenforced:
        assert name in node


def test_metrics_are_prometheus_and_count_runs(server):
    before = metrics(server)
    for _ in range(3):
        server.run(command("true"))
    server.run(command("false"))
    after = metrics(server)
    grown = {name for name in after if after[name] - before.get(name, 0) >= 4}
    assert any("run" in name for name in grown), grown
    assert all(name.startswith(("kiln_", "process_", "http_")) for name in after)


def test_metrics_tell_outcomes_apart(server):
    before = metrics(server)
    server.run(command("false"))
    after = metrics(server)
    grown = [name for name in after if after[name] > before.get(name, 0) and "failed" in name]
    assert grown


@pytest.mark.parametrize("path", ["/alive", "/ready", "/v1/languages", "/v1/images", "/v1/node", "/metrics"])
def test_a_query_that_nobody_asked_for_does_no_harm(server, path):
    assert server.get(path + "?x=" + "y" * 500).status in (200, 400)


def test_the_doctor_s_findings_are_told(server):
    findings = {one["name"]: one for one in server.get("/v1/node").json()["findings"]}
    assert {"privilege", "cgroups", "memory limit", "processes limit", "own uids", "overlay"} <= set(findings)
    for one in findings.values():
        assert one["status"] in ("present", "degraded", "missing") and one["why"]
        assert (one["mend"] is None) == (one["status"] == "present"), one


@pytest.mark.skipif(ENGINE != "native", reason="in containers: the doctor looks at this host, not at a daemon's")
def test_they_are_what_the_doctor_says_now(server):
    findings = {one["name"]: one["status"] for one in server.get("/v1/node").json()["findings"]}
    done = subprocess.run([KILN, "doctor", "--json"], env=server.home.environment(), cwd="/", capture_output=True, timeout=seconds(60), check=False, **identity())
    doctor = {one["name"]: one["status"] for one in json.loads(done.stdout)["checks"]}
    assert {"kernel", "seccomp", "landlock", "namespaces"} <= set(findings)
    assert {name: doctor.get(name) for name in findings if name != "leftovers"} == {name: status for name, status in findings.items() if name != "leftovers"}
