"""POST, GET and DELETE /v1/images: jobs with and without watchers, what ends them, what is refused, what hostile archives do."""

import contextlib
import http.client
import json
import os
import signal
import tarfile

import pytest

from kilntest import host
from kilntest.images import SHELL, Registry, Tarpit, oci, rootfs
from kilntest.requests import member, tar
from kilntest.settings import seconds

pytestmark = pytest.mark.skipif(not SHELL.exists(), reason="needs busybox-static")

JSON = {"Content-Type": "application/json"}
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture
def own(mortal):
    """A server of the test's own, which must end well."""
    server = mortal().start()
    yield server
    if server.process.poll() is None:
        server.stop()


@pytest.fixture
def tarpit():
    with Tarpit() as tarpit:
        yield tarpit


def make(server, document, headers=None):
    return server.request("POST", "/v1/images", json.dumps(document).encode(), {**JSON, **(headers or {})})


def upload(server, name, data, headers=None):
    return server.request("POST", f"/v1/images?name={name}", data, {"Content-Type": "application/x-tar", **(headers or {})})


def events_of(text):
    """The events of a stream, as pairs; comments are none."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    for block in blocks:
        name, data = block.split("\n")
        yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


@contextlib.contextmanager
def watching(server, document):
    """A client that watches, with the response whose first event has come."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=seconds(60))
    try:
        connection.request("POST", "/v1/images", json.dumps(document), {**JSON, **EVENTS})
        response = connection.getresponse()
        assert response.status == 200 and response.getheader("Content-Type") == "text/event-stream"
        assert response.readline() == b"event: progress\n"
        yield response
        response.close()
    finally:
        connection.close()


def state_of(server, name):
    answer = server.get(f"/v1/images/{name}")
    return answer.json()["state"] if answer.status == 200 else answer.status


def becomes(server, name, state):
    host.wait_until(lambda: state_of(server, name) == state, 30, lambda: f"{name} is {server.get('/v1/images/' + name)}")


def fetching(server):
    return [pid for pid in host.descendants(server.pid) if host.status_of(pid).get("Name") == "skopeo"]


def shell(image, script):
    return {"image": image, "steps": [{"name": "run", "command": ["sh", "-c", script]}]}


def half_made(server):
    """What the store holds that is no image."""
    home = server.home
    state = next(path for path in (home.path / "state", home.home / "state/kiln") if path.exists()) / "images"
    return [*(state / "work").iterdir(), *(state / "names").glob(".*")]


def test_an_archive_becomes_an_image_that_runs_and_goes(own):
    answer = upload(own, "lessons/tiny", tar(oci([rootfs({"etc/made": b"sent"})], Env=["FOO=bar"])), EVENTS)
    assert answer.status == 200, answer
    events = list(events_of(answer.body.decode()))
    assert [name for name, _ in events][-1] == "done" and {name for name, _ in events} == {"progress", "done"}
    image = events[-1][1]
    assert image["name"] == "lessons/tiny" and image["state"] == "stored" and image["env"] == ["FOO=bar"]
    result = own.run(shell("lessons/tiny", "cat /etc/made; echo $FOO"))
    assert result["steps"][0]["stdout"] == "sentbar\n" and result["image"] == "lessons/tiny@" + image["digest"]
    assert own.get("/v1/images/lessons%2Ftiny").json()["digest"] == image["digest"]
    assert own.request("DELETE", "/v1/images/lessons/tiny").json() == {"name": "lessons/tiny", "state": "removed"}
    assert own.get("/v1/images/lessons/tiny").status == 404
    assert own.request("DELETE", "/v1/images/lessons/tiny").status == 404
    own.refuse(shell("lessons/tiny", "true"), 404)


def test_an_image_is_pulled_while_the_server_runs(own):
    with Registry(own.home) as registry:
        registry.push("lessons/tiny:1", oci([rootfs({"etc/made": b"pushed"})]))
        answer = make(own, {"source": f"docker://{registry.address}/lessons/tiny:1", "name": "tiny"})
        assert answer.status == 202 and answer.headers["location"] == "/v1/images/tiny", answer
        assert answer.json()["kind"] == "pull" and answer.json()["state"] in ("waiting", "running")
        becomes(own, "tiny", "stored")
        assert own.run(shell("tiny", "cat /etc/made"))["steps"][0]["stdout"] == "pushed"
        answer = make(own, {"source": f"docker://{registry.address}/lessons/none:1"}, EVENTS)
        name, data = list(events_of(answer.body.decode()))[-1]
        assert name == "error" and "manifest unknown" in data["error"]["message"]
        assert state_of(own, f"{registry.address}/lessons/none:1") == "failed"
        listed = own.get("/v1/images").json()
        assert [image["name"] for image in listed["images"]] == ["host", "tiny"]
        assert [job["state"] for job in listed["jobs"]] == ["failed"]


