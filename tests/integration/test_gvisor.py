"""The Docker engine with gVisor as the runtime of its containers: a kernel for each, which lacks what init is otherwise made of.

tests/api and tests/attacks run under it too, when asked: ./check api-gvisor attacks-gvisor.
"""

import pytest

from kilntest import host
from kilntest.docker import GVISOR, RUN_IMAGE, Docker, absent_gvisor, nothing_is_left
from kilntest.requests import MIB, command, output, python, shell, text
from kilntest.server import Server

# A container of gVisor's takes seconds on a busy machine, and so does what a program does in there.
PATIENCE_S = 60
WALL = {"wall_ms": 30000}
GROUPLESS = {"runsc-groupless": [*GVISOR["runsc"], "--ignore-cgroups"]}


@pytest.fixture(scope="module")
def docker():
    if why_not := absent_gvisor():
        pytest.skip(why_not)
    with Docker(image="compilers", runtimes={**GVISOR, **GROUPLESS}) as running:
        yield running
    assert not running.folder.exists(), "the daemon's data is left"
    assert not [path for path in host.cgroups() if running.cgroup in path], "cgroups are left"


@pytest.fixture(scope="module", autouse=True)
def servers_end(docker):
    yield
    for server in made:
        server.stop()
        nothing_is_left(docker, server)


made = []


def make(docker, runtime="runsc"):
    own = {"host": docker.socket, "host_image": RUN_IMAGE, "runtime": runtime}
    server = Server(engine="docker", docker=own, pool_max=1, pool_min=1).spawn()
    made.append(server)
    host.wait_until(server.is_ready, PATIENCE_S, lambda: f"not ready: {server.log()[-2000:]}")
    return server


@pytest.fixture(scope="module")
def server(docker):
    return make(docker)


def run(server, request):
    request["limits"] = {**WALL, **request.get("limits", {})}
    return server.run(request, timeout=2 * PATIENCE_S)


def step(result):
    return result["steps"][-1]


def test_c_is_compiled_and_run_with_files_stdin_and_collection(server):
    request = {
        "image": RUN_IMAGE,
        "files": {"src/main.c": '#include <stdio.h>\nint main(void) { int c; while ((c = getchar()) != EOF) putchar(c + 1); }\n'},
        "steps": [
            {"name": "compile", "command": ["gcc", "-o", "main", "src/main.c"]},
            {"name": "run", "command": ["sh", "-c", "./main | tee new/out; echo //end >> src/main.c"], "stdin": "HAL"},
        ],
        "collect": ["new/*", "src/*"],
    }
    request["files"]["new/old"] = "as it was\n"
    result = run(server, request)
    assert (result["outcome"], text(result)) == ("ok", "IBM"), result
    files = result["files"]
    assert {name: entry["content"] for name, entry in files["created"].items()} == {"new/out": "IBM"}, files
    assert list(files["changed"]) == ["src/main.c"] and files["changed"]["src/main.c"]["content"].endswith("//end\n"), files


def test_init_writes_as_the_user_and_reads_what_he_made_unreadable(server):
    source = """
    import os
    for name in ("given", "folder", "folder/given", "."):
        found = os.stat(name)
        print(found.st_uid == os.getuid(), found.st_gid == os.getgid(), os.access(name, os.W_OK))
    os.mkdir("private", 0o700)
    open("private/file", "w").write("secret")
    os.chmod("private/file", 0)
    os.chmod("private", 0)
    """
    request = python("\n".join(line[4:] for line in source.splitlines()), files={"given": "1", "folder/given": "2"}, collect="all")
    result = run(server, request)
    assert text(result) == 4 * "True True True\n", result
    assert result["files"]["created"]["private/file"]["content"] == "secret", result


def test_the_walls_stand(server):
    script = """
    grep -E '^(Uid|Gid|Groups|Cap|Seccomp:)' /proc/self/status
    touch /usr/bin/x 2>/dev/null && echo escaped
    cat /.kiln/config /.kiln/init >/dev/null 2>&1 && echo escaped
    [ -z "$(tr -d '\\0' </proc/1/environ)" ] || echo escaped
    kill -STOP 1 2>/dev/null && echo escaped
    unshare --user true 2>/dev/null && echo escaped
    mount -t tmpfs none /tmp 2>/dev/null && echo escaped
    for fd in /proc/self/fd/*; do [ ${fd##*/} -le 10 ] || [ ${fd##*/} = 255 ] || echo escaped; done  # that is the script, of bash
    """
    lines = text(run(server, shell(script))).splitlines()
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    assert "escaped" not in lines, lines
    assert all(int(values[name], 16) == 0 for name in values if name.startswith("Cap")), values
    uids, gids = values["Uid"].split(), values["Gid"].split()
    assert len(set(uids)) == 1 and len(set(gids)) == 1 and int(uids[0]) >= 100000 and int(gids[0]) >= 100000, values
    assert (values["Seccomp"].strip(), values["Groups"].strip()) == ("2", ""), values


