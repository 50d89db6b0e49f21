"""The Docker engine with a real dockerd: runs and their limits, walls, images, and what happens when somebody dies.

tests/api and tests/attacks run through this engine too, when asked: ./check api-docker attacks-docker.
"""

import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from kilntest import host
from kilntest.docker import DAEMONS, RUN_IMAGE, absent, containers_of, nothing_is_left, volumes_of
from kilntest.requests import MIB, command, output, python, shell, text
from kilntest.server import Server
from kilntest.settings import seconds

# A daemon makes containers while everything else runs too.
PATIENCE_S = 60


@pytest.fixture(scope="module", params=DAEMONS)
def docker(request):
    """The daemon, one of each kind."""
    why_not = absent(request.param)
    if why_not:
        pytest.skip(why_not)
    with DAEMONS[request.param](image="run") as running:
        yield running
    assert not running.folder.exists(), "the daemon's data is left"
    assert not [path for path in host.cgroups() if running.cgroup in path], "cgroups are left"


def make(docker, own=None, **settings):
    own = {"host": docker.socket, "host_image": RUN_IMAGE, **(own or {})}
    return Server(engine="docker", docker=own, pool_max=1, pool_min=1, **settings)


def wait_ready(server, timeout=PATIENCE_S):
    host.wait_until(server.is_ready, timeout, lambda: f"not ready: {why_not_ready(server)}\n{server.log()[-2000:]}")


@pytest.fixture(scope="module")
def server(docker):
    server = make(docker).spawn()
    wait_ready(server)
    yield server
    server.stop()
    nothing_is_left(docker, server)


@pytest.fixture
def mortal(docker):
    """A server of its own, for a test that kills something of it."""
    server = make(docker).spawn()
    wait_ready(server)
    yield server
    server.kill()


def why_not_ready(server):
    answer = server.get("/ready")
    return answer.json().get("why", "") if answer.status == 503 else ""


def step(result):
    return result["steps"][-1]


def test_a_program_runs_in_a_container(server):
    result = server.run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"))
    assert (result["outcome"], step(result)["exit_code"]) == ("failed", 3)
    assert (output(result), output(result, "stderr")) == (b"out\n", b"err\n")
    assert result["image"].startswith(f"{RUN_IMAGE}@sha256:"), result["image"]


def test_files_stdin_collection_and_steps_are_what_they_are_natively(server):
    request = {
        "image": RUN_IMAGE,
        "files": {"in/data": "one\n"},
        "steps": [
            {"name": "first", "command": ["sh", "-c", "cat in/data > out; echo two >> in/data; mkdir new; touch new/empty"]},
            {"name": "second", "command": ["sh", "-c", "cat - in/data; pwd"], "stdin": "zero\n"},
        ],
        "collect": "all",
    }
    result = server.run(request)
    assert text(result) == "zero\none\ntwo\n/sandbox\n"
    files = result["files"]
    assert {name: entry["content"] for name, entry in files["created"].items()} == {"out": "one\n", "new/empty": ""}
    assert files["changed"]["in/data"]["content"] == "one\ntwo\n"


def test_the_program_is_killed_before_init_where_memory_is_short(server):
    script = "cat /proc/self/oom_score_adj /proc/1/oom_score_adj; echo 0 2>/dev/null >/proc/self/oom_score_adj || echo held"
    assert text(server.run(shell(script))) == "1000\n500\nheld\n"


def test_files_that_the_program_made_unreadable_are_collected(server):
    script = "mkdir -m 700 private; echo secret > private/file; chmod 000 private/file private"
    created = server.run(shell(script, collect="all"))["files"]["created"]
    assert created["private/file"]["content"] == "secret\n", created


def test_large_input_and_output_go_through_unchanged(server):
    blob = "0123456789abcdef" * 65536
    result = server.run(command("cat", stdin=blob, limits={"output_bytes": 4 * MIB}))
    assert output(result) == blob.encode()