def test_who_asks_for_the_same_joins_and_the_last_watcher_ends_it(own, tarpit):
    document = {"source": f"docker://{tarpit.address}/a"}
    with watching(own, document):
        assert tarpit.asked.wait(seconds(20))
        with watching(own, document):
            assert len(own.get("/v1/images").json()["jobs"]) == 1
        assert state_of(own, f"{tarpit.address}/a") == "running"
    becomes(own, f"{tarpit.address}/a", "cancelled")
    assert not fetching(own) and not half_made(own)


def test_a_job_that_nobody_watches_goes_on_until_it_is_deleted(own, tarpit):
    name = f"{tarpit.address}/b"
    assert make(own, {"name": name}).status == 202
    with watching(own, {"name": name}):
        pass
    assert tarpit.asked.wait(seconds(20))
    assert state_of(own, name) == "running"
    assert make(own, {"name": name, "source": f"docker://{tarpit.address}/c"}).error()["code"] == "image_busy"
    assert own.request("DELETE", f"/v1/images/{name}").json()["state"] == "cancelled"
    becomes(own, name, "cancelled")
    assert not fetching(own)


def test_images_beyond_what_may_wait_are_refused(own, tarpit):
    answers = [make(own, {"name": f"{tarpit.address}/many{i}"}) for i in range(19)]
    assert [answer.status for answer in answers] == [202] * 18 + [503]
    assert answers[-1].error()["code"] == "images_busy" and int(answers[-1].headers["retry-after"]) > 0
    assert own.run({"image": "host", "steps": [{"name": "run", "command": ["true"]}]})["outcome"] == "ok"


def test_an_image_that_a_run_uses_is_not_removed(own):
    upload(own, "tiny", rootfs(), EVENTS)
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", own.port, timeout=seconds(60))) as connection:
        connection.request("POST", "/v1/runs", json.dumps({**shell("tiny", "echo here; sleep 30"), "limits": {"wall_ms": 30000}}), JSON)
        host.wait_until(lambda: any(host.status_of(pid).get("Name") == "sleep" for pid in own.sandboxed()), 20, "nothing runs")
        answer = own.request("DELETE", "/v1/images/tiny")
        assert answer.status == 409 and answer.error()["code"] == "image_in_use", answer
    host.wait_until(lambda: own.request("DELETE", "/v1/images/tiny").status == 200, 20, "it is never free")


def test_the_end_of_the_server_ends_what_is_being_made(own, tarpit):
    with watching(own, {"name": f"{tarpit.address}/d"}) as stream:
        assert make(own, {"name": f"{tarpit.address}/e"}).status == 202
        assert tarpit.asked.wait(seconds(20))
        own.terminate()
        assert b"event: error" in stream.read()
    assert own.wait() == 0
    assert not half_made(own)


def test_a_server_that_is_killed_takes_what_is_being_made_along(own, tarpit):
    assert make(own, {"name": f"{tarpit.address}/f"}).status == 202
    assert tarpit.asked.wait(seconds(20))
    everything = host.descendants(own.pid)
    own.process.kill()
    own.process.wait()
    host.wait_until(lambda: not [pid for pid in everything if host.is_alive(pid)], 15, "something lives on")


def test_images_are_made_again_after_the_front_died(own, tarpit):
    assert make(own, {"name": f"{tarpit.address}/g"}).status == 202
    assert tarpit.asked.wait(seconds(20))
    front = own.front_pid()
    os.kill(front, signal.SIGKILL)
    host.wait_until(lambda: own.is_ready() and own.front_pid() != front, 20, "no front comes back")
    assert state_of(own, f"{tarpit.address}/g") == 404
    assert upload(own, "tiny", rootfs(), EVENTS).body.count(b"event: done") == 1
    host.wait_until(lambda: not fetching(own), 20, "what the dead front wanted goes on")


def builder_of(server):
    """The one that leads a session among what its guard has started or taken over."""
    for guard in (pid for pid in host.children(server.pid) if host.name_of(pid) == "kiln-guard"):
        for pid in host.children(guard):
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(pid) == pid and host.is_alive(pid):
                    return pid
    return None


def test_a_builder_that_is_killed_is_started_again_and_its_jobs_end_with_a_clear_error(own, tarpit):
    front, builder, waiting = own.front_pid(), builder_of(own), f"{tarpit.address}/waiting"
    with watching(own, {"name": f"{tarpit.address}/h"}) as stream:
        assert tarpit.asked.wait(seconds(20))
        for name in (f"{tarpit.address}/i", waiting):
            assert make(own, {"name": name}).status == 202
        everything = host.descendants(builder)
        os.kill(builder, signal.SIGKILL)
        events = list(events_of("event: progress\n" + stream.read().decode()))
        assert events[-1][0] == "error" and events[-1][1]["error"]["code"] == "builder_died", events
    host.wait_until(lambda: builder_of(own) not in (None, builder), 20, "no builder comes back")
    assert not [pid for pid in everything if host.is_alive(pid)] and not half_made(own)
    assert own.get(f"/v1/images/{tarpit.address}/i").json()["job"]["error"]["code"] == "builder_died"
    becomes(own, waiting, "running")
    assert own.request("DELETE", f"/v1/images/{waiting}").json()["state"] == "cancelled"
    assert upload(own, "tiny", rootfs(), EVENTS).body.count(b"event: done") == 1
    assert own.run(shell("tiny", "echo well"))["steps"][0]["stdout"] == "well\n"
    assert own.front_pid() == front


