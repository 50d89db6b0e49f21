"""Sessions on the Docker engine with a real dockerd, and with Podman: users, services, the end, and what outlives whom.

The suite of the API runs through this engine too, sessions included, when asked: ./check api-docker.
"""

import re

import pytest

from kilntest import host
from kilntest.docker import DAEMONS, RUN_IMAGE, absent, containers_of, nothing_is_left, volumes_of
from kilntest.requests import MIB
from kilntest.server import Server
from kilntest.sessions import Session

# A daemon makes containers while everything else runs too.
PATIENCE_S = 60
PORT = 4711
# What a service can be in an image that has only Python: it counts who has asked.
COUNTER = f"""
import os, socket
s = socket.create_server(("127.0.0.1", {PORT}))
open("/run/counter/pid", "w").write(str(os.getpid()))
n = 0
while True:
    c, _ = s.accept()
    n += 1
    c.sendall(str(n).encode())
    c.close()
"""
ASK = f"import socket; print(socket.create_connection(('127.0.0.1', {PORT}), 5).recv(9).decode())"
READY = ["python3", "-c", f"import socket; socket.create_connection(('127.0.0.1', {PORT}), 1)"]


@pytest.fixture(scope="module", params=DAEMONS)
def docker(request):
    """The daemon, one of each kind."""
    if why_not := absent(request.param):
        pytest.skip(why_not)
    with DAEMONS[request.param](image="run") as running:
        yield running
    assert not running.folder.exists(), "the daemon's data is left"
    assert not [path for path in host.cgroups() if running.cgroup in path], "cgroups are left"


def make(docker, own=None, **settings):
    own = {"host": docker.socket, "host_image": RUN_IMAGE, **(own or {})}
    return Server(engine="docker", docker=own, pool_max=1, pool_min=1, **settings)


def volumes(docker, server):
    return volumes_of(docker, server, "session")


def containers_as(docker, server, role):
    """The running ones of a server whose init has this role; others may go in the meantime."""
    ids = " ".join(containers_of(docker, server, ""))
    lines = docker.run(f"docker inspect --format '{{{{.Id}}}} {{{{.Config.Entrypoint}}}}' {ids}", check=False).stdout if ids else ""
    return [line.split()[0] for line in lines.splitlines() if role in re.findall(r"\w+", line)]


@pytest.fixture(scope="module")
def server(docker):
    server = make(docker).spawn()
    server.wait_ready(PATIENCE_S)
    yield server
    server.stop()
    nothing_is_left(docker, server)


@pytest.fixture
def mortal(docker):
    """A server of its own, for a test that kills something of it."""
    server = make(docker).spawn()
    server.wait_ready(PATIENCE_S)
    yield server
    server.kill()


@pytest.fixture
def session(server):
    made = []

    def make_session(**more):
        made.append(Session(server, **more))
        return made[-1]

    yield make_session
    for one in made:
        one.remove()


def test_users_have_homes_and_uids_of_their_own_and_a_folder_together(session):
    dojo = session()
    for name in ("lion", "tiger"):
        dojo.user(name, {"given": name})
    assert dojo.printed("lion", "pwd; stat -c %a . ../shared; cat given /sandbox/given; echo mine >a") == "/sandboxes/lion\n755\n2775\nlionlion"
    assert dojo.printed("lion", "id -u") != dojo.printed("tiger", "id -u")
    assert dojo.printed("tiger", "id -un; echo ~tiger") == "tiger\n/sandboxes/tiger\n"
    dojo.shell("lion", "umask 077; echo secret >secret; umask 002; echo from lion >../shared/note")
    tiger = dojo.shell("tiger", "cat ../lion/a ../lion/secret; rm -f ../lion/a; echo x >../lion/b; echo and tiger >>../shared/note; ls ..")
    assert tiger["steps"][0]["stdout"] == "mine\nlion\nshared\ntiger\n"
    assert dojo.files("shared") == {"note": "from lion\nand tiger\n"}
    assert dojo.files("lion") == {"a": "mine\n", "given": "lion", "secret": "secret\n"}


def test_users_keep_their_names_when_the_image_is_another_by_now(session, server, docker):
    docker.run(f"docker tag {RUN_IMAGE} lesson")
    host.wait_until(lambda: b"lesson" in server.get("/v1/images").body, PATIENCE_S, "the image is not seen")
    dojo = session(image="lesson")
    dojo.user("lion")
    assert dojo.printed("lion", "id -un; echo $EDITION") == "lion\n\n"
    docker.run("id=$(docker create lesson true) && docker commit --change 'ENV EDITION=second' $id lesson && docker rm $id")
    # The server looks every ten seconds; what waits for the user's next run is of the first edition.
    host.wait_until(lambda: dojo.printed("lion", "id -un; echo $EDITION").split() == ["lion", "second"], PATIENCE_S, "it stays the first edition")
    assert dojo.printed("lion", "test -f /etc/passwd && echo a file") == "a file\n"


