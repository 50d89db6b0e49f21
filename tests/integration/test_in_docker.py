"""kiln in containers of a real dockerd, without --privileged: docs/docker.md's own commands, then programs that try to get out.

The daemon is started here and ends here; kilntest/docker.py says how it leaves no trace.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from kilntest import host
from kilntest.docker import Docker, absent
from kilntest.requests import MIB, command, python, shell
from kilntest.settings import ROOT, SLOW

PAGE = (ROOT / "docs/docker.md").read_text()
WAYS = {"ordinary": "As an ordinary user", "root": "As root with CAP_SYS_ADMIN"}
ORDINARY, PRIVILEGED = WAYS


def documented(title):
    """The commands below a heading of the page."""
    section = PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", section, re.S)[0]


def options(way):
    return re.search(r'^options="[^"]*"$', documented(WAYS[way]), re.M)[0]


@pytest.fixture(scope="module")
def docker():
    if why_not := absent("dockerd"):
        pytest.skip(why_not)
    with Docker(image="kiln") as running:
        yield running
    assert not running.folder.exists(), "the daemon's data is left"
    assert str(running.folder) not in Path("/proc/self/mountinfo").read_text(), "mounts are left"
    assert not [path for path in host.cgroups() if running.cgroup in path], "cgroups are left"
    assert not host.processes_with(str(running.folder)), "processes are left"


class Contained:
    """A `kiln serve` in a container, spoken to from inside, as its network is its own."""

    def __init__(self, docker, way):
        self.docker, self.way = docker, way
        self.name = f"kiln-{way}"
        docker.run(f"{options(way)}\ndocker run --detach --name {self.name} $options kiln serve")
        host.wait_until(self.is_ready, 20, lambda: docker.run(f"docker logs {self.name} 2>&1").stdout)

    def inside(self, argument, **more):
        return self.docker.run(f"docker exec --interactive {self.name} {argument}", check=False, **more)

    def is_ready(self):
        return self.inside("curl -sf http://127.0.0.1:4597/ready").returncode == 0

    def run(self, request):
        post = "curl -sS http://127.0.0.1:4597/v1/runs --data-binary @- --header 'Content-Type: application/json'"
        answer = self.inside(post, input=json.dumps(request))
        assert answer.returncode == 0, answer
        result = json.loads(answer.stdout)
        assert result.get("outcome") not in (None, "engine_error"), result
        return result

    def doctor(self):
        report = json.loads(self.inside("kiln doctor --json").stdout)
        return {check["name"]: check for check in report["checks"]}


@pytest.fixture(scope="module", params=WAYS)
def contained(docker, request):
    yield Contained(docker, request.param)
    docker.run(f"docker stop kiln-{request.param} && docker rm kiln-{request.param}")


def said(result):
    return result["steps"][-1]["stdout"]


@pytest.mark.parametrize("way", WAYS)
def test_the_documented_commands_work(docker, way):
    done = docker.run(documented(WAYS[way]))
    assert done.stdout.startswith("sandbox\n6 * 7 = 42\n"), done
    answer = json.JSONDecoder().raw_decode(done.stdout, done.stdout.index('{"id"'))[0]
    assert (answer["outcome"], said(answer)) == ("ok", "Hello\n"), answer
    assert docker.run("docker ps --all --quiet").stdout == "", "a container is left"


def test_the_seccomp_profile_is_made_from_the_table_of_the_payloads():
    subprocess.run([ROOT / "tools/docker-seccomp", "--check"], check=True)


def test_without_the_options_kiln_makes_no_sandbox_and_says_what_is_missing(docker):
    failed = docker.run("docker run --rm --user kiln kiln run --image host -- true", check=False)
    assert failed.returncode != 0
    report = docker.run("docker run --rm --user kiln kiln doctor", check=False)
    assert report.returncode == 2, report
    assert "kiln-seccomp.json" in report.stdout, report


def test_root_without_the_options_is_told_which_capabilities_are_missing(docker):
    report = docker.run("docker run --rm kiln doctor", check=False)
    assert report.returncode == 2, report
    assert "root without SYS_ADMIN NET_ADMIN" in report.stdout, report


def test_a_container_with_the_rights_of_the_host_is_told_to_be_one(docker):
    rights = "--security-opt seccomp=unconfined --cap-add SYS_ADMIN --cap-add SYS_MODULE --cap-add SYS_RAWIO"
    report = docker.run(f"docker run --rm {rights} kiln doctor", check=False)
    assert "without --privileged" in report.stdout, report


def test_a_covered_proc_is_named_as_what_is_missing(docker):
    plain = options(ORDINARY).replace("--security-opt systempaths=unconfined", "")
    report = docker.run(f"{plain}\ndocker run --rm $options kiln doctor", check=False)
    assert report.returncode == 2, report
    assert "systempaths=unconfined" in report.stdout, report


def test_without_new_privileges_sandboxes_share_one_uid_and_work(docker):
    tighter = options(ORDINARY).replace("--cap-add SETUID --cap-add SETGID", "--security-opt no-new-privileges")
    done = docker.run(f"{tighter}\ndocker run --rm $options kiln run --image host -- id -un")
    assert (done.stdout, done.stderr) == ("sandbox\n", ""), done


def test_capabilities_of_newuidmap_that_the_container_has_not_are_told_once(docker):
    fewer = options(ORDINARY).replace("--cap-add SETUID --cap-add SETGID", "")
    done = docker.run(f"{fewer}\ndocker run --rm $options kiln run --image host -- id -un")
    assert done.stdout == "sandbox\n"
    assert "newuidmap refused the map" in done.stderr, done


def test_every_wall_stands(contained):
    checks = contained.doctor()
    expected = {"languages"}  # of which the image has few
    if contained.way == ORDINARY:
        expected |= {"cgroups", "memory limit", "processes limit", "cpu share", "cpu time"}
    assert {name for name, check in checks.items() if check["status"] != "present"} == expected, checks


def test_limits_are_held_as_documented(contained):
    unenforced = contained.run(command("true")).get("unenforced") or []
    watched = ["cpu_ms", "memory_bytes", "cpu_percent"]
    assert unenforced == (watched if contained.way == ORDINARY else []), unenforced


def test_a_program_that_takes_memory_without_end_is_ended(contained):
    result = contained.run(python("x = []\nwhile True: x.append(bytearray(1 << 20))", limits={"memory_bytes": 64 * MIB}))
    assert result["outcome"] == "memory_exceeded", result
    held_by = "watchdog" if contained.way == ORDINARY else "cgroup"
    assert result["steps"][-1]["limit"]["enforced_by"] == held_by, result


def test_a_fork_bomb_goes_no_further_than_its_limit(contained):
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n"
    limits = {"processes": 20, "wall_ms": int(1500 * SLOW), "cpu_ms": 60000}
    result = contained.run(python(bomb, limits=limits))
    assert result["outcome"] in ("wall_time_exceeded", "processes_exceeded", "failed"), result
    assert result["steps"][-1]["processes_peak"] <= 20, result
    assert contained.run(command("echo", "fine"))["outcome"] == "ok"
    # Sandboxes that wait for the next runs are made at that time.
    host.wait_until(lambda: len(processes_in(contained)) < 12, 10, lambda: processes_in(contained))


def processes_in(contained):
    return contained.inside("sh -c 'ls -d /proc/[0-9]*'").stdout.split()


def test_nothing_of_the_container_is_to_be_read(contained):
    script = """
    cat /etc/shadow /etc/subuid /home/kiln/* /proc/1/environ /proc/1/root/etc/subuid && echo escaped
    cat /proc/kcore /proc/kmsg /proc/keys /proc/sysrq-trigger /proc/timer_list && echo escaped
    ls /sys/fs /.dockerenv && echo escaped
    echo x >/proc/sys/kernel/core_pattern && echo escaped
    for folder in /proc/[0-9]*; do echo "${folder#/proc/}"; done | wc -l
    """
    lines = said(contained.run(shell(script))).split()
    assert "escaped" not in lines, lines
    assert int(lines[-1]) <= 4, lines


def test_no_namespace_and_no_mount_can_be_made(contained):
    script = """
    unshare --user true && echo escaped
    unshare --mount true && echo escaped
    mount -t tmpfs none /tmp && echo escaped
    mount -o remount,rw / && echo escaped
    cat /proc/sys/user/max_user_namespaces
    grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status
    """
    said_lines = said(contained.run(shell(script))).split("\n")
    assert said_lines[0] == "0", said_lines  # and the second wall stands in the first line
    values = dict(line.split(":\t") for line in said_lines[1:] if line)
    assert all(int(values[name], 16) == 0 for name in values if name.startswith("Cap")), values
    assert (values["NoNewPrivs"], values["Seccomp"]) == ("1", "2"), values


def test_no_network_is_there(contained):
    source = """
import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", 4597)), (socket.AF_INET, ("172.17.0.1", 22))):
    try:
        socket.create_connection(address, 2)
        print("escaped")
    except OSError as error:
        print("refused")
print([name for _, name in socket.if_nameindex()])
"""
    assert said(contained.run(python(source))).split("\n")[:3] == ["refused", "refused", "['lo']"]


def test_loopback_works_where_it_is_asked_for(contained):
    source = """
import socket
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname(), 5)
print("connected")
"""
    result = contained.run(python(source, network="loopback"))
    assert said(result) == "connected\n", result


def test_two_runs_share_neither_files_nor_uid(contained):
    uids = []
    for _ in range(2):
        result = contained.run(shell("ls -A /tmp /sandbox /var/tmp /dev/shm | wc -w; touch /tmp/left /var/tmp/left; id -u"))
        count, uid = said(result).split()
        uids.append(uid)
        assert int(count) == 5, result  # the four names of the folders and main.sh
    assert uids == ["1000", "1000"]