FORKS = "import os, time\nfor _ in range(200):\n    if os.fork() == 0:\n        time.sleep(20)\n"
VERDICTS = {
    "ok": (command("true"), "ok", None, None),
    "signal": (shell("kill -SEGV $$"), "signaled", None, None),
    "wall": (command("sleep", "30", limits={"wall_ms": 700}), "wall_time_exceeded", "wall_ms", "watchdog"),
    "cpu": (python("while True: pass", limits={"cpu_ms": 300, "wall_ms": 20000}), "cpu_time_exceeded", "cpu_ms", "cgroup"),
    "memory": (
        python("x = []\nwhile True: x.append(bytearray(1 << 20))", limits={"memory_bytes": 48 * MIB}),
        "memory_exceeded", "memory_bytes", "cgroup",
    ),
    "output": (command("yes", limits={"output_bytes": 4096}), "output_exceeded", "output_bytes", "watchdog"),
    "disk": (shell("cat /dev/zero > big", limits={"disk_bytes": 4 * MIB}), "disk_exceeded", "disk_bytes", "tmpfs"),
    "disk in all": (
        shell(
            "for folder in /tmp /var/tmp /dev/shm /home/sandbox /sandbox; do head -c 3M /dev/zero > $folder/big; done; sleep 9",
            limits={"disk_bytes": 4 * MIB},
        ),
        "disk_exceeded", "disk_bytes", "watchdog",
    ),
    "file": (shell("head -c 2M /dev/zero > big", limits={"file_bytes": MIB}), "disk_exceeded", "file_bytes", "rlimit"),
    "processes": (python(FORKS, limits={"processes": 20}), "processes_exceeded", "processes", "cgroup"),
}  # fmt: skip


@pytest.mark.parametrize("name", VERDICTS)
def test_every_limit_is_held_and_named(server, name):
    request, outcome, limit, by = VERDICTS[name]
    result = server.run(request)
    if name == "file" and result["outcome"] == "failed":
        result["outcome"], limit = "disk_exceeded", None  # head(1) that is told so by an error
    assert result["outcome"] == outcome, result
    said = step(result)["limit"]
    assert (said and (said["name"], said["enforced_by"])) == (limit and (limit, by)), result


def test_what_a_step_used_is_its_own(server):
    source = "x = bytearray(40 << 20)\nfor i in range(len(x) >> 12): x[i << 12] = 1\nt = 0\nfor i in range(3000000): t += i"
    used = step(server.run(python(source)))
    assert 40 * MIB < used["memory_peak_bytes"] < 120 * MIB, used
    assert 50 < used["cpu_ms"] <= used["wall_ms"] + 20, used


def test_the_walls_stand(server):
    script = """
    grep -E '^(Uid|Groups|Cap|NoNewPrivs|Seccomp:)' /proc/self/status
    touch /usr/bin/x 2>/dev/null && echo escaped
    cat /.kiln/config /.kiln/init >/dev/null 2>&1 && echo escaped
    cat /proc/1/environ /proc/1/maps >/dev/null 2>&1 && echo escaped
    kill -STOP 1 2>/dev/null && echo escaped
    unshare --user true 2>/dev/null && echo escaped
    mount -t tmpfs none /tmp 2>/dev/null && echo escaped
    ls /sys/class /sys/module 2>/dev/null
    [ -e /var/run/docker.sock ] && echo escaped
    ls /sys/class/net 2>/dev/null; cat /proc/net/route | wc -l
    """
    lines = text(server.run(shell(script))).splitlines()
    values = dict(line.split(":\t") for line in lines if ":\t" in line)
    assert "escaped" not in lines, lines
    assert all(int(values[name], 16) == 0 for name in values if name.startswith("Cap")), values
    assert (values["NoNewPrivs"], values["Seccomp"], values.get("Groups", "").strip()) == ("1", "2", ""), values
    assert int(values["Uid"].split()[0]) >= 100000, values
    assert lines[-1] == "1", lines