def test_a_run_changes_files_and_leaves_no_process(session):
    dojo = session()
    dojo.user("lion", {"old": "o"})
    word = "kiln-survivor-4712"
    result = dojo.shell("lion", f"(setsid bash -c 'trap \"\" TERM; exec -a {word} sleep 300' &); cat new; echo c >>old; mkdir d", files={"new": "n"})
    files = result["files"]
    assert result["steps"][0]["stdout"] == "n" and files["changed"]["old"]["content"] == "oc\n" and not files["created"]
    assert not host.processes_with(word)
    assert dojo.printed("lion", "ls -d *") == "d\nnew\nold\n"


def test_capabilities_are_as_in_any_container(session):
    dojo = session()
    dojo.user("lion")
    assert dojo.printed("lion", "grep -h -e CapEff -e CapPrm -e NoNewPrivs -e Groups: /proc/self/status | tr -d '\\t '") == (
        "Groups:\nCapPrm:0000000000000000\nCapEff:0000000000000000\nNoNewPrivs:1\n"
    )
    assert dojo.printed("lion", "touch /sandboxes/x /x 2>/dev/null; ls /sandboxes; cat /proc/net/dev | grep -c :") == "lion\nshared\n1\n"


def test_disk_bytes_are_of_all_files_together(session):
    dojo = session(limits={"disk_bytes": 4 * MIB})
    dojo.user("lion")
    dojo.user("tiger")
    assert dojo.state()["total"]["enforced"] is False
    dojo.shell("lion", "head -c 3M /dev/zero >big")
    result = dojo.shell("tiger", "head -c 3M /dev/zero >big")
    assert (result["outcome"], result["steps"][0]["limit"]["name"]) == ("disk_exceeded", "disk_bytes"), result
    assert dojo.state()["resources"]["disk_bytes"] > 3 * MIB
    assert dojo.call("DELETE", dojo.path + "/users/lion", status=204) is None
    assert dojo.printed("tiger", "rm big; head -c 2M /dev/zero >big && ls") == "big\n"


def test_memory_is_each_runs_own(session):
    dojo = session(limits={"memory_bytes": 48 * MIB})
    dojo.user("lion")
    result = dojo.run("lion", "python3", "-c", "x = []\nwhile True: x.append(bytearray(1 << 20))")
    assert result["outcome"] == "memory_exceeded", result
    assert dojo.printed("lion", "echo right") == "right\n"


def test_finished_can_be_read_and_forked(session, server):
    dojo = session()
    dojo.user("lion")
    dojo.shell("lion", "echo kept >a; ln -s a link; chmod 700 a; mkdir empty; echo s >../shared/s")
    done = dojo.call("POST", dojo.path + "/finish")
    assert done["state"] == "finished" and done["copy"]["complete"], done
    assert dojo.answer("POST", dojo.path + "/runs", {"user": "lion", "command": ["true"]}).status == 409
    assert dojo.files("lion") == {"a": "kept\n"}
    fork = Session.found(server, dojo.call("POST", dojo.path + "/fork", {}, status=201)["id"])
    try:
        fork.wait("open")
        assert fork.printed("lion", "cat link ../shared/s; stat -c %a a ../shared; ls; echo new >a") == "kept\ns\n700\n2775\na\nempty\nlink\n"
    finally:
        fork.remove()


def service(**more):
    return {"image": RUN_IMAGE, "command": ["python3", "-c", COUNTER], "tmpfs": ["/run/counter"], "ready": {"command": READY, "start_ms": 60000}, **more}


def test_a_service_is_on_the_loopback_of_its_session_alone(session):
    dojo, other = session(services={"counter": service()}), session()
    dojo.wait("open")
    for one in (dojo, other):
        one.user("lion")
    first = int(dojo.run("lion", "python3", "-c", ASK)["steps"][0]["stdout"])
    assert int(dojo.run("lion", "python3", "-c", ASK)["steps"][0]["stdout"]) == first + 1
    assert "refused" in other.run("lion", "python3", "-c", ASK)["steps"][0]["stderr"]
    assert dojo.printed("lion", "ls /run/counter 2>/dev/null; grep -l create_[s]erver /proc/[0-9]*/cmdline; echo none") == "none\n"


def test_a_service_that_dies_is_started_again(session):
    dies = 'import time\ntime.sleep(2)\nx = []\nwhile True: x.append(bytearray(1 << 20))'
    dojo = session(services={"dies": {"image": RUN_IMAGE, "command": ["python3", "-c", dies], "limits": {"memory_bytes": 32 * MIB}}})
    dojo.wait("open")
    host.wait_until(lambda: dojo.state()["services"]["dies"]["restarts"] >= 1, PATIENCE_S, lambda: f"{dojo.state()}")
    assert dojo.state()["services"]["dies"]["last_exit"] == "it used up its memory"


