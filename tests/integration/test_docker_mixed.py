"""One server with both engines, each image in its own; and images that the daemon pulls, with a real dockerd and a real registry."""

import base64
import crypt
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from kilntest import host
from kilntest.docker import Docker, SlowDaemon, absent, nothing_is_left, volumes_of
from kilntest.requests import command, shell, text
from kilntest.server import Server
from kilntest.sessions import Session
from kilntest.settings import seconds

PATIENCE_S = 60
EVENTS = {"Accept": "text/event-stream"}
PASSWORD = "se:cret"


@pytest.fixture(scope="module")
def docker():
    if why_not := absent("dockerd"):
        pytest.skip(why_not)
    with Docker(options=tls_options, disk="256m") as running:
        for name in ("site/tiny:1", "strict/tiny:1"):
            import_tiny(running, name)
        yield running
    assert not running.folder.exists(), "the daemon's data is left"


def import_tiny(docker, name, mark="x"):
    """An image of one program."""
    docker.run(
        f"folder=$(mktemp -d) && mkdir $folder/bin && cp /bin/busybox $folder/bin && ln -s busybox $folder/bin/sh && "
        f"echo {mark} >$folder/mark && tar -C $folder -c . | docker import - {name} && rm -r $folder"
    )


def make(docker, engine="mixed", own=None, **settings):
    own = {"host": docker.socket, **(own or {})}
    made.append(Server(engine=engine, docker=own, pool_max=1, pool_min=1, **settings))
    return made[-1]


made = []


@pytest.fixture(autouse=True)
def nothing_outlives_its_test():
    """A server that a test has made and not ended, since it failed, ends with it; those of fixtures go on."""
    before = len(made)
    yield
    for server in made[before:]:
        if server.process and server.process.poll() is None:
            server.kill()


def engine_of(server, name):
    return next(one for one in server.get("/v1/node").json()["engines"] if one["name"] == name)


def wait_both(server):
    host.wait_until(lambda: is_well(server), PATIENCE_S, lambda: f"not both are well:\n{server.log()[-2000:]}")


def is_well(server):
    try:
        return server.is_ready() and engine_of(server, "docker")["healthy"]
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(docker):
    server = make(docker, image_engines=["strict/*=docker:other", "site/native*=native"]).spawn()
    wait_both(server)
    wait_listed(server, "site/tiny:1")
    yield server
    server.stop()
    nothing_is_left(docker, server)


def wait_listed(server, name):
    host.wait_until(lambda: name in listed(server), 20, "the image is not seen")


def wait_unlisted(server, name):
    host.wait_until(lambda: name not in listed(server), 20, "the image is still seen")


def listed(server):
    return {image["name"]: image for image in server.get("/v1/images").json()["images"]}


def tiny(script, image="site/tiny:1", **more):
    return {"image": image, "steps": [{"name": "run", "command": ["sh", "-c", script]}], **more}


def test_each_image_runs_in_its_own_engine(server):
    assert text(server.run(command("sh", "-c", "id -un; echo $HOME"))) == "sandbox\n/home/sandbox\n"
    result = server.run(tiny("cat /mark; busybox id -u"))
    mark, uid = text(result).split()
    assert (mark, result["image"].split("@")[0]) == ("x", "site/tiny:1") and int(uid) > 100000, result


def test_a_run_can_go_through_both(server):
    """What one step keeps is a file of the other's, whatever engine made it."""
    steps = [
        {"name": "first", "image": "site/tiny:1", "command": ["sh", "-c", "cat /mark >out; echo 1 >>out"], "keep": ["out"]},
        {"name": "second", "image": "host", "command": ["sh", "-c", "cat out; echo host"]},
    ]
    assert text(server.run({"image": "site/tiny:1", "steps": steps})) == "x\n1\nhost\n"


def test_node_images_and_pools_say_which(server):
    node = server.get("/v1/node").json()
    assert node["engine"]["name"] == "mixed" and [one["name"] for one in node["engines"]] == ["native", "docker"]
    assert all(one["healthy"] for one in node["engines"]), node["engines"]
    images = listed(server)
    assert (images["host"]["engine"], images["site/tiny:1"]["engine"]) == ("native", "docker")
    assert (images["site/tiny:1"]["runtime"], images["strict/tiny:1"]["runtime"]) == (None, "other")
    server.run(tiny("true"))
    pools = {pool["image"].split("@")[0]: pool["engine"] for pool in server.get("/v1/node").json()["pools"]}
    assert (pools["host"], pools["site/tiny:1"]) == ("native", "docker"), pools