def test_two_containers_have_two_uids_and_nothing_in_common(server):
    answers = []

    def run():
        answers.append(text(server.run(shell("id -u; ls -A /tmp /var/tmp /dev/shm /home/sandbox | grep -v : | wc -w; sleep 1"))))

    threads = [threading.Thread(target=run) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    (first, left), (second, right) = (answer.split() for answer in answers)
    assert first != second and (left, right) == ("0", "0"), answers


def test_nothing_of_a_run_is_left_when_it_is_answered(server, docker):
    mark = "98765.4321"
    server.run(shell(f"setsid sleep {mark} & echo started"))
    host.wait_until(lambda: not host.processes_with(mark), 5, "a process outlived its run")


def import_tiny(docker, name, *options):
    """An image of one program."""
    changes = " ".join(f"--change '{option}'" for option in options)
    docker.run(
        f"folder=$(mktemp -d) && mkdir $folder/bin && cp /bin/busybox $folder/bin && ln -s busybox $folder/bin/sh && "
        f"tar -C $folder -c . | docker import {changes} - {name} && rm -r $folder"
    )


def image_id(docker, name):
    return docker.run(f"docker image inspect --format '{{{{.Id}}}}' {name}").stdout.strip()


@pytest.fixture(scope="module")
def tiny(docker, server):
    import_tiny(docker, "site/tiny:2", "VOLUME /data", "ENV COLOUR=green", "USER 4242")
    host.wait_until(lambda: "site/tiny:2" in names_of(server), 20, "the new image is not seen")
    return image_id(docker, "site/tiny:2")


def names_of(server):
    return {image["name"]: image["digest"] for image in server.get("/v1/images").json()["images"]}


@pytest.mark.parametrize("form", ["site/tiny:2", "{id}", "site/tiny:2@{id}"])
def test_images_of_the_daemon_are_found_by_name_id_and_both(server, tiny, form):
    result = server.run({"image": form.format(id=tiny), "steps": [{"name": "run", "command": ["sh", "-c", "echo $COLOUR"]}]})
    assert text(result) == "green\n"
    assert result["image"] == f"site/tiny:2@{tiny}"
    assert names_of(server)["site/tiny:2"] == tiny


def test_a_volume_that_an_image_declares_cannot_be_written(server, tiny):
    script = "echo x > /data/x && echo escaped; /bin/busybox id -u"
    result = server.run({"image": "site/tiny:2", "steps": [{"name": "run", "command": ["sh", "-c", script]}]})
    assert "escaped" not in text(result) and int(text(result)) >= 100000, result


# What an image has as its /etc/passwd, and the lines that its programs see before their user's.
TABLES = {
    "none": ("true", []),
    "no end of line": ("printf 'root:x:0:0::/root:/bin/sh\\nghost:x:7:7::/:/bin/sh' >etc/passwd", ["root:x:0:0::/root:/bin/sh", "ghost:x:7:7::/:/bin/sh"]),
    "no etc": ("rmdir etc", []),
}
# Those that are left as they are.
NO_TABLES = {
    "a link": "touch etc/other; ln -s other etc/passwd",
    "too large": "yes nobody:x:7:7::/:/bin/sh | head -n 5000 >etc/passwd",
    "no text": "printf 'a\\0b' >etc/passwd",
}


def import_with(docker, server, name, script):
    """An image of one program, and what a script makes in its root."""
    docker.run(
        f"folder=$(mktemp -d) && mkdir $folder/bin $folder/etc && cp /bin/busybox $folder/bin && ln -s busybox $folder/bin/sh && "
        f"(cd $folder && {script}) && tar -C $folder -c . | docker import - {name} && rm -r $folder"
    )
    host.wait_until(lambda: name in names_of(server), 20, "the new image is not seen")


@pytest.mark.parametrize("case", TABLES)
def test_a_line_for_the_user_is_behind_what_the_image_has(docker, server, case):
    script, before = TABLES[case]
    name = f"site/names:{case.replace(' ', '-')}"
    import_with(docker, server, name, script)
    inside = "busybox id -un; busybox id -gn; busybox cat /etc/passwd; echo x 2>/dev/null >>/etc/passwd || echo held; busybox stat -c '%a %u' /etc/passwd"
    lines = text(server.run({"image": name, "steps": [{"name": "run", "command": ["sh", "-c", inside]}]})).splitlines()
    assert lines[:2] == ["sandbox", "sandbox"] and lines[2:-3] == before and lines[-2:] == ["held", "444 0"], lines
    assert lines[-3].startswith("sandbox:x:") and lines[-3].endswith("::/home/sandbox:/bin/sh")


@pytest.mark.parametrize("case", NO_TABLES)
def test_an_image_whose_passwd_is_none_runs_without_a_name(docker, server, case):
    name = f"site/nameless:{case.replace(' ', '-')}"
    import_with(docker, server, name, NO_TABLES[case])
    result = server.run({"image": name, "steps": [{"name": "run", "command": ["sh", "-c", "busybox id -un; echo right"]}]})
    # Podman follows links when it is asked for a file.
    named = docker.program == "podman" and case == "a link"
    assert re.fullmatch(r"sandbox\nright\n" if named else r"\d{5,}\nright\n", text(result)), result


def test_names_that_somebody_removed_are_made_again(docker, server, tiny):
    assert text(server.run(shell("id -un"))) == "sandbox\n"
    volumes = volumes_of(docker, server, "names")
    assert len(volumes) == 1
    docker.run(f"docker volume rm {volumes[0]}")
    for _ in range(3):
        assert text(server.run(shell("id -un"))) == "sandbox\n"


def test_an_image_that_is_not_there_is_refused(server):
    server.refuse({"image": "no/such:1", "steps": [{"name": "run", "command": ["true"]}]}, 404)


def test_the_node_says_what_it_is(server):
    node = server.get("/v1/node").json()
    assert (node["engine"]["name"], node["engine"]["healthy"]) == ("docker", True)


def all_answers(server, requests):
    """What each of the requests, sent at once, got: an HTTP status or the exception of the connection."""
    answers = [None] * len(requests)

    def post(i):
        try:
            answer = server.post(requests[i], timeout=150)
            answers[i] = (answer.status, answer.json().get("outcome"))
        except OSError as error:
            answers[i] = (0, str(error))

    threads = [threading.Thread(target=post, args=(i,)) for i in range(len(requests))]
    [thread.start() for thread in threads]
    return answers, threads


def test_many_at_once_are_all_answered_well(server):
    answers, threads = all_answers(server, [command("echo", str(i)) for i in range(12)])
    [thread.join() for thread in threads]
    assert answers == [(200, "ok")] * 12, answers


def test_a_container_that_vanishes_while_it_waits_is_no_loss(server, docker):
    docker.run("docker kill $(docker ps --quiet) || true", check=False)
    assert text(server.run(command("echo", "here"))) == "here\n"


def test_a_container_that_vanishes_in_a_run_is_an_engine_error(server, docker):
    answers, threads = all_answers(server, [shell("echo begun; sleep 60")])
    host.wait_until(lambda: server.get("/v1/node").json()["queue"]["running"] == 1, 10, "it does not begin")
    time.sleep(seconds(2))
    docker.run("docker kill $(docker ps --quiet) || true", check=False)
    threads[0].join(seconds(30))
    assert answers == [(200, "engine_error")], answers
    assert text(server.run(command("echo", "next"))) == "next\n"


def test_when_the_daemon_dies_every_request_is_answered_and_the_node_recovers(mortal, docker):
    answers, threads = all_answers(mortal, [shell("echo begun; sleep 3")] * 50)
    host.wait_until(lambda: mortal.get("/v1/node").json()["queue"]["running"] > 0, 20, "none begins")
    time.sleep(seconds(3))
    docker.kill_daemon()
    host.wait_until(lambda: "daemon" in why_not_ready(mortal), 20, "it is said to be ready")
    refused = mortal.post(command("true"))
    assert (refused.status, refused.json()["outcome"]) == (200, "engine_error"), refused
    [thread.join(seconds(60)) for thread in threads]
    assert None not in answers and {status for status, _ in answers} == {200}, answers
    docker.bring_back()
    wait_ready(mortal)
    assert text(mortal.run(command("echo", "again"))) == "again\n"
    mortal.stop()
    nothing_is_left(docker, mortal)


def test_when_kiln_is_killed_its_containers_end_and_the_next_start_removes_them(docker):
    server = make(docker).spawn()
    wait_ready(server)
    _, threads = all_answers(server, [shell("sleep 100")] * 3)
    host.wait_until(lambda: len(containers_of(docker, server, "")) >= 3, PATIENCE_S, "they do not begin")
    server.kill(everything=False)
    host.wait_until(lambda: not containers_of(docker, server, ""), 20, "containers go on")
    [thread.join(seconds(20)) for thread in threads]
    again = make(docker, home=server.home).spawn()
    wait_ready(again)
    again.stop()
    nothing_is_left(docker, server)
    server.home.cleanup()


def test_when_containers_the_daemon_and_kiln_die_in_the_middle_of_50_runs_none_waits_for_ever_and_nothing_is_left(mortal, docker):
    """One after the other, while all 50 are under way or wait. A request ends with an answer, or with the connection of the kiln that died."""
    server = mortal
    answers, threads = all_answers(server, [shell("echo begun; sleep 2")] * 50)
    host.wait_until(lambda: any(answers), PATIENCE_S, "none ends")

    def a_run_has_lost_its_container():
        docker.run("docker kill $(docker ps --quiet) || true", check=False)
        return (200, "engine_error") in answers

    host.wait_until(a_run_has_lost_its_container, PATIENCE_S, lambda: f"no run has lost its container: {answers}")
    docker.kill_daemon()
    host.wait_until(lambda: "daemon" in why_not_ready(server), 20, "it is said to be ready")
    server.kill(everything=False)
    [thread.join(seconds(60)) for thread in threads]
    assert None not in answers and {status for status, _ in answers} <= {200, 503, 0}, answers
    assert {outcome for status, outcome in answers if status == 200} <= {"ok", "engine_error"}, answers
    docker.bring_back()
    again = make(docker, home=server.home).spawn()
    wait_ready(again)
    assert text(again.run(command("echo", "again"))) == "again\n"
    again.stop()
    nothing_is_left(docker, server)


def test_a_front_that_crashes_is_started_again_and_loses_only_its_runs(mortal, docker):
    before = mortal.front_pid()
    os.kill(before, signal.SIGSEGV)
    host.wait_until(lambda: not host.is_alive(before), 5, "it lives")
    wait_ready(mortal)
    assert text(mortal.run(command("echo", "after"))) == "after\n"
    mortal.stop()


def test_a_front_whose_death_comes_to_its_keeper_all_at_once_is_started_again(mortal):
    for _ in range(3):
        mortal.kill_front(unseen=True)
        mortal.wait_ready(PATIENCE_S)
        assert step(mortal.run(python("print('again')")))["stdout"] == "again\n"
    mortal.stop()


def test_a_daemon_that_is_away_at_the_start_is_waited_for(docker):
    server = make(docker, own={"host": f"unix://{docker.folder}/nobody"}).spawn()
    host.wait_until(lambda: is_answering(server), 20, server.log)
    assert "daemon does not answer" in why_not_ready(server)
    assert server.get("/alive").status == 200
    Path(docker.folder, "nobody").symlink_to("socket")
    wait_ready(server)
    Path(docker.folder, "nobody").unlink()
    server.stop()


def is_answering(server):
    try:
        return server.get("/alive").status == 200
    except OSError:
        return False


def test_a_runtime_that_the_daemon_does_not_have_is_named_in_its_words(docker):
    server = make(docker, own={"runtime": "no-such-runtime"}, pool=False).spawn()
    wait_ready(server)
    answer = server.post(command("true")).json()
    assert answer["outcome"] == "engine_error" and "no-such-runtime" in json.dumps(answer), answer
    server.stop()