def test_it_expires_and_nothing_of_it_stays(server, docker):
    dojo = Session(server)
    dojo.user("lion")
    volume = volumes(docker, server)
    assert volume
    dojo.call("PUT", dojo.path, {"ttl_ms": 3000})
    result = dojo.shell("lion", "sleep 60")
    assert result["outcome"] == "cancelled", result
    assert dojo.wait("expired", 20)["ttl_left_ms"] == 0
    host.wait_until(lambda: not set(volumes(docker, server)) & set(volume), 20, "its volume is left")
    assert dojo.call("POST", dojo.path + "/reopen", {"ttl_ms": 60000})["state"] == "open"
    assert dojo.printed("lion", "echo again") == "again\n"
    dojo.remove()


def kill_front(server):
    server.kill_front()
    server.wait_ready(PATIENCE_S)


def test_kill_9_of_the_front_leaves_files_and_services(mortal, docker):
    dojo = Session(mortal, services={"counter": service()})
    dojo.wait("open")
    dojo.user("lion", {"a": "kept\n"})
    first = int(dojo.run("lion", "python3", "-c", ASK)["steps"][0]["stdout"])
    kill_front(mortal)
    assert dojo.state()["state"] == "open" and dojo.state()["services"]["counter"]["restarts"] == 0
    assert int(dojo.run("lion", "python3", "-c", ASK)["steps"][0]["stdout"]) == first + 1
    assert dojo.printed("lion", "cat a") == "kept\n"
    mortal.stop()
    nothing_is_left(docker, mortal)


def test_kill_9_of_everything_leaves_nothing_and_files_come_back(mortal, docker):
    dojo = Session(mortal, services={"counter": service()})
    dojo.wait("open")
    dojo.user("lion")
    dojo.shell("lion", "echo kept >a; echo s >../shared/s")
    host.wait_until(lambda: dojo.state()["copy"]["complete"], 30, lambda: f"{dojo.state()}")
    mortal.kill(everything=False)
    # Each init's input has ended: no container goes on, whoever removes what is left of it.
    host.wait_until(lambda: not containers_of(docker, mortal, ""), 20, lambda: docker.run("docker ps").stdout)
    later = make(docker, home=mortal.home).spawn()
    try:
        later.wait_ready(PATIENCE_S)
        again = Session.found(later, dojo.id)
        assert again.state()["state"] == "lost"
        host.wait_until(lambda: not volumes(docker, later), 40, lambda: f"volumes are left: {volumes(docker, later)}")
        again.call("POST", again.path + "/reopen", {"ttl_ms": 600000})
        again.wait("open")
        assert again.printed("lion", "cat a ../shared/s") == "kept\ns\n"
        later.stop()
        nothing_is_left(docker, later)
        third = make(docker, home=mortal.home).spawn()
        third.wait_ready(PATIENCE_S)
        found = Session.found(third, dojo.id)
        found.wait("open")
        assert found.printed("lion", "cat a") == "kept\n"
        third.stop()
    finally:
        later.kill(everything=False)


def test_without_its_holder_a_session_is_lost_and_says_so(mortal, docker):
    dojo = Session(mortal)
    dojo.user("lion")
    dojo.shell("lion", "echo kept >a")
    holders = containers_as(docker, mortal, "holder")
    assert len(holders) == 1
    docker.run(f"docker kill {holders[0]}")
    state = dojo.wait("lost", 30)
    assert state["reason"], state
    assert dojo.files("lion") == {"a": "kept\n"}
    mortal.stop()
    nothing_is_left(docker, mortal)


def test_when_dockerd_dies_sessions_are_lost_and_new_ones_can_be_made(mortal, docker):
    dojo = Session(mortal)
    dojo.user("lion")
    dojo.shell("lion", "echo kept >a")
    docker.kill_daemon()
    try:
        dojo.wait("lost", 30)
    finally:
        docker.bring_back()
    host.wait_until(mortal.is_ready, PATIENCE_S, "not ready again")
    dojo.call("POST", dojo.path + "/reopen", {"ttl_ms": 600000})
    dojo.wait("open")
    assert dojo.printed("lion", "cat a") == "kept\n"
    mortal.stop()
    nothing_is_left(docker, mortal)


def test_more_sessions_than_there_can_be_are_refused(docker):
    server = make(docker, own={"containers": 4}).spawn()
    server.wait_ready(PATIENCE_S)
    try:
        for _ in range(4):
            Session(server)
        answer = server.request("POST", "/v1/sessions", b'{"image": "host", "ttl_ms": 60000}', {"Content-Type": "application/json"})
        assert answer.status == 503 and answer.error()["code"] == "too_many_sessions", answer
    finally:
        server.stop()
    nothing_is_left(docker, server)
