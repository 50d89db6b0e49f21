"""Start, drain, crash and what is left: the processes of kiln from outside."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kilntest import host
from kilntest.http import connect, post_bytes, read_answer, read_to_end, statuses
from kilntest.requests import command, shell, text
from kilntest.server import RESTART_S, Server, identity
from kilntest.settings import KILN, seconds


def sleeper(mark, duration=30):
    return shell(f"exec -a {mark} sleep {duration}", limits={"wall_ms": 60000})


def begin_runs(server, mark, count):
    """Connections whose runs are all under way."""
    connections = []
    for number in range(count):
        connections.append(connect(server.port, 30))
        connections[-1].sendall(post_bytes(json.dumps(sleeper(f"{mark}-{number}")).encode()))
    host.wait_until(lambda: len(host.processes_with(mark)) >= count, 20, f"{count} runs never started")
    return connections


def nothing_left(mark, cgroups_before, mounts_before):
    host.wait_until(lambda: not host.processes_with(mark), 10, "sandbox processes are left")
    host.wait_until(lambda: host.mounts() == mounts_before, 10, "mounts are left")
    host.wait_until(lambda: not host.cgroups_with_processes() - cgroups_before, 10, "cgroups with processes are left")


# Drain


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_a_signal_lets_running_runs_end_and_exits_0(mortal, stop):
    server = mortal().start()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.run, shell("exec -a kiln-drain sleep 1.5"))
        host.wait_until(lambda: host.processes_with("kiln-drain"), 10, "the run never started")
        server.process.send_signal(stop)
        assert running.result(seconds(10))["outcome"] == "ok"
    assert server.wait(10) == 0


def test_new_requests_are_refused_while_it_drains(mortal):
    server = mortal().start()
    kept = connect(server.port)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.run, shell("sleep 2; echo whole"))
        host.wait_until(server.sandboxed, 10, "the run never started")
        time.sleep(0.3)
        server.terminate()
        time.sleep(0.3)
        try:
            answer = server.post(command("true"), timeout=2)
        except OSError:
            answer = None
        assert answer is None or (answer.status == 503 and int(answer.headers["retry-after"]) >= 1)
        try:
            kept.sendall(post_bytes(json.dumps(command("true")).encode()))
            received = read_to_end(kept)
        except OSError:
            received = b""
        assert set(statuses(received)) <= {503}
        assert text(running.result(seconds(10))) == "whole\n"
    assert server.wait(10) == 0
    kept.close()


def test_not_ready_while_it_drains(mortal):
    server = mortal().start()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.run, shell("sleep 1.5"))
        host.wait_until(server.sandboxed, 10, "the run never started")
        time.sleep(0.3)
        server.terminate()
        time.sleep(0.3)
        assert not server.is_ready()
        running.result(seconds(10))
    assert server.wait(10) == 0


def test_waiting_requests_are_answered_when_it_drains(mortal):
    server = mortal(parallel=1, queue=10).start()
    with ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(server.post, shell("sleep 0.7; echo done")) for _ in range(4)]
        host.wait_until(server.sandboxed, 10, "the run never started")
        time.sleep(0.3)
        server.terminate()
        got = [answer.result(seconds(15)) for answer in answers]
    assert {answer.status for answer in got} <= {200, 503}
    assert 200 in [answer.status for answer in got]
    assert all(text(answer.json()) == "done\n" for answer in got if answer.status == 200)
    assert server.wait(10) == 0


def test_a_drain_that_takes_too_long_is_ended(mortal):
    server = mortal(drain_ms=700).start()
    connection = begin_runs(server, "kiln-late", 1)[0]
    server.terminate()
    assert server.wait(10) == 0
    host.wait_until(lambda: not host.processes_with("kiln-late"), 5, "the run goes on after the end")
    connection.close()


def test_a_second_signal_ends_the_drain(mortal):
    server = mortal().start()
    connection = begin_runs(server, "kiln-twice", 1)[0]
    server.terminate()
    time.sleep(0.5)
    server.terminate()
    server.wait(10)
    host.wait_until(lambda: not host.processes_with("kiln-twice"), 5, "the run goes on after the end")
    connection.close()


def test_an_idle_server_ends_at_once(mortal):
    server = mortal().start()
    server.run(command("true"))
    idle = connect(server.port)
    begin = time.monotonic()
    server.terminate()
    assert server.wait(10) == 0
    assert time.monotonic() - begin < seconds(4)
    idle.close()


def test_start_stop_ten_times_leaves_nothing():
    mounts, before = host.mounts(), len(host.cgroups())
    for _ in range(10):
        server = Server().start()
        server.run(command("true"))
        server.stop()
    assert host.mounts() == mounts
    assert len(host.cgroups()) <= before + 12


# kill -9 of the front


def test_killing_the_front_ends_its_runs_and_the_service_comes_back(mortal):
    cgroups, mounts = host.cgroups_with_processes(), host.mounts()
    server = mortal(parallel=8).start()
    server.run(command("true"))
    idle_cgroups = host.cgroups_with_processes()
    connections = begin_runs(server, "kiln-front", 6)
    front, main = server.front_pid(), server.pid
    assert front != main
    os.kill(front, signal.SIGKILL)
    for connection in connections:
        assert statuses(read_to_end(connection)) in ([], [503])
        connection.close()
    host.wait_until(lambda: not host.processes_with("kiln-front"), 5, "runs of a dead front go on")
    server.wait_ready(RESTART_S)
    assert server.process.poll() is None and server.front_pid() != front
    assert text(server.run(shell("echo back"))) == "back\n"
    host.wait_until(lambda: host.mounts() == mounts, 5, "mounts are left")
    assert not host.processes_with("kiln-front")
    server.stop()
    nothing_left("kiln-front", cgroups | idle_cgroups, mounts)


def test_what_a_dead_front_lost_is_logged(mortal):
    server = mortal().start()
    server.run(command("true"))
    connections = begin_runs(server, "kiln-lost", 3)
    seen = len(server.log())
    os.kill(server.front_pid(), signal.SIGKILL)
    server.wait_ready(RESTART_S)
    said = server.log()[seen:]
    assert "3" in said and ("lost" in said or "killed" in said), said
    for connection in connections:
        connection.close()
    server.stop()


def test_killing_the_front_again_and_again_leaves_nothing(mortal):
    server = mortal().start()
    server.run(command("true"))
    before = len(host.cgroups_of(server.pid))
    for _ in range(5):
        connections = begin_runs(server, "kiln-again", 2)
        os.kill(server.front_pid(), signal.SIGKILL)
        for connection in connections:
            connection.close()
        server.wait_ready(RESTART_S)
    assert text(server.run(shell("echo still"))) == "still\n"
    assert not host.processes_with("kiln-again")
    host.wait_until(lambda: len(host.cgroups_of(server.pid)) <= before + 12, 10, "cgroups of lost sandboxes are left")
    server.stop()


def test_a_front_whose_death_comes_to_its_keeper_all_at_once_is_started_again(mortal):
    server = mortal().start()
    for _ in range(3):
        server.kill_front(unseen=True)
        server.wait_ready(RESTART_S)
        assert text(server.run(shell("echo again"))) == "again\n"
    server.stop()


def test_the_deadline_holds_while_the_front_is_stopped(mortal):
    server = mortal().start()
    connection = connect(server.port, 30)
    connection.sendall(
        post_bytes(json.dumps(shell("exec -a kiln-deadline sleep 30", limits={"wall_ms": 1500})).encode())
    )
    host.wait_until(lambda: host.processes_with("kiln-deadline"), 10, "the run never started")
    front = server.front_pid()
    os.kill(front, signal.SIGSTOP)
    try:
        host.wait_until(
            lambda: not host.processes_with("kiln-deadline"),
            8,
            "the run outlives its deadline while the front is stopped",
        )
    finally:
        os.kill(front, signal.SIGCONT)
    received = read_to_end_of_answer(connection)
    assert json.loads(received)["outcome"] == "wall_time_exceeded"
    server.stop()


def read_to_end_of_answer(connection):
    with connection, connection.makefile("rb") as reader:
        answer = read_answer(reader)
    assert answer.status == 200, answer
    return answer.body


# kill -9 of the keeper


def test_killing_the_main_process_takes_everything_with_it(mortal):
    mounts, cgroups = host.mounts(), host.cgroups_with_processes()
    server = mortal().start()
    connections = begin_runs(server, "kiln-mainly", 4)
    below = host.descendants(server.pid)
    server.process.kill()
    server.process.wait()
    host.wait_until(lambda: not [pid for pid in below if host.is_alive(pid)], 5, "processes outlive the main one")
    nothing_left("kiln-mainly", cgroups, mounts)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), 1).close()
    for connection in connections:
        connection.close()


def test_the_next_start_sweeps_what_a_dead_one_left_and_says_so(mortal):
    first = mortal().start()
    first.run(command("true"))
    connections = begin_runs(first, "kiln-sweep", 4)
    first.process.kill()
    first.process.wait()
    left = host.cgroups_of(first.pid)
    second = mortal(home=first.home).start()
    assert text(second.run(shell("echo new life"))) == "new life\n"
    # In a scope of its own the groups went with their last process, before anybody could sweep them.
    said = any(word in second.log().lower() for word in ("left", "earlier", "removed", "swept"))
    assert said or not [path for path in left if Path(path).exists()], second.log()
    second.stop()
    assert not host.processes_with("kiln-sweep")
    assert not [path for path in left if Path(path).exists() and "sandbox" in path]
    assert len(left & host.cgroups()) <= 12, "cgroups of a dead server are left"
    for connection in connections:
        connection.close()


def test_killing_the_group_leaves_nothing(mortal):
    mounts = host.mounts()
    server = mortal().start()
    begin_runs(server, "kiln-group", 4)
    below = host.descendants(server.pid)
    os.killpg(server.pid, signal.SIGKILL)
    server.process.wait()
    host.wait_until(lambda: not [pid for pid in below if host.is_alive(pid)], 5, "processes outlive the group")
    assert host.mounts() == mounts


# What kiln is while it runs


def test_the_front_has_no_privileges(root_only, server):
    status = host.status_of(server.front_pid())
    assert set(status["Uid"].split()) != {"0"}
    assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


def test_the_front_is_confined_for_an_ordinary_user_too(server):
    status = host.status_of(server.front_pid())
    assert int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


def test_only_the_front_listens(server):
    inodes = host.listening_inodes(server.port)
    assert len(inodes) == 1


def test_two_servers_do_not_know_each_other(mortal, server):
    second = mortal().start()
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda s: s.run(shell("sleep 0.5; echo mine")), [server, second]))
    assert [text(result) for result in results] == ["mine\n"] * 2
    second.stop()
    assert text(server.run(shell("echo still here"))) == "still here\n"


def test_a_killed_server_does_not_disturb_another(mortal, server):
    second = mortal().start()
    second.run(command("true"))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.run, shell("sleep 1.5; echo undisturbed"))
        time.sleep(0.3)
        second.process.kill()
        second.process.wait()
        third = mortal().start()
        third.stop()
        assert text(running.result(seconds(10))) == "undisturbed\n"


def test_a_new_server_s_sweep_spares_a_living_one(mortal, server):
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.run, shell("sleep 1.5; echo spared"))
        host.wait_until(server.sandboxed, 10, "the run never started")
        second = mortal().start()
        second.run(command("true"))
        second.stop()
        assert text(running.result(seconds(10))) == "spared\n"


# Several servers of one state folder


def beside(server, **settings):
    """A second server with the same state folder, and what it says at its start."""
    second = Server(home=server.home, **settings).start()
    return second, second.log()


def names(server):
    return [session["id"] for session in server.get("/v1/sessions").json()["sessions"]]


def test_a_second_server_of_a_state_folder_keeps_its_sessions_apart_and_says_so(mortal):
    server = mortal().start()
    second, log = beside(server)
    assert re.search(rf"the state folder '/\S+' is used by another kiln serve \(pid {server.pid}\): this one keeps its sessions in sessions-2$", log, re.M), log
    if server.request("POST", "/v1/sessions", b'{"image": "host", "id": "same"}').status == 201:
        assert second.request("POST", "/v1/sessions", b'{"image": "host", "id": "same"}').status == 201
        assert second.request("DELETE", "/v1/sessions/same").status == 204
        assert (names(server), names(second)) == (["same"], [])
    for one in (server, second):
        assert one.run(command("echo", "whole"))["steps"][0]["stdout"] == "whole\n"
    third, log = beside(server)
    assert "sessions-3" in log
    third.stop()
    second.stop()
    second, log = beside(server)
    assert "sessions-2" in log
    second.stop()


def test_a_state_folder_stays_taken_when_a_front_dies(mortal):
    server = mortal().start()
    server.kill_front()
    for _ in range(2):
        second, log = beside(server)
        assert f"(pid {server.pid})" in log
        second.stop()
        host.wait_until(server.is_ready, RESTART_S, "no new front")


def test_a_state_folder_is_free_again_when_its_server_was_killed(mortal):
    server = mortal().start()
    server.kill(everything=False)
    second = Server(home=server.home).start()
    assert second.get("/v1/sessions").status == 200
    second.stop()


def test_a_state_folder_is_free_again_after_a_drain(mortal):
    server = mortal().start()
    server.terminate()
    assert server.wait() == 0
    Server(home=server.home).start().stop()


def test_what_uses_only_images_may_stand_beside_a_server(mortal):
    server = mortal().start()
    environment = {"env": server.home.environment(), "cwd": "/", "capture_output": True, "timeout": seconds(60), **identity()}
    done = subprocess.run([KILN, "run", "-i", "host", "--", "echo", "beside"], check=False, **environment)
    assert (done.returncode, done.stdout) == (0, b"beside\n"), done
    assert subprocess.run([KILN, "images"], check=False, **environment).returncode == 0
    Server(home=server.home, sessions=0).start().stop()


def test_nothing_is_written_outside_the_state_folder(mortal):
    server = mortal().start()
    server.run(shell("echo x > /tmp/kiln-outside; echo y > ~/kiln-outside", collect="all"))
    assert not Path("/tmp/kiln-outside").exists()
    found = subprocess.run(
        ["find", "/tmp", "/var/tmp", "/dev/shm", "-name", "kiln-outside"], capture_output=True, text=True
    )
    assert found.stdout == ""
    server.stop()