def test_a_builder_that_somebody_ends_is_started_again_too(own):
    builder = builder_of(own)
    os.kill(builder, signal.SIGTERM)
    host.wait_until(lambda: builder_of(own) not in (None, builder), 20, "no builder comes back")
    assert upload(own, "tiny", rootfs(), EVENTS).body.count(b"event: done") == 1


def test_a_builder_that_dies_again_and_again_is_given_up_and_runs_go_on(own):
    builder = None
    for _ in range(6):
        host.wait_until(lambda last=builder: builder_of(own) not in (None, last), 20, "no builder comes back")
        builder = builder_of(own)
        os.kill(builder, signal.SIGKILL)
    host.wait_until(lambda: upload(own, "tiny", rootfs()).status == 503, 20, "somebody makes images")
    assert upload(own, "tiny", rootfs()).error()["code"] == "no_builder"
    assert own.run({"image": "host", "steps": [{"name": "run", "command": ["true"]}]})["outcome"] == "ok"


def test_a_damaged_name_hides_no_other_and_can_be_removed(own):
    assert upload(own, "tiny", rootfs(), EVENTS).body.count(b"event: done") == 1
    name = next(own.home.path.rglob("names/tiny.json"))
    name.with_name("broken.json").write_text("{")
    images = {image["name"]: image for image in own.get("/v1/images").json()["images"]}
    assert set(images) == {"host", "tiny", "broken"} and images["broken"]["digest"] is None and images["broken"]["damage"]
    assert state_of(own, "broken") == "damaged"
    assert own.request("DELETE", "/v1/images/broken").status == 200
    assert {image["name"] for image in own.get("/v1/images").json()["images"]} == {"host", "tiny"}


REFUSED = {
    "no JSON": (b"{", 400, None),
    "no object": (b"[]", 400, None),
    "nothing": (b"{}", 400, "source"),
    "an unknown field": (b'{"name":"x","path":"/etc"}', 400, "path"),
    "a number": (b'{"name":1}', 400, "name"),
    "a name twice": (b'{"name":"x","name":"y"}', 400, None),
    "a NUL": (b'{"name":"x\\u0000y"}', 400, "name"),
    "a path": (b'{"name":"../x"}', 422, "name"),
    "the host": (b'{"name":"host"}', 422, "name"),
    "an option": (b'{"name":"x","source":"docker://--help"}', 422, "source"),
    "a shell": (b'{"source":"docker://x;reboot"}', 422, "source"),
    "a file": (b'{"name":"x","source":"/etc/passwd"}', 422, "source"),
    "another transport": (b'{"name":"x","source":"docker-archive:/etc/passwd"}', 422, "source"),
    "no recipe": (b'{"source":"recipe:nothing"}', 404, "source"),
    "a path of a recipe": (b'{"source":"recipe:../images/python"}', 404, "source"),
    "too long a name": (b'{"name":"' + b"x" * 201 + b'"}', 422, "name"),
    "too much": (b'{"name":"' + b"x" * 20000 + b'"}', 413, None),
}


@pytest.mark.parametrize(("body", "status", "field"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused(server, body, status, field):
    answer = server.request("POST", "/v1/images", body, JSON)
    assert answer.status == status and answer.error().get("field") == field, answer
    answer = server.request("POST", "/v1/images", body, {**JSON, **EVENTS})
    assert answer.status == status and answer.headers["content-type"] == "application/json"


def test_other_refusals(server):
    assert server.request("POST", "/v1/images", b"x", {"Content-Type": "text/plain"}).status == 415
    assert server.request("POST", "/v1/images", b"x", {"Content-Type": "application/x-tar"}).error()["field"] == "name"
    assert upload(server, "empty", b"").status == 422
    assert server.request("DELETE", "/v1/images/host").status == 403
    assert server.get("/v1/images/..%2Fnames").status == 422
    assert server.request("PUT", "/v1/images/host").status == 405


def test_only_from_registries_that_are_allowed(mortal, tarpit):
    server = mortal(registries=["docker.io/library", "ghcr.io"]).start()
    answer = make(server, {"name": f"{tarpit.address}/x"})
    assert answer.status == 403 and answer.error()["code"] == "registry_not_allowed", answer
    assert make(server, {"name": "ghcr.io.example.org/x"}).status == 403
    assert not tarpit.asked.is_set()
    server.stop()


HOSTILE = {
    "climbs": {"../../escaped": b"x"},
    "hard link": {"passwd": member("passwd", tarfile.LNKTYPE, "/etc/passwd")},
    "no tar": None,
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(own, members):
    data = tar(oci([rootfs(), tar(members)])) if members else b"no tar at all" * 100
    name, error = list(events_of(upload(own, "bad", data, EVENTS).body.decode()))[-1]
    assert name == "error" and error["error"]["message"]
    assert [image["name"] for image in own.get("/v1/images").json()["images"]] == ["host"]
    assert not half_made(own)