def test_an_image_has_the_runtime_that_a_rule_says_by_whatever_name_it_is_asked_for(server, docker):
    """The daemon has no such runtime: its own words show which one it was asked for."""
    id = listed(server)["strict/tiny:1"]["digest"]
    for name in ("strict/tiny:1", id, f"strict/tiny:1@{id}"):
        answer = server.post(tiny("true", name)).json()
        assert answer["outcome"] == "engine_error" and "other" in json.dumps(answer), answer
    assert server.run(tiny("true"))["outcome"] == "ok"


def language(name, **more):
    """A language of a site's own."""
    run = {"command": ["sh", "{entry}"]}
    document = {"id": name, "name": name, "image": "site/tiny:1", "source_file": "main.sh", "run": run, "hello": "echo Hello", **more}
    return json.dumps(document)  # JSON is YAML


def with_languages(docker, *documents, **settings):
    server = make(docker, **settings)
    folder = server.home.path / "state" / "languages"
    folder.mkdir(parents=True)
    for i, document in enumerate(documents):
        (folder / f"own{i}.yaml").write_text(document)
    return server


def test_a_language_says_what_its_image_runs_in_and_with_which_runtime(docker):
    server = with_languages(docker, language("ours", engine="docker", runtime="other"), language("theirs", image="host", engine="docker"))
    server.spawn()
    wait_both(server)
    wait_listed(server, "site/tiny:1")
    answer = server.post({"language": "ours", "files": {"main.sh": "echo x"}}).json()
    assert answer["outcome"] == "engine_error" and "other" in json.dumps(answer), answer
    available = {one["id"]: one["available"] for one in server.get("/v1/languages").json()["languages"]}
    assert (available["ours"], available["theirs"]) == (True, False), available
    server.stop()


def test_languages_that_disagree_about_an_image_and_rules_that_cannot_hold_are_told_at_the_start(docker):
    servers = {
        "another engine or runtime for one image": with_languages(
            docker, language("ours", engine="docker", runtime="runsc"), language("theirs", engine="docker")),
        "not mixed": make(docker, engine="docker", image_engines=["a=native"]),
        "is not PATTERN=native": make(docker, image_engines=["a=podman"]),
    }
    for words, server in servers.items():
        assert server.spawn().wait(20) != 0 and words in server.log(), server.log()
        server.home.cleanup()


def test_a_session_is_in_the_engine_of_its_image(server, docker):
    native, contained = Session(server), Session(server, image="site/tiny:1")
    try:
        for session in (native, contained):
            session.user("lion", {"a": "mine\n"})
            assert session.printed("lion", "cat a; pwd") == "mine\n/sandboxes/lion\n"
        assert contained.run("lion", "sh", "-c", "cat /mark")["steps"][0]["stdout"] == "x\n"
        assert (native.state()["total"]["enforced"], contained.state()["total"]["enforced"]) == (True, False)
        body = {"image": "site/tiny:1", "ttl_ms": 60000, "services": {"db": {"image": "host", "command": ["sleep", "9"]}}}
        answer = native.answer("POST", "/v1/sessions", body)
        assert answer.status == 422 and answer.error()["field"] == "services.db.image", answer
    finally:
        contained.remove()
        native.remove()
    host.wait_until(lambda: not volumes_of(docker, server, "session"), 20, "its volume is left")


def test_a_daemon_that_dies_leaves_the_native_engine_running_and_ready_says_so(server, docker):
    answers = [None] * 8

    def post(i):
        answers[i] = server.post(tiny("sleep 3") if i % 2 else command("sleep", "1"), timeout=120).json()["outcome"]

    threads = [threading.Thread(target=post, args=(i,)) for i in range(len(answers))]
    [thread.start() for thread in threads]
    host.wait_until(lambda: engine_of(server, "docker")["sandboxes"] > 1, 20, "nothing runs")
    docker.kill_daemon()
    host.wait_until(lambda: not engine_of(server, "docker")["healthy"], 20, "it is said to be well")
    ready = server.get("/ready")
    assert ready.status == 200 and ready.json()["degraded"][0]["engine"] == "docker", ready
    assert "daemon" in ready.json()["degraded"][0]["why"], ready
    assert text(server.run(command("echo", "native"))) == "native\n"
    assert server.post(tiny("true")).json()["outcome"] == "engine_error"
    [thread.join(seconds(100)) for thread in threads]
    assert answers[::2] == ["ok"] * 4 and set(answers[1::2]) <= {"ok", "engine_error"}, answers
    docker.bring_back()
    wait_both(server)
    assert server.run(tiny("true"))["outcome"] == "ok" and "degraded" not in server.get("/ready").json()


