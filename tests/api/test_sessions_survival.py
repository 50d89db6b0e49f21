"""What becomes of sessions when parts of the server die."""

import os
import signal

import pytest

from kilntest import host, services
from kilntest.server import RESTART_S, Server
from kilntest.sessions import Session
from kilntest.settings import NO_USER_IDS, has_user_ids

pytestmark = pytest.mark.skipif(not has_user_ids(), reason=NO_USER_IDS)


@pytest.fixture
def kept(mortal):
    """A server with a session in which something was left."""
    server = mortal()
    server.start()
    session = Session(server, id="dojo")
    session.user("lion", {"Makefile": "all:\n"})
    session.shell("lion", "echo left >a; mkdir d; ln -s ../a d/link; chmod 700 a; echo s >/sandboxes/shared/s")
    return session


def looks_the_same(session):
    printed = session.printed("lion", "cat a d/link ../shared/s; stat -c '%a %U' a; cat Makefile")
    assert printed == "left\nleft\ns\n700 lion\nall:\n"


def kill_front(server):
    server.kill_front()
    server.wait_ready(RESTART_S)


def test_kill_9_of_the_front_leaves_it_open(kept):
    kill_front(kept.server)
    assert kept.state()["state"] == "open"
    looks_the_same(kept)
    assert [run["number"] for run in kept.call("GET", kept.path + "/runs")["runs"]] == [1, 2]
    kept.user("tiger")
    assert kept.printed("tiger", "cat ../lion/Makefile") == "all:\n"


def shell(session, script):
    """A run, and an answer after its own: by then the loop has had a turn, in which its line is written."""
    session.shell("lion", script)
    assert session.server.is_ready()


def history(session):
    return [(run["number"], run["outcome"], run["exit_code"]) for run in session.call("GET", session.path + "/runs")["runs"]]


def test_no_run_that_was_answered_is_missing_after_kill_9(kept):
    """Runs that change nothing leave lines of the history alone, of which many come into the database together."""
    for number in range(2, 12):
        shell(kept, f"echo said {number}; exit {number}")
        if number % 5 == 0:
            kill_front(kept.server)
    kill_front(kept.server)
    assert history(kept) == [(1, "ok", 0), *((number, "failed", number) for number in range(2, 12))]
    past = kept.call("GET", kept.path + "/runs/11")
    assert past["result"]["steps"][0]["stdout"] == "said 11\n"
    assert kept.shell("lion", "exit 3")["outcome"] == "failed"
    assert history(kept)[-1] == (12, "failed", 3)


def test_no_run_that_was_answered_is_missing_after_kill_9_of_everything(kept):
    for number in range(2, 6):
        shell(kept, f"exit {number}")
    kept.server.kill(everything=False)
    server = restart(kept)
    try:
        assert history(kept) == [(1, "ok", 0), *((number, "failed", number) for number in range(2, 6))]
    finally:
        server.stop()


def test_kill_9_of_the_front_leaves_services_running(mortal):
    if not services.REDIS.exists():
        pytest.skip("needs postgresql and redis-server")
    server = mortal()
    server.start()
    session = Session(server, services={"cache": services.redis()})
    session.wait("open", 120)
    session.user("lion")
    session.shell("lion", "redis-cli -h 127.0.0.1 set a kept")
    kill_front(server)
    assert session.state()["services"]["cache"] == {**session.state()["services"]["cache"], "state": "ready", "restarts": 0}
    assert session.printed("lion", "redis-cli -h 127.0.0.1 get a") == "kept\n"


def test_a_session_expires_while_no_front_knows(kept):
    """The deadline is the keeper's: it comes even when the front is stopped."""
    keeper, held = kept.server.pid, "mnt:["
    before = host.descriptors_to(keeper, held)
    other = Session(kept.server, ttl_ms=600_000)
    assert host.descriptors_to(keeper, held) == before + 1
    kept.call("PUT", kept.path, {"ttl_ms": 1500})
    front = kept.server.front_pid()
    os.kill(front, signal.SIGSTOP)
    try:
        host.wait_until(lambda: host.descriptors_to(keeper, held) == before, 20, "the keeper still has the session's files")
    finally:
        os.kill(front, signal.SIGCONT)
    assert kept.wait("expired", 20)["ttl_left_ms"] == 0
    assert other.state()["state"] == "open"


def restart(session):
    old = session.server
    server = Server(home=old.home)
    server.start()
    session.server = server
    return server


def test_the_keepers_death_loses_it_but_not_its_files(kept):
    kept.files()  # so that the copy has everything
    kept.server.kill(everything=False)
    server = restart(kept)
    try:
        state = kept.state()
        assert state["state"] == "lost" and "keeper" in state["reason"], state
        assert kept.answer("POST", kept.path + "/runs", {"user": "lion", "command": ["true"]}).status == 409
        assert kept.files()["lion/a"] == "left\n"
        assert kept.call("POST", kept.path + "/reopen", {"ttl_ms": 60000})["state"] == "open"
        looks_the_same(kept)
    finally:
        server.stop()


def test_a_restart_in_good_order_opens_it_again(kept):
    kept.server.terminate()
    assert kept.server.wait() == 0
    server = restart(kept)
    try:
        host.wait_until(lambda: kept.state()["state"] == "open", 20, lambda: f"not open: {kept.state()}")
        looks_the_same(kept)
    finally:
        server.stop()


def test_what_a_run_wrote_is_kept_before_its_answer(kept):
    """No look at all files is needed for what a run changed in its home."""
    kept.shell("lion", "echo last >b")
    kept.server.kill(everything=False)
    server = restart(kept)
    try:
        assert kept.files("lion")["b"] == "last\n"
    finally:
        server.stop()
