"""Honest runs beside twenty hostile ones: they end correctly and the server answers all the while."""

import hashlib
import threading
import time

import battery
import pytest

from kilntest import host
from kilntest.requests import MIB, binary, c_program, file_bytes, python
from kilntest.settings import ENGINE, MAKING_S, seconds

HOSTILE = 20
HONEST = 3
# The slowest answer to /ready while the machine has hundreds of busy processes: where each run keeps to its share of the
# processors, and where nothing holds it to that.
READY_S = 3
READY_WITHOUT_SHARES_S = 12

FORKS = r"""
#include <signal.h>
#include <unistd.h>
int main(void)
{
	write(1, "HOSTILE\n", 8);
	signal(SIGCHLD, SIG_IGN);
	for (;;)
		if (!fork())
			setsid();
}
"""

MEMORY = r"""
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void)
{
	write(1, "HOSTILE\n", 8);
	for (;;) {
		if (!fork())
			for (char *p; (p = malloc(1 << 20));)
				memset(p, 1, 1 << 20);
		usleep(20000);
	}
}
"""

DISK = r"""
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(void)
{
	static char b[65536];
	write(1, "HOSTILE\n", 8);
	memset(b, 1, sizeof b);
	for (int i = 0;; i++) {
		char name[32];
		snprintf(name, sizeof name, "/tmp/%d", i % 3000);
		int fd = open(name, O_WRONLY | O_CREAT, 0600);
		if (write(fd, b, sizeof b) < 0)
			unlink(name);
		close(fd);
	}
}
"""

OUTPUT = r"""
#include <string.h>
#include <unistd.h>
int main(void)
{
	static char b[65536];
	write(1, "HOSTILE\n", 8);
	memset(b, 'x', sizeof b);
	for (int fd = 1;; fd ^= 3)
		write(fd, b, sizeof b);
}
"""

# What each may end with. The fork bomb never ends by itself: time stops it.
TIME = {"wall_time_exceeded", "cpu_time_exceeded"}
BOMBS = {
    "fork": (FORKS, TIME),
    "memory": (MEMORY, TIME | {"memory_exceeded"}),
    "disk": (DISK, TIME | {"disk_exceeded", "memory_exceeded"}),
    "output": (OUTPUT, TIME | {"output_exceeded"}),
}

HOSTILE_LIMITS = {
    "wall_ms": 4000,
    "memory_bytes": 128 * MIB,
    "processes": 64,
    "disk_bytes": 64 * MIB,
    "output_bytes": 65536,
}

WORK = """
import hashlib, subprocess
digest = hashlib.sha256()
for i in range(20000):
    digest.update(b"%d" % i)
for i in range(5):
    assert subprocess.run(["/bin/echo", str(i)], stdout=subprocess.PIPE).stdout == b"%d\\n" % i
with open("result.txt", "w") as f:
    f.write(digest.hexdigest())
print(digest.hexdigest())
"""
RIGHT = hashlib.sha256(b"".join(b"%d" % i for i in range(20000))).hexdigest()