FORKS = "import os, time\nfor _ in range(50):\n    if os.fork() == 0:\n        time.sleep(20)\n"
HOARD = "x = []\nwhile True: x.append(bytearray(1 << 20))"
VERDICTS = {
    "ok": (command("true"), "ok", None, None),
    "signal": (shell("kill -SEGV $$"), "signaled", None, None),
    "wall": (command("sleep", "30", limits={"wall_ms": 700}), "wall_time_exceeded", "wall_ms", "watchdog"),
    "cpu": (python("while True: pass", limits={"cpu_ms": 300}), "cpu_time_exceeded", "cpu_ms", "watchdog"),
    "memory": (python(HOARD, limits={"memory_bytes": 48 * MIB}), "memory_exceeded", "memory_bytes", "watchdog"),
    "output": (command("yes", limits={"output_bytes": 4096}), "output_exceeded", "output_bytes", "watchdog"),
    "disk": (shell("cat /dev/zero > big", limits={"disk_bytes": 4 * MIB}), "disk_exceeded", "disk_bytes", "tmpfs"),
    "file": (
        python("import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_DFL)\nopen('big', 'w').write('x' * (2 << 20))", limits={"file_bytes": MIB}),
        "disk_exceeded", "file_bytes", "rlimit",
    ),
    "processes": (python(FORKS, limits={"processes": 10}), "processes_exceeded", "processes", "rlimit"),
}  # fmt: skip


@pytest.mark.parametrize("name", VERDICTS)
def test_every_limit_is_held_and_named(server, name):
    request, outcome, limit, by = VERDICTS[name]
    result = run(server, request)
    assert result["outcome"] == outcome, result
    said = step(result)["limit"]
    assert (said and (said["name"], said["enforced_by"])) == (limit and (limit, by)), result


def test_as_many_processes_as_allowed_can_live_and_no_more(server):
    source = "import os, time\nn = 1\ntry:\n    while n < 30:\n        if os.fork() == 0: time.sleep(20)\n        n += 1\nexcept OSError: pass\nprint(n)"
    assert text(run(server, python(source, limits={"processes": 7}))) == "7\n"


def test_what_a_step_used_is_its_own(server):
    source = "x = bytearray(40 << 20)\nfor i in range(len(x) >> 12): x[i << 12] = 1\nt = 0\nfor i in range(3000000): t += i"
    used = step(run(server, python(source)))
    assert 40 * MIB < used["memory_peak_bytes"] < 80 * MIB, used
    assert 50 < used["cpu_ms"] <= used["wall_ms"] + 100, used
    little = step(run(server, command("true")))
    assert 0 < little["memory_peak_bytes"] < 8 * MIB and little["cpu_ms"] < used["cpu_ms"], little


def test_more_memory_than_the_waiting_container_has_is_given(server):
    source = "x = bytearray(400 << 20)\nfor i in range(len(x) >> 12): x[i << 12] = 1\nprint(len(x))"
    result = run(server, python(source, limits={"memory_bytes": 600 * MIB}))
    assert (result["outcome"], text(result)) == ("ok", f"{400 * MIB}\n"), result


def test_a_later_step_cannot_have_more_memory_and_says_so(server):
    steps = [{"name": f"step{n}", "command": ["true"], "limits": {"memory_bytes": n * 600 * MIB}} for n in (1, 2)]
    result = server.post({"image": RUN_IMAGE, "steps": steps}, timeout=2 * PATIENCE_S).json()
    assert [one["outcome"] for one in result["steps"]] == ["ok", "engine_error"], result
    assert "gVisor" in step(result)["error"], result
    steps.reverse()
    assert run(server, {"image": RUN_IMAGE, "steps": steps})["outcome"] == "ok"


def test_what_is_not_enforced_is_named(docker, server):
    assert run(server, command("true"))["unenforced"] == ["cpu_ms"]
    groupless = make(docker, "runsc-groupless")
    result = run(groupless, python(HOARD, limits={"memory_bytes": 48 * MIB}))
    assert set(result["unenforced"]) == {"memory_bytes", "cpu_ms", "cpu_percent"}, result
    assert (result["outcome"], step(result)["limit"]["enforced_by"]) == ("memory_exceeded", "watchdog"), result
    assert output(run(groupless, command("echo", "next"))) == b"next\n"
