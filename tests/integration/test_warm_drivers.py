"""Drivers, the programs that are started ahead and are told later what to be: a good one, and many that are not.

Whatever a driver does before its run, the run is as it would be without it. The languages here are made for that: a
shell script is their program, and their drivers are in Python.
"""

import json
import os

import pytest

from kilntest import host, settings

PATIENCE = max(1, settings.SLOW / 4)  # the start of Bash alone may take a second of an emulated processor
LIMITS = {"wall_ms": 20000, "open_files": 77, "file_bytes": 1 << 20}

# Reads what it is to be, and becomes it by exec.
TAKE = """
import os, socket, struct
control = socket.socket(fileno=3)
def take():
    control.sendall(b"r")
    size = struct.unpack(">I", control.recv(4, socket.MSG_WAITALL))[0]
    words = iter(control.recv(size, socket.MSG_WAITALL)[:-1].split(b"\\0"))
    lists = [[next(words) for _ in range(int(next(words)))] for _ in range(2)]
    control.close()
    return lists
"""
BECOME = """
argv, envp = take()
os.execvpe(argv[0], argv, dict(v.split(b"=", 1) for v in envp))
"""

DRIVERS = {
    "good": TAKE + BECOME,
    "ends": "raise SystemExit(3)",
    "fails": "this is no Python",
    "closes": "import os; os.close(3); import time; time.sleep(100)",
    "prints": "print('I am ready', flush=True)\n" + TAKE + BECOME,
    "complains": "import os; os.write(2, b'oh')\n" + TAKE + BECOME,
    "dies-when-ready": TAKE + "control.sendall(b'r'); os._exit(0)",
    "killed-when-ready": TAKE + "control.sendall(b'r'); os.kill(os.getpid(), 9)",
    "never-ready": "import time; time.sleep(1000)",
    "eats-memory": "x = bytearray(1 << 30)\nfor i in range(0, len(x), 4096): x[i] = 1\n",
    "forks": "import os, time\nif os.fork() == 0: time.sleep(1000)\n" + TAKE + BECOME,
    "leaves-a-child": "import os, time\nif os.fork() == 0: time.sleep(1000)\n",
    "stops": TAKE + "import signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "talks-too-much": TAKE + "control.sendall(b'r' * 100000)\n" + BECOME,
    "burns-time": TAKE + f"import time\nwhile time.process_time() < {1.5 * PATIENCE}: pass\n" + BECOME,
}
BECOMES_THE_STEP = ("good", "forks", "burns-time")

# What the program of the run sees of itself. Its time is what it used, not what its driver did.
PROGRAM = """
echo "args: $*"
env | sort
ulimit -n -f -s -u -c
ls -l /proc/self/fd | wc -l
ls -A /sandbox
cat
echo "to stderr" >&2
umask
pwd
exit 5
"""


def language(name, driver, **warm):
    return {
        "id": name,
        "name": name,
        "image": "host",
        "source_file": "main.sh",
        "run": {"command": ["bash", "{entry}"], "env": {"OWN": "1"}},
        "warm": {"command": ["/usr/bin/python3", "-c", driver], **warm},
        "hello": "echo hello",
    }


@pytest.fixture(scope="module")
def languages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("languages")
    for name, driver in DRIVERS.items():
        (folder / f"{name}.yaml").write_text(json.dumps(language(name, driver, cold_env=["COLD_*"])))
    for path in (folder.parent.parent, folder.parent, folder, *folder.iterdir()):
        path.chmod(path.stat().st_mode | 0o755 if path.is_dir() else 0o644)
    return str(folder)


@pytest.fixture(scope="module")
def hot(servers, languages):
    return servers(languages_dir=languages, pool_max=2)


@pytest.fixture(scope="module")
def cold(servers, languages):
    return servers(languages_dir=languages, pool=False)


def document(name, **more):
    return {
        "language": name,
        "files": {"main.sh": PROGRAM},
        "args": ["one", "", "two words"],
        "env": {"GIVEN": "a=b", "EMPTY": ""},
        "stdin": "input\n",
        "limits": LIMITS,
        **more,
    }


def visible(result):
    return result["outcome"], [
        (step["exit_code"], step["stdout"], step["stderr"], step.get("limit")) for step in result["steps"]
    ]


def shelf(server, name):
    return next((one for one in server.get("/v1/node").json()["pools"] if one["runtime"] == name), None)


def has_settled(server, name):
    found = shelf(server, name)
    return found and (found["ready"] > 0 or found["making"] == 0 or name == "never-ready")


@pytest.mark.parametrize("name", sorted(DRIVERS))
def test_a_run_is_the_same_whatever_its_driver_did(hot, cold, name):
    expected = visible(cold.run(document(name)))
    assert visible(hot.run(document(name))) == expected
    for _ in range(2):
        host.wait_until(lambda: has_settled(hot, name), 60, f"the pool does not come to rest: {shelf(hot, name)}")
        assert visible(hot.run(document(name))) == expected


def taken(server, name, **more):
    """The result of a run that got a sandbox with a driver."""
    server.run(document(name))
    host.wait_until(lambda: shelf(server, name)["ready"] > 0, 60, "no driver in stock")
    before = shelf(server, name)["taken"]
    result = server.run(document(name, **more))
    assert shelf(server, name)["taken"] == before + 1
    return result


# Bash begins the numbers of what it starts at the next free one: behind a driver not at 2.
def test_the_driver_is_what_becomes_the_step(hot):
    for name in BECOMES_THE_STEP:
        result = taken(hot, name, files={"main.sh": "test $$ -eq 2 && cut -d ' ' -f 22 /proc/2/stat; cat /proc/uptime"})
        start, uptime = result["steps"][0]["stdout"].split()[:2]
        assert float(uptime) - int(start) / os.sysconf("SC_CLK_TCK") > result["steps"][0]["wall_ms"] / 1000


def test_the_time_of_a_driver_is_not_the_step_s(hot):
    limit = int(1000 * PATIENCE)
    result = taken(hot, "burns-time", files={"main.sh": "exit 5"}, limits={"cpu_ms": limit, "wall_ms": 20000})
    assert result["outcome"] == "failed" and result["steps"][0]["exit_code"] == 5
    assert result["steps"][0]["cpu_ms"] < limit


def test_a_driver_s_step_is_held_to_its_limits(hot):
    def outcome(script, **limits):
        return taken(hot, "good", files={"main.sh": script}, limits={"wall_ms": 20000, **limits})["outcome"]

    assert outcome("while :; do :; done", cpu_ms=500) == "cpu_time_exceeded"
    assert outcome("sleep 100", wall_ms=500) == "wall_time_exceeded"
    assert outcome("yes", output_bytes=10000) == "output_exceeded"


def test_with_a_variable_that_it_cannot_take_on_a_driver_is_not_used(hot):
    hot.run(document("good"))
    before = shelf(hot, "good")["taken"]
    result = hot.run(document("good", env={"COLD_START": "1"}))
    assert "COLD_START=1" in result["steps"][0]["stdout"]
    assert shelf(hot, "good")["taken"] == before