class Asker(threading.Thread):
    """Asks /ready ten times a second; keeps how long the slowest answer took and every wrong one."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.over = threading.Event()
        self.slowest, self.asked, self.wrong = 0.0, 0, []
        self.start()

    def run(self):
        while not self.over.wait(0.1):
            begun = time.monotonic()
            try:
                status = self.server.get("/ready", timeout=20).status
            except OSError as error:
                status = repr(error)
            if status != 200:
                self.wrong.append(status)
            self.slowest = max(self.slowest, time.monotonic() - begun)
            self.asked += 1


class Hostile(threading.Thread):
    """One client that submits the same bomb again and again; keeps the outcomes, and whatever else came."""

    def __init__(self, server, kind, program, over):
        super().__init__(daemon=True)
        self.server, self.kind, self.over = server, kind, over
        self.request = {
            "image": "host",
            "files": {"main": binary(program, mode="0755")},
            "steps": [{"name": "run", "command": ["./main"], "limits": HOSTILE_LIMITS}],
        }
        self.outcomes, self.odd = [], []
        self.start()

    def run(self):
        while not self.over.is_set():
            try:
                answer = self.server.post(self.request, 90)
                result = answer.json()
                assert answer.status == 200, answer
                self.outcomes.append(result["outcome"])
                if result["outcome"] not in BOMBS[self.kind][1]:
                    self.odd.append(result)
            except (OSError, AssertionError, ValueError) as error:
                self.odd.append(repr(error)[:500])
                return


@pytest.fixture(scope="module")
def roomy(servers):
    """A server that runs all of them at the same time."""
    return servers(parallel=HOSTILE + 4)


@pytest.fixture(scope="module")
def programs(roomy):
    """The bombs, compiled in the sandbox that they attack."""
    compiled = {}
    for kind, (source, _) in BOMBS.items():
        request = c_program(source, collect="all")
        request["steps"] = request["steps"][:1]
        compiled[kind] = file_bytes(roomy.run(request)["files"]["created"]["main"])
    return compiled


def have_begun(server):
    # What runs under gVisor are no processes of this machine.
    if ENGINE == "gvisor":
        return server.get("/v1/node").json()["queue"]["running"] >= HOSTILE
    return len(server.sandboxed()) > HOSTILE


@pytest.fixture(scope="module")
def ordeal(roomy, programs):
    """What happened to the honest, the hostile and the asker while all were at work."""
    over = threading.Event()
    watch = battery.HostWatch()
    asker = Asker(roomy)
    kinds = list(BOMBS)
    hostile = [Hostile(roomy, kinds[i % len(kinds)], programs[kinds[i % len(kinds)]], over) for i in range(HOSTILE)]
    try:
        host.wait_until(lambda: have_begun(roomy), 20 + HOSTILE * MAKING_S, "the hostile runs do not begin")
        honest = [roomy.run(python(WORK, collect="all", limits={"wall_ms": 120_000}), 150) for _ in range(HONEST)]
    finally:
        over.set()
        for one in hostile:
            one.join(seconds(60))
        asker.over.set()
        asker.join()
        watch.end()
    return {"honest": honest, "hostile": hostile, "asker": asker, "watch": watch}


def test_the_honest_run_ends_correctly(ordeal):
    for result in ordeal["honest"]:
        assert result["outcome"] == "ok", result
        assert result["steps"][0]["stdout"] == RIGHT + "\n"
        assert file_bytes(result["files"]["created"]["result.txt"]) == RIGHT.encode()


def test_every_hostile_run_ends_at_a_limit(ordeal):
    assert [(one.kind, odd) for one in ordeal["hostile"] for odd in one.odd] == []
    assert all(one.outcomes for one in ordeal["hostile"]), "a client had no answer"


def test_ready_is_answered_all_the_time(ordeal, unenforced):
    bound = seconds(READY_WITHOUT_SHARES_S if "cpu_percent" in unenforced else READY_S)
    asker = ordeal["asker"]
    assert asker.asked >= 10
    assert not asker.wrong
    assert asker.slowest < bound, f"one answer took {asker.slowest:.1f} s"


def test_the_host_keeps_its_memory(ordeal):
    watch = ordeal["watch"]
    most = (HOSTILE + 1) * (HOSTILE_LIMITS["memory_bytes"] + 16 * MIB) + 256 * MIB
    assert watch.memory - watch.memory_least < most


def test_nothing_is_left_of_them(ordeal, roomy):
    # The pool keeps sandboxes ready, each with its init and no more.
    host.wait_until(lambda: len(roomy.sandboxed()) <= HOSTILE + 8, 10, lambda: f"{len(roomy.sandboxed())} processes in sandboxes")
    assert roomy.run(python("print(6 * 7)"), 10)["steps"][0]["stdout"] == "42\n"
