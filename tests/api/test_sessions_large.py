"""Sessions with many files: whatever is done with one, everybody else is served meanwhile."""

import os
import signal
import sqlite3
import threading
import time

import pytest

from kilntest import host
from kilntest.server import RESTART_S
from kilntest.sessions import Session
from kilntest.settings import NO_USER_IDS, has_user_ids

pytestmark = pytest.mark.skipif(not has_user_ids(), reason=NO_USER_IDS)

FILES = 5000
LARGE = 4  # files of LARGE_MIB each
LARGE_MIB = 8

# Many small files and some large ones, no two with the same content.
FILL = f"""
import os
for folder in range({FILES} // 500):
    os.mkdir(f"f{{folder}}")
    for number in range(500):
        with open(f"f{{folder}}/{{number}}", "w") as file:
            file.write(f"{{folder}} {{number}} " * 20)
for number in range({LARGE}):
    with open(f"large{{number}}", "wb") as file:
        file.write(os.urandom({LARGE_MIB} << 20))
"""


class Beside(threading.Thread):
    """Asks one thing again and again, and knows how long the longest wait for it was."""

    def __init__(self, ask):
        super().__init__()
        self.ask, self.over, self.longest, self.good = ask, threading.Event(), 0.0, True

    def run(self):
        while self.good and not self.over.is_set():
            begun = time.monotonic()
            self.good = self.ask()
            self.longest = max(self.longest, time.monotonic() - begun)
            time.sleep(0.005)


def longest_alone(ask):
    """Where a run is a container that is made for it, it takes its time when nobody else is there too."""
    begun, longest = time.monotonic(), 0.0
    for _ in range(4):
        assert ask()
        longest, begun = max(longest, time.monotonic() - begun), time.monotonic()
    return longest


def served_beside(server, what):
    """Does `what`; how long it took, and how much longer others waited at most for /ready, a run, a run in another session than without it."""
    other = Session(server)
    other.user("bee")
    document = {"image": "host", "steps": [{"name": "run", "command": ["true"]}]}
    asks = {
        "ready": lambda: server.get("/ready").status == 200,
        "run": lambda: server.run(document)["outcome"] == "ok",
        "session": lambda: other.shell("bee", "date +%N >a")["outcome"] == "ok",
    }
    alone = {name: longest_alone(ask) for name, ask in asks.items()}
    threads = {name: Beside(ask) for name, ask in asks.items()}
    for thread in threads.values():
        thread.start()
    time.sleep(0.2)
    for thread in threads.values():
        thread.longest = 0.0
    begun = time.monotonic()
    try:
        what()
        took = time.monotonic() - begun
    finally:
        for thread in threads.values():
            thread.over.set()
        for thread in threads.values():
            thread.join()
        other.remove()
    assert all(thread.good for thread in threads.values()), threads
    return took, {name: thread.longest - alone[name] for name, thread in threads.items()}


def assert_nobody_waited(took, longest):
    """Where the loop is held, the wait for /ready is as long as what holds it."""
    assert longest["ready"] < max(took / 4, 0.1), (took, longest)
    assert longest["run"] < max(took / 2, 0.5), (took, longest)
    assert longest["session"] < max(took / 2, 0.5), (took, longest)


def test_large_sessions_hold_nobody_up(server):
    dojo = Session(server, limits={"disk_bytes": 512 << 20, "memory_bytes": 768 << 20, "wall_ms": 60_000})
    dojo.user("lion")
    result = dojo.run("lion", "python3", "-c", FILL, timeout=120)
    assert result["outcome"] == "ok", result["steps"]
    forked = {}

    def fork():
        forked["id"] = dojo.call("POST", dojo.path + "/fork", {"user": "lion"}, status=201, timeout=120)["id"]

    # The copy is brought up to date, copied within the store, and put back into the fork.
    assert_nobody_waited(*served_beside(server, fork))
    fork = Session.found(server, forked["id"])
    assert fork.state()["copy"]["files"] == FILES + LARGE
    assert fork.printed("lion", "cat f3/141 | wc -c; ls | wc -l").split() == ["120", str(FILES // 500 + LARGE)]
    assert_nobody_waited(*served_beside(server, lambda: fork.call("DELETE", f"{fork.path}/users/lion", status=204, timeout=120)))
    assert fork.state()["copy"]["files"] == 0
    fork.remove()
    assert_nobody_waited(*served_beside(server, lambda: dojo.call("DELETE", dojo.path, status=204, timeout=120)))
    assert dojo.answer("GET", dojo.path).status == 404


def ask_store(server, question):
    """One number of the store of a server of root's."""
    path = server.home.path / "state" / "sessions" / "sessions.db"
    if not path.exists():
        path = server.home.home / "state" / "kiln" / "sessions" / "sessions.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20) as store:
        return store.execute(question).fetchone()[0]


def test_what_a_dead_front_was_removing_is_removed_by_the_next(mortal):
    server = mortal()
    server.start()
    dojo = Session(server, limits={"disk_bytes": 512 << 20, "memory_bytes": 768 << 20, "wall_ms": 60_000})
    dojo.user("lion")
    assert dojo.run("lion", "python3", "-c", FILL, timeout=120)["outcome"] == "ok"
    dojo.files("shared")  # so that the copy has everything
    assert ask_store(server, "SELECT count(*) FROM files") > FILES
    front = server.front_pid()

    def remove():
        try:
            dojo.answer("DELETE", dojo.path)
        except OSError:
            pass  # nobody is there to answer

    removal = threading.Thread(target=remove)
    removal.start()
    host.wait_until(lambda: ask_store(server, "SELECT count(*) FROM sessions") == 0, 30, "the removal does not begin")
    os.kill(front, signal.SIGKILL)
    removal.join()
    host.wait_until(lambda: not host.is_alive(front), 10, "the front does not die")
    host.wait_until(server.is_ready, RESTART_S, "no new front")
    assert dojo.answer("GET", dojo.path).status == 404
    tables = ("files", "blobs", "versions", "users", "runs", "weights")
    left = "SELECT " + " + ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    host.wait_until(lambda: ask_store(server, left) == 0, 60, lambda: f"{ask_store(server, left)} rows are left")