def test_a_front_that_crashes_comes_back_with_both_engines(docker):
    server = make(docker).spawn()
    wait_both(server)
    wait_listed(server, "site/tiny:1")
    server.run(tiny("true"))
    before = server.front_pid()
    os.kill(before, signal.SIGSEGV)
    host.wait_until(lambda: not host.is_alive(before), 5, "it lives")
    wait_both(server)
    wait_listed(server, "site/tiny:1")
    assert text(server.run(tiny("echo after"))) == "after\n" and text(server.run(command("echo", "too"))) == "too\n"
    server.stop()
    nothing_is_left(docker, server)


def test_a_server_that_is_killed_leaves_no_container(docker):
    server = make(docker).spawn()
    wait_both(server)
    wait_listed(server, "site/tiny:1")
    thread = threading.Thread(target=lambda: swallow(server, tiny("sleep 100")))
    thread.start()
    host.wait_until(lambda: engine_of(server, "docker")["sandboxes"] > 0, PATIENCE_S, "it does not begin")
    server.kill(everything=False)
    thread.join(seconds(20))
    nothing_is_left(docker, server)
    server.home.cleanup()


def swallow(server, request):
    try:
        server.post(request)
    except OSError:
        pass  # the connection of a server that is killed


# ---- a daemon that is in trouble ----


def test_when_the_daemons_disk_is_full_runs_end_in_its_words_and_go_on_when_there_is_room(docker):
    server = make(docker, engine="docker").spawn()
    wait_both(server)
    wait_listed(server, "site/tiny:1")
    assert server.run(tiny("true"))["outcome"] == "ok"
    answers = []

    def a_run_fails():
        """Some waited, and each that goes leaves room for another one."""
        docker.fill_disk()
        answers.append(server.post(tiny("true")).json())
        return answers[-1]["outcome"] != "ok"

    try:
        host.wait_until(a_run_fails, 30, "all runs go well")
    finally:
        docker.free_disk()
    assert answers[-1]["outcome"] == "engine_error", answers[-1]
    assert "no space left on device" in answers[-1]["steps"][0]["error"], answers[-1]
    assert server.is_ready()
    host.wait_until(lambda: server.post(tiny("true")).json()["outcome"] == "ok", 20, "it does not recover")
    server.stop()
    nothing_is_left(docker, server)


def test_a_daemon_that_is_slow_is_waited_for_and_one_that_stands_still_is_not(docker):
    slow = SlowDaemon(docker)
    slow.delay_s = 0.3
    server = make(docker, engine="docker", own={"host": f"unix://{slow.path}"}).spawn()
    try:
        wait_both(server)
        wait_listed(server, "site/tiny:1")
        answers = at_once(server, [tiny("sleep 1; echo x")] * 6)
        assert [text(answer) for answer in answers] == ["x\n"] * 6, answers
        slow.held = True
        begin = time.monotonic()
        answers = at_once(server, [tiny("sleep 1; echo x")] * 6)
        # A call has a minute; the silence shows sooner.
        assert {answer["outcome"] for answer in answers} == {"engine_error"} and time.monotonic() - begin < seconds(50), answers
        assert "does not answer" in json.dumps(answers) and "does not answer" in why_not(server), answers
        slow.held, slow.delay_s = False, 0
        wait_both(server)
        assert text(server.run(tiny("echo again"))) == "again\n"
        server.stop()
        nothing_is_left(docker, server)
    finally:
        slow.close()


def test_a_run_waits_for_containers_that_the_daemon_takes_long_to_remove(docker):
    slow = SlowDaemon(docker)
    server = make(docker, engine="docker", own={"host": f"unix://{slow.path}", "containers": 3}, pool=False, parallel=2).spawn()
    try:
        wait_both(server)
        wait_listed(server, "site/tiny:1")
        assert server.run(tiny("true"))["outcome"] == "ok"
        slow.delay_s = 0.4
        answers = at_once(server, [tiny("echo x")] * 10)
        assert [answer["outcome"] for answer in answers] == ["ok"] * 10, answers
        slow.delay_s = 0
        server.stop()
        nothing_is_left(docker, server)
    finally:
        slow.close()


def at_once(server, requests):
    answers = [None] * len(requests)

    def post(i):
        answers[i] = server.post(requests[i], timeout=150).json()

    threads = [threading.Thread(target=post, args=(i,)) for i in range(len(requests))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return answers


# ---- TLS ----


def certificate(folder, name, issuer=None, days=2, more=""):
    """A key and a certificate, of `issuer` or of its own; more than 24 hours old with `days` negative."""
    key, request, made = (folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
    extensions = folder / f"{name}.ext"
    extensions.write_text(more or "basicConstraints=CA:TRUE\n")
    signed = ["-CA", folder / f"{issuer}.pem", "-CAkey", folder / f"{issuer}.key", "-CAcreateserial"] if issuer else ["-signkey", key]
    for command_line in (
        ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request],
        ["x509", "-req", "-in", request, *signed, "-days", str(days), "-extfile", extensions, "-out", made],
    ):
        subprocess.run(["openssl", *command_line], check=True, capture_output=True, timeout=seconds(60))


def tls_options(folder):
    """dockerd listens on TCP too, for those alone who have a certificate of its authority."""
    certificate(folder, "ca")
    certificate(folder, "stranger")
    certificate(folder, "daemon", "ca", more="subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    certificate(folder, "kiln", "ca", more="extendedKeyUsage=clientAuth\n")
    certificate(folder, "old", "ca", days=-1, more="subjectAltName=IP:127.0.0.1\n")
    files = [f"--tlscacert {folder}/ca.pem", f"--tlscert {folder}/daemon.pem", f"--tlskey {folder}/daemon.key"]
    return ["--host tcp://127.0.0.1:2376 --tlsverify", *files]


# From a port of this machine's loopback to the daemon's own.
TUNNEL = """
import ctypes, os, socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
assert ctypes.CDLL(None).setns(os.open(f"/proc/{sys.argv[1]}/ns/net", os.O_RDONLY), 0x40000000) == 0
def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
while True:
    here, there = listener.accept()[0], socket.create_connection(("127.0.0.1", 2376))
    for pair in ((here, there), (there, here)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""


@pytest.fixture(scope="module")
def tunnel(docker):
    process = subprocess.Popen(["/usr/bin/python3", "-c", TUNNEL, str(docker.first_process()[0])], stdout=subprocess.PIPE, text=True)
    yield f"tcp://127.0.0.1:{int(process.stdout.readline())}"
    process.kill()
    process.communicate()


def over_tls(docker, address, ca="ca", own="kiln"):
    tls = {"tls_ca": str(docker.folder / f"{ca}.pem")}
    if own:
        tls |= {"tls_cert": str(docker.folder / f"{own}.pem"), "tls_key": str(docker.folder / f"{own}.key")}
    return make(docker, engine="docker", own={"host": address, **tls})


def test_a_daemon_is_reached_over_tls(docker, tunnel):
    server = over_tls(docker, tunnel).spawn()
    wait_both(server)
    wait_listed(server, "site/tiny:1")
    assert text(server.run(tiny("", steps=[{"name": "run", "command": ["busybox", "cat"], "stdin": "x" * 100000}]))) == "x" * 100000
    server.stop()
    nothing_is_left(docker, server)


@pytest.mark.parametrize("ca, own", [("stranger", "kiln"), ("ca", None), ("ca", "stranger"), ("ca", "old")])
def test_a_daemon_or_a_certificate_that_is_not_trusted_is_told(docker, tunnel, ca, own):
    server = over_tls(docker, tunnel, ca, own).spawn()
    host.wait_until(lambda: "certificate" in why_not(server), 20, lambda: f"it says: {why_not(server)}")
    assert server.post(tiny("true")).status in (200, 404)
    server.stop()


def why_not(server):
    try:
        return server.get("/ready").json().get("why", "")
    except OSError:
        return ""


def test_a_daemon_with_an_expired_certificate_is_not_trusted(docker):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(docker.folder / "old.pem", docker.folder / "old.key")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                context.wrap_socket(listener.accept()[0], server_side=True).close()
            except ssl.SSLError:
                continue  # the handshake that kiln ends
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    server = over_tls(docker, f"tcp://127.0.0.1:{listener.getsockname()[1]}").spawn()
    host.wait_until(lambda: "expired" in why_not(server), 20, lambda: f"it says: {why_not(server)}")
    server.stop()
    listener.close()


# ---- pulls ----


class Registry:
    """Debian's docker-registry on the daemon's own loopback. Used as a context."""

    def __init__(self, docker, port, password=None):
        self.docker, self.address = docker, f"127.0.0.1:{port}"
        folder = docker.folder / f"registry-{port}"
        folder.mkdir()
        settings = {"version": 0.1, "storage": {"filesystem": {"rootdirectory": str(folder)}}, "http": {"addr": self.address}}
        self.auths = {}
        if password:
            entry = crypt.crypt(password, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))
            (folder / "htpasswd").write_text(f"somebody:{entry}\n")
            settings["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
            self.auths = {self.address: {"auth": base64.b64encode(f"somebody:{password}".encode()).decode()}}
        (folder / "config.yml").write_text(json.dumps(settings))
        net = f"nsenter --net --target {docker.first_process()[0]}".split()
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen([*net, "docker-registry", "serve", folder / "config.yml"], stdout=log, stderr=log)

    def __enter__(self):
        name, port = self.address.split(":")
        probe = f"for i in $(seq 200); do bash -c ': </dev/tcp/{name}/{port}' 2>/dev/null && exit 0; sleep 0.1; done; exit 1"
        try:
            self.docker.run(probe)
        except BaseException:
            self.__exit__()
            raise
        return self

    def push(self, name, mark):
        """An image that the registry has and the daemon has not any more; the name that it has there."""
        full = f"{self.address}/{name}"
        (self.docker.folder / "config.json").write_text(json.dumps({"auths": self.auths}))
        import_tiny(self.docker, full, mark)
        self.docker.run(f"docker push {full} && docker rmi {full}")
        (self.docker.folder / "config.json").write_text("{}")
        return full

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def registry(docker):
    with Registry(docker, 5000) as running:
        yield running


@pytest.fixture(scope="module")
def closed(docker):
    with Registry(docker, 5001, PASSWORD) as running:
        yield running


@pytest.fixture(scope="module", params=["docker", "mixed"])
def puller(request, docker):
    """Both kinds of node that have a daemon pull, with credentials of their own."""
    credentials = docker.folder / f"credentials-{request.param}"
    credentials.mkdir()
    server = make(docker, engine=request.param, own={"config": str(credentials)}, registries=["127.0.0.1:5000", "127.0.0.1:5001"]).spawn()
    wait_both(server)
    server.credentials, server.engine = credentials / "config.json", request.param
    yield server
    server.stop()
    nothing_is_left(docker, server)


def pull(server, source, headers=None, **more):
    body = json.dumps({"source": f"docker://{source}", "engine": "docker", **more}).encode()
    return server.request("POST", "/v1/images", body, {"Content-Type": "application/json", **(headers or {})})


def events_of(answer):
    blocks = [dict(line.split(": ", 1) for line in block.splitlines() if ": " in line) for block in answer.body.decode().split("\n\n")]
    return [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]


def test_the_daemon_pulls_with_progress_and_what_is_done_can_be_run_at_once(puller, registry, docker):
    name = registry.push(f"lessons/{puller.engine}:1", "pulled")
    wait_unlisted(puller, name)
    puller.refuse(tiny("true", name), 404)
    events = events_of(pull(puller, name, EVENTS))
    assert events[-1][0] == "done" and {kind for kind, _ in events[:-1]} == {"progress"}, events
    assert (events[-1][1]["engine"], events[-1][1]["state"]) == ("docker", "stored"), events
    assert text(puller.run(tiny("cat /mark", name))) == "pulled\n"
    assert puller.get(f"/v1/images/{name}").json()["engine"] == "docker"
    removed = puller.request("DELETE", f"/v1/images/{name}")
    assert removed.status == 200, removed
    puller.refuse(tiny("true", name), 404)
    assert name not in docker.run("docker images --format '{{.Repository}}:{{.Tag}}'").stdout


def test_what_the_registry_does_not_have_is_told_in_the_daemons_words(puller, registry):
    kind, data = events_of(pull(puller, f"{registry.address}/lessons/none:1", EVENTS))[-1]
    assert kind == "error" and data["error"]["code"] == "image_unknown" and "none" in data["error"]["message"], data
    assert puller.get(f"/v1/images/{registry.address}/lessons/none:1").json()["state"] == "failed"


def test_dockers_credentials_open_a_registry(puller, closed):
    name = closed.push(f"closed/{puller.engine}:1", "secret")
    kind, data = events_of(pull(puller, name, EVENTS))[-1]
    assert kind == "error" and "no basic auth credentials" in data["error"]["message"], data
    wrong = base64.b64encode(b"somebody:wrong").decode()
    puller.credentials.write_text(json.dumps({"auths": {closed.address: {"auth": wrong}}}))
    assert events_of(pull(puller, name, EVENTS))[-1][0] == "error"
    puller.credentials.write_text(json.dumps({"auths": closed.auths}))
    assert events_of(pull(puller, name, EVENTS))[-1][0] == "done"
    assert text(puller.run(tiny("cat /mark", name))) == "secret\n"
    assert PASSWORD not in puller.log()


def test_many_who_want_one_image_get_one_pull_and_pull_image_says_when_it_is_there(puller, registry):
    name = registry.push(f"shared/{puller.engine}:1", "shared")
    wait_unlisted(puller, name)
    answers = [pull(puller, name) for _ in range(5)]
    assert {answer.status for answer in answers} == {202}, answers
    jobs = [job for job in puller.get("/v1/images").json()["jobs"] if job["name"] == name]
    assert len(jobs) <= 1, jobs
    if puller.engine == "docker":
        assert said_of(puller, name) in ("pulling", "pulled")
    wait_listed(puller, name)
    if puller.engine == "docker":
        assert said_of(puller, name) == "pulled"
        assert text(puller.run(tiny("cat /mark", name))) == "shared\n"


def test_a_builder_that_dies_is_started_again_and_pulls(puller, registry):
    """With one engine the Docker keeper does it; with both it is the native one's guard."""
    name = registry.push(f"after/{puller.engine}:1", "after")
    wait_unlisted(puller, name)
    before = builders_of(puller)
    assert len(before) == 1, before
    os.kill(before[0], signal.SIGKILL)
    host.wait_until(lambda: builders_of(puller) not in ([], before), 10, "there is no other one")
    kind, data = events_of(pull(puller, name, EVENTS))[-1]
    assert kind == "done", data
    assert text(puller.run(tiny("cat /mark", name))) == "after\n"
    assert "the builder died (signal 9)" in puller.log()


def builders_of(server):
    """The front knows of its socket too, and of the keeper's."""
    environments = {pid: environment_of(pid) for pid in host.descendants(server.pid)}
    return [pid for pid, text in environments.items() if b"KILN_BUILDER_FD=" in text and b"KILN_KEEPER_FD=" not in text]


def environment_of(pid):
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def said_of(server, name):
    """By the dialect of cyber-dojo."""
    body = json.dumps({"id": "a", "image_name": name}).encode()
    answer = server.request("POST", "/pull_image", body, {"Content-Type": "application/json"})
    assert answer.status == 200, answer
    return answer.json()["pull_image"]


@pytest.mark.parametrize(
    "body, code",
    [
        ({"source": "docker://127.0.0.1:5000/a:1", "engine": "podman"}, "engine_unknown"),
        ({"source": "docker://127.0.0.1:5000/a:1", "engine": "docker", "name": "b"}, "image_name_bad"),
        ({"source": "recipe:python", "engine": "docker"}, "engine_absent"),
        ({"source": "docker://elsewhere.example/a:1", "engine": "docker"}, "registry_not_allowed"),
        ({"source": "docker://127.0.0.1:5000/a:1", "engine": 7}, "wrong_type"),
    ],
)
def test_what_the_daemon_is_not_to_do_is_refused(puller, body, code):
    answer = puller.request("POST", "/v1/images", json.dumps(body).encode(), {"Content-Type": "application/json"})
    assert 400 <= answer.status < 500 and answer.error()["code"] == code, answer
