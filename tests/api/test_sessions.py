"""Sessions: users, their runs and files, and their end."""

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kilntest import host
from kilntest.http import connect, post_bytes, read_answer
from kilntest.sessions import Session
from kilntest.settings import NO_USER_IDS, SLOW, has_user_ids

pytestmark = pytest.mark.skipif(not has_user_ids(), reason=NO_USER_IDS)

ANIMALS = ["lion", "tiger", "bear", "wolf", "owl", "bee"]


@pytest.fixture
def session(server):
    made = []

    def make(**request):
        made.append(Session(server, **request))
        return made[-1]

    yield make
    for one in made:
        one.answer("DELETE", one.path)


def test_a_run_finds_what_the_last_one_left(session):
    dojo = session()
    assert dojo.made["state"] == "open"
    dojo.user("lion")
    result = dojo.shell("lion", "echo one >a; mkdir -p d; echo two >d/b")
    assert {name: file["content"] for name, file in result["files"]["created"].items()} == {"a": "one\n", "d/b": "two\n"}
    result = dojo.shell("lion", "cat a d/b; echo more >>a; rm d/b")
    assert result["steps"][0]["stdout"] == "one\ntwo\n"
    assert result["files"]["changed"]["a"]["content"] == "one\nmore\n"
    assert result["files"]["deleted"] == ["d/b"] and not result["files"]["created"]
    assert dojo.shell("lion", "true")["files"] == {"created": {}, "changed": {}, "deleted": [], "omitted": []}


def test_a_session_and_its_runs_agree_on_what_is_not_enforced(session):
    dojo = session()
    dojo.user("lion")
    names = dojo.shell("lion", "true").get("unenforced")
    assert dojo.made.get("unenforced") == names == dojo.state().get("unenforced")
    assert names is None or names


def test_files_are_written_and_deleted_before_a_run(session):
    dojo = session()
    dojo.user("lion", {"keep": "k", "old": "o", "folder/x": "x"})
    result = dojo.shell("lion", "find . -type f | sort; cat new", files={"new": "n"}, delete=["old", "folder", "never"])
    assert result["steps"][0]["stdout"] == "./keep\n./new\nn"
    assert result["files"] == {"created": {}, "changed": {}, "deleted": [], "omitted": []}


def test_written_files_are_newer_in_their_order(session):
    """make sees by its times what has to be made again, however fast one run follows the other."""
    dojo = session()
    makefile = "out: in\n\tcp in out; echo made\n"
    dojo.user("lion", {"Makefile": makefile, "in": "1\n"})
    assert dojo.printed("lion", "make -s") == "made\n"
    for number in range(2, 5):
        assert dojo.printed("lion", "make -s; cat out", files={"in": f"{number}\n"}) == f"made\n{number}\n"
        assert "made" not in dojo.printed("lion", "make -s")
    names = [f"f{number}" for number in range(20)]
    order = dojo.printed("lion", "ls -rt f*", files={name: "" for name in names})
    assert order.split() == names


@pytest.mark.parametrize(
    "before, given",
    [
        ("mkdir in", {"files": {"in": "a file where a folder is"}}),
        ("echo >in", {"files": {"in/x": "a folder where a file is"}}),
        ("mkdir in; touch in/x; chmod 555 in", {"files": {"in/new": "in a folder that is closed"}}),
        ("mkdir in; touch in/x; chmod 555 in", {"delete": ["in/x"]}),
    ],
)
def test_a_file_that_a_user_is_in_the_way_of_fails_the_run_and_not_the_engine(before, given, session):
    dojo = session()
    dojo.user("lion")
    dojo.shell("lion", before)
    result = dojo.shell("lion", "echo never", **given)
    step = result["steps"][0]
    assert (result["outcome"], step["outcome"], step["exit_code"], step["stdout"]) == ("failed", "failed", 126, ""), result
    assert "'in" in step["error"], result
    assert dojo.printed("lion", "chmod -R u+w in; rm -r in; echo well") == "well\n"


def test_a_home_that_its_user_has_closed_is_opened_again(session):
    dojo = session()
    dojo.user("lion")
    for given in ({}, {"files": {"in": "given"}}):
        assert dojo.shell("lion", "echo >a; chmod 000 .; ls")["outcome"] == "failed"
        assert dojo.printed("lion", "stat -c %a .; ls", **given) == "700\n" + "".join(f"{name}\n" for name in ("a", *given.get("files", {})))


def test_what_is_made_ahead_for_the_next_run_leaves_a_closed_home_closed(session):
    dojo = session()
    dojo.user("lion")
    for _ in range(3):
        assert dojo.shell("lion", "chmod 000 .; sleep 0.7; ls")["outcome"] == "failed"
        assert dojo.printed("lion", "stat -c %a .") == "700\n"


def test_what_others_keep_closed_in_a_users_home_is_not_told_of(session):
    dojo = session()
    dojo.user("lion")
    dojo.user("tiger")
    dojo.shell("lion", "mkdir inbox && chmod 777 inbox")
    dojo.shell("tiger", "mkdir -m 700 ../lion/inbox/mine && echo x >../lion/inbox/mine/secret-plan")
    result = dojo.shell("lion", "echo >seen")
    assert "inbox/mine/secret-plan" not in json.dumps(result), result
    assert dojo.shell("tiger", "cat ../lion/inbox/mine/secret-plan")["steps"][0]["stdout"] == "x\n"


def test_a_user_has_a_home_and_a_name_of_his_own(session):
    dojo = session()
    assert dojo.user("lion")["home"] == "/sandboxes/lion"
    dojo.user("tiger")
    assert dojo.printed("lion", "pwd; echo $HOME $USER; stat -c '%a %U' .").split() == [
        "/sandboxes/lion", "/sandboxes/lion", "lion", "755", "lion",
    ]  # fmt: skip
    assert dojo.printed("lion", "id -u") != dojo.printed("tiger", "id -u")
    assert dojo.printed("tiger", "id -un; echo ~tiger; env -i python3 -c 'import getpass; print(getpass.getuser())'") == "tiger\n/sandboxes/tiger\ntiger\n"
    assert dojo.printed("tiger", "stat -c %a /sandboxes/shared") == "2775\n"


def test_users_read_what_is_public_and_touch_nothing(session):
    dojo = session()
    for name in ("lion", "tiger"):
        dojo.user(name)
    dojo.shell("lion", "echo open >open; echo secret >secret; chmod 600 secret")
    tiger = dojo.shell("tiger", "cd ../lion; cat open; cat secret; rm -f open; echo x >open; touch new; ls")
    assert tiger["steps"][0]["stdout"] == "open\nopen\nsecret\n"
    assert dojo.files("lion") == {"open": "open\n", "secret": "secret\n"}


def test_users_share_a_folder(session):
    dojo = session()
    dojo.user("lion")
    dojo.user("tiger")
    dojo.shell("lion", "umask 002; echo from lion >/sandboxes/shared/note")
    assert dojo.printed("tiger", "echo and tiger >>/sandboxes/shared/note; cat /sandboxes/shared/note").count("\n") == 2
    assert dojo.files("shared") == {"note": "from lion\nand tiger\n"}


def test_nothing_of_a_run_outlives_it(session):
    dojo = session()
    dojo.user("lion")
    word = "kiln-survivor-4711"
    script = f"""
    trap '' TERM HUP INT; exec 3>&-
    (setsid sh -c 'trap "" TERM HUP; exec -a {word} sleep 300' &)
    setsid bash -c 'exec -a {word} sleep 300' >/dev/null 2>&1 &
    bash -c 'kill -STOP $$; exec -a {word} sleep 300' &
    sleep 0.2; echo begun
    """
    assert dojo.run("lion", "bash", "-c", script)["steps"][0]["stdout"] == "begun\n"
    assert not host.processes_with(word)
    assert dojo.printed("lion", f"grep -la '[k]{word[1:]}' /proc/[0-9]*/cmdline 2>/dev/null | wc -l") == "0\n"


def test_one_users_runs_do_not_touch_anothers(session):
    dojo = session()
    for name in ("lion", "tiger"):
        dojo.user(name)
    seen = {}

    def long_run():
        seen["tiger"] = dojo.shell("tiger", "sleep 1.5; echo done")

    thread = threading.Thread(target=long_run)
    thread.start()
    time.sleep(0.3)
    assert dojo.shell("lion", "kill -9 -1; ps -e 2>/dev/null; echo here")["outcome"] in ("ok", "signaled")
    thread.join()
    assert seen["tiger"]["steps"][0]["stdout"] == "done\n", seen


def test_runs_have_limits_and_a_verdict_of_their_own(session):
    dojo = session(limits={"wall_ms": 3000})
    dojo.user("lion")
    result = dojo.shell("lion", "echo begun; sleep 60")
    assert result["outcome"] == "wall_time_exceeded" and result["steps"][0]["limit"]["value"] == 3000
    assert result["steps"][0]["stdout"] == "begun\n"
    assert dojo.shell("lion", "sleep 60", limits={"wall_ms": 100})["steps"][0]["limit"]["value"] == 100
    assert dojo.shell("lion", "exit 3")["steps"][0]["exit_code"] == 3


def test_a_light_and_a_history(session):
    dojo = session()
    dojo.user("lion")
    dojo.user("tiger")
    rules = {"rules": [{"status": 0, "colour": "green"}, {"colour": "red"}]}
    for name, script in (("lion", "exit 1"), ("lion", "exit 0"), ("tiger", "exit 0")):
        dojo.shell(name, script, traffic_light=rules)
    runs = dojo.call("GET", dojo.path + "/runs")["runs"]
    assert [(run["user"], run["colour"], run["outcome"]) for run in runs] == [
        ("lion", "red", "failed"), ("lion", "green", "ok"), ("tiger", "green", "ok"),
    ]  # fmt: skip
    assert [run["number"] for run in dojo.call("GET", dojo.path + "/runs?since=1&user=lion")["runs"]] == [2]


def test_who_has_the_answer_finds_the_run_in_the_history(session, server):
    """Its line is written behind the answer, and before anything else: also what was asked before the answer was there."""
    dojo = session()
    dojo.user("lion")
    path = dojo.path + "/runs"
    both = post_bytes(json.dumps({"user": "lion", "command": ["true"]}).encode(), path) + f"GET {path} HTTP/1.1\r\nHost: kiln\r\n\r\n".encode()
    with connect(server.port) as connection, connection.makefile("rb") as reader:
        for number in range(1, 9):
            connection.sendall(both)
            ran, runs = read_answer(reader).json(), read_answer(reader).json()["runs"]
            assert (len(runs), runs[-1]["id"]) == (number, ran["id"])


def test_a_session_may_go_as_soon_as_its_run_is_answered(session, server):
    for _ in range(4):
        dojo = session()
        dojo.user("lion")
        run = post_bytes(json.dumps({"user": "lion", "command": ["true"]}).encode(), dojo.path + "/runs")
        with connect(server.port) as connection, connection.makefile("rb") as reader:
            connection.sendall(run + f"DELETE {dojo.path} HTTP/1.1\r\nHost: kiln\r\n\r\n".encode())
            assert read_answer(reader).json()["outcome"] == "ok"
            assert read_answer(reader).status == 204
        assert dojo.answer("GET", dojo.path).status == 404


def past_files(dojo, number):
    return {name: file["content"] for name, file in dojo.call("GET", f"{dojo.path}/runs/{number}")["files"].items()}


def test_a_run_of_the_past_has_what_it_printed_and_left(session):
    dojo = session()
    dojo.user("lion", {"start": "s"})
    dojo.user("tiger", {"other": "t"})
    dojo.shell("lion", "echo one | tee a; printf 'x\\0' >bin", files={"b": "given"})
    dojo.shell("tiger", "true")
    dojo.shell("lion", "echo two >a; rm start", delete=["b"])
    assert past_files(dojo, 1) == {"start": "s", "a": "one\n", "b": "given"}
    assert past_files(dojo, 2) == {"other": "t"}
    assert past_files(dojo, 3) == {"a": "two\n"}
    whole = dojo.call("GET", dojo.path + "/runs/1")
    assert whole["run"]["user"] == "lion" and whole["run"]["kept"]
    assert whole["result"]["steps"][0]["stdout"] == "one\n" and "files" not in whole["result"]
    for number, status in (("4", 404), ("0", 404), ("x", 400), ("-1", 400), ("9" * 16, 400)):
        assert dojo.answer("GET", f"{dojo.path}/runs/{number}").status == status
    dojo.call("POST", dojo.path + "/finish")
    assert past_files(dojo, 1) == {"start": "s", "a": "one\n", "b": "given"}


def test_of_much_output_the_end_is_kept(session):
    dojo = session()
    dojo.user("lion")
    dojo.shell("lion", "yes ä | head -n 30000; echo end")
    step = dojo.call("GET", dojo.path + "/runs/1")["result"]["steps"][0]
    assert step["stdout_truncated"] and step["stdout_encoding"] == "utf-8"
    assert step["stdout"].endswith("ä\nend\n") and 30_000 < len(step["stdout"].encode()) <= 32 * 1024


def test_the_past_is_bounded_and_says_what_is_forgotten(session):
    dojo = session(limits={"wall_ms": 20000})
    dojo.user("lion")
    script = "for i in $(seq 20); do head -c 190000 /dev/urandom | base64 -w 76 >f$i; done"
    for _ in range(7):
        dojo.shell("lion", script, collect="none")
    runs = dojo.call("GET", dojo.path + "/runs")["runs"]
    kept = [run["kept"] for run in runs]
    assert not kept[0] and kept[-1] and kept == sorted(kept)
    answer = dojo.answer("GET", dojo.path + "/runs/1")
    assert answer.status == 404 and answer.error()["code"] == "run_forgotten"
    assert len(past_files(dojo, len(runs))) == 20


def test_a_run_can_be_forked(session):
    dojo = session()
    dojo.user("lion")
    dojo.user("tiger")
    dojo.shell("lion", "echo one >a; chmod 755 a; mkdir d; echo x >d/x")
    dojo.shell("lion", "echo two >a; rm -r d")
    fork = Session.found(dojo.server, dojo.call("POST", dojo.path + "/fork", {"run": 1}, status=201)["id"])
    try:
        assert [user["name"] for user in fork.state()["users"]] == ["lion"]
        assert fork.printed("lion", "cat a d/x; stat -c '%a %U' a; touch new") == "one\nx\n755 lion\n"
        assert past_files(fork, 1).keys() == {"a", "d/x", "new"}
    finally:
        fork.remove()
    answer = dojo.answer("POST", dojo.path + "/fork", {"run": 1, "user": "lion"})
    assert answer.status == 400 and answer.error()["field"] == "run"
    assert dojo.answer("POST", dojo.path + "/fork", {"run": 3}).status == 404


@pytest.mark.parametrize("detached", [True, False])
def test_a_detached_run_outlives_its_client(session, detached):
    dojo = session()
    dojo.user("lion")
    body = {"user": "lion", "detached": detached, "files": {"in": "given\n"}, "command": ["sh", "-c", "sleep 2; cat in | tee out"]}
    connection = connect(dojo.server.port)
    payload = json.dumps(body).encode()
    head = f"POST {dojo.path}/runs HTTP/1.1\r\nHost: kiln\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    connection.sendall(head.encode() + payload)
    host.wait_until(lambda: dojo.call("GET", dojo.path + "/users/lion")["running"], 20, "it does not run")
    connection.close()
    host.wait_until(lambda: not dojo.call("GET", dojo.path + "/users/lion")["running"], 30, "it runs for ever")
    runs = dojo.call("GET", dojo.path + "/runs")["runs"]
    assert [run["outcome"] for run in runs] == ["ok" if detached else "cancelled"]
    assert dojo.files("lion").get("out") == ("given\n" if detached else None)
    assert dojo.answer("POST", dojo.path + "/runs", {**body, "detached": "yes"}).error()["field"] == "detached"


def test_a_language_of_the_session_runs_its_files(session):
    dojo = session(language="python")
    dojo.user("lion", {"main.py": "import other\nprint(other.x)\n"})
    result = dojo.run("lion", files={"other.py": "x = 5\n"})
    assert result["steps"][0]["stdout"] == "5\n", result
    assert dojo.run("lion", files={"other.py": "x = 6\n"})["steps"][0]["stdout"] == "6\n"


def test_what_is_not_text_comes_back_when_it_is_asked_for(session):
    dojo = session()
    dojo.user("lion")
    script = r"printf 'a\000b' >bin; echo t >txt"
    files = dojo.shell("lion", script)["files"]
    assert list(files["created"]) == ["txt"] and files["omitted"][0]["name"] == "bin"
    files = dojo.shell("lion", script + "; echo c >>bin", collect="all")["files"]
    assert files["changed"]["bin"]["content"] == "a\0bc\n"
    assert "files" not in dojo.shell("lion", script, collect="none")


def test_finish_keeps_everything_and_runs_nothing(session):
    dojo = session()
    dojo.user("lion")
    dojo.shell("lion", "echo kept >a; ln -s a link; mkdir empty; chmod 750 a; echo s >/sandboxes/shared/s")
    done = dojo.call("POST", dojo.path + "/finish")
    assert done["state"] == "finished" and done["copy"]["complete"], done
    for method, path in (("POST", "/runs"), ("POST", "/users"), ("DELETE", "/users/lion")):
        answer = dojo.answer(method, dojo.path + path, {"user": "lion", "command": ["true"]} if path == "/runs" else {"name": "bear"})
        assert (answer.status, answer.error()["code"]) == (409, "session_ended"), path
    whole = dojo.call("GET", dojo.path + "/files")
    assert {name: file["content"] for name, file in whole["files"].items()} == {"lion/a": "kept\n", "shared/s": "s\n"}
    assert whole["files"]["lion/a"]["mode"] == "0750" and whole["links"] == {"lion/link": "a"}


def test_files_come_as_an_archive_too(session):
    import io
    import tarfile

    dojo = session()
    dojo.user("lion", {"a": "one", "d/b": "two"})
    answer = dojo.answer("GET", dojo.path + "/users/lion/files?format=tgz")
    assert answer.status == 200 and answer.headers["content-type"] == "application/gzip"
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
        assert archive.extractfile("d/b").read() == b"two"


def test_a_fork_has_the_files_of_all_or_of_one(session):
    dojo = session()
    for name in ("lion", "tiger"):
        dojo.user(name)
        dojo.shell(name, f"umask 002; echo {name} >mine; echo {name} >>/sandboxes/shared/all")
    forked = dojo.call("POST", dojo.path + "/fork", {}, status=201)
    whole = Session.found(dojo.server, forked["id"])
    alone = Session.found(dojo.server, dojo.call("POST", dojo.path + "/fork", {"user": "tiger"}, status=201)["id"])
    try:
        assert whole.printed("lion", "cat mine ../tiger/mine; cat ../shared/all; stat -c %U mine") == "lion\ntiger\nlion\ntiger\nlion\n"
        whole.shell("lion", "echo changed >mine")
        assert dojo.printed("lion", "cat mine") == "lion\n"
        assert [user["name"] for user in alone.state()["users"]] == ["tiger"]
        assert alone.printed("tiger", "cat mine; ls ..") == "tiger\nshared\ntiger\n"
    finally:
        whole.remove()
        alone.remove()


def assert_cancelled(result, printed):
    step = result["steps"][0]
    assert (result["outcome"], step["outcome"], step["exit_code"]) == ("cancelled", "cancelled", None), result
    assert step["stdout"] == printed and step["error"], result


@pytest.mark.parametrize("how", ["finish", "remove", "remove user"])
def test_a_run_whose_session_or_user_goes_is_cancelled_with_what_it_printed(session, how):
    dojo = session()
    dojo.user("lion")
    dojo.user("bear")
    path = dojo.path + {"finish": "/finish", "remove": "", "remove user": "/users/lion"}[how]
    answers = []

    def run(*command, files):
        body = {"user": "lion", "command": command, "files": files}
        answers.append(dojo.answer("POST", dojo.path + "/runs", body))

    first = threading.Thread(target=run, args=("sh", "-c", "echo begun; echo w >/sandboxes/shared/began; sleep 60"), kwargs={"files": {"in": "given"}})
    first.start()
    host.wait_until(lambda: dojo.printed("bear", "cat ../shared/began 2>/dev/null || true"), 30, "it does not begin")
    waits = threading.Thread(target=run, args=("true",), kwargs={"files": {"never": ""}})
    waits.start()
    host.wait_until(lambda: dojo.call("GET", dojo.path + "/users/lion")["waiting"] == 1, 30, "it does not wait")
    dojo.call("POST" if how == "finish" else "DELETE", path, status=200 if how == "finish" else 204)
    first.join()
    waits.join()
    refused, cancelled = sorted(answers, key=lambda answer: answer.status == 200)
    assert refused.status == {"finish": 409}.get(how, 404) and cancelled.status == 200, answers
    assert_cancelled(cancelled.json(), "begun\n")
    if how == "finish":
        assert [run["outcome"] for run in dojo.call("GET", dojo.path + "/runs?user=lion")["runs"]] == ["cancelled"]
        assert dojo.files("lion") == {"in": "given"}
    if how == "remove user":
        assert dojo.user("lion") and dojo.printed("lion", "ls -A") == ""
        assert dojo.files("lion") == {}


def test_it_expires_by_itself(session):
    dojo = session()
    dojo.user("lion")
    dojo.shell("lion", "echo kept >a")
    word = "kiln-expires-4713"
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(dojo.run, "lion", "bash", "-c", f"echo printed; exec -a {word} sleep 60", timeout=120)
        host.wait_until(lambda: host.processes_with(word), 30, "the run does not begin")
        dojo.call("PUT", dojo.path, {"ttl_ms": 1500})
        result = run.result()
    assert_cancelled(result, "printed\n")
    assert "expired" in result["steps"][0]["error"], result
    state = dojo.wait("expired", 20)
    assert state["ttl_left_ms"] == 0
    assert dojo.files("lion") == {"a": "kept\n"}
    assert dojo.call("POST", dojo.path + "/reopen", {"ttl_ms": 60000})["state"] == "open"
    assert dojo.printed("lion", "cat a") == "kept\n"


def test_the_usual_time_is_within_the_nodes_ceiling(servers):
    server = servers(sessions_ttl_ms=60_000)
    made = server.request("POST", "/v1/sessions", b'{"image": "host"}', {"Content-Type": "application/json"})
    assert made.status == 201 and 0 < made.json()["ttl_left_ms"] <= 60_000, made
    dojo = Session.found(server, made.json()["id"])
    dojo.call("POST", dojo.path + "/finish")
    fork = dojo.call("POST", dojo.path + "/fork", status=201)
    assert 0 < fork["ttl_left_ms"] <= 60_000
    for path in (dojo.path, "/v1/sessions/" + fork["id"]):
        dojo.call("DELETE", path, status=204)


def test_it_can_be_prolonged(session):
    dojo = session(ttl_ms=2000)
    dojo.user("lion")
    assert dojo.call("PUT", dojo.path, {"ttl_ms": 60000})["ttl_left_ms"] > 50000
    time.sleep(2.5)
    assert dojo.printed("lion", "echo still") == "still\n"


def test_events_are_streamed(session):
    dojo = session()
    dojo.user("lion")
    connection = http.client.HTTPConnection("127.0.0.1", dojo.server.port, timeout=30)
    connection.request("GET", dojo.path + "/events?since=0", headers={"Accept": "text/event-stream"})
    stream = connection.getresponse()
    assert stream.status == 200 and stream.headers["Content-Type"].startswith("text/event-stream")
    dojo.shell("lion", "exit 4")
    seen = []
    while not any('"exit_code":4' in line for line in seen):
        seen.append(stream.readline().decode().strip())
        assert seen[-1] or len(seen) < 200
    connection.close()


def test_six_users_work_side_by_side(session, enforced):
    """One of them fork-bombs; the others are right, and not held up for long."""
    enforced("processes", hostile=True)
    patient = min(int(20000 * SLOW), 120000)
    dojo = session(limits={"processes": 64, "wall_ms": patient, "cpu_ms": patient})
    for name in ANIMALS:
        dojo.user(name)
    script = "i=0; while [ $i -lt 60 ]; do /bin/true; i=$((i+1)); done; echo $USER"

    def together(names):
        results, began = {}, time.monotonic()
        threads = [
            threading.Thread(target=lambda name=name: results.update({name: dojo.shell(name, script)})) for name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results, time.monotonic() - began

    quiet, quiet_s = together(ANIMALS[1:])
    bomb = threading.Thread(
        target=lambda: dojo.run("lion", "bash", "-c", "b() { b | b & }; b; sleep 8", limits={"wall_ms": 8000})
    )
    bomb.start()
    time.sleep(0.5)
    beside, beside_s = together(ANIMALS[1:])
    bomb.join()
    for results in (quiet, beside):
        assert {name: results[name]["steps"][0]["stdout"] for name in ANIMALS[1:]} == {n: n + "\n" for n in ANIMALS[1:]}
    # Twice the time, and what the clocks of a busy machine are off by.
    assert beside_s < 2 * quiet_s + 2, (quiet_s, beside_s)


def test_runs_do_not_collect_each_others_files(session):
    dojo = session()
    for name in ("lion", "tiger"):
        dojo.user(name)
    dojo.shell("tiger", "echo t >t")
    assert dojo.shell("lion", "echo l >l")["files"]["created"].keys() == {"l"}


@pytest.mark.parametrize(
    "body, status, field",
    [
        ({"user": "nobody-here", "command": ["true"]}, 404, "user"),
        ({"command": ["true"]}, 400, "user"),
        ({"user": "lion"}, 400, "steps"),
        ({"user": "lion", "command": ["true"], "network": "none"}, 400, "network"),
        ({"user": "lion", "command": ["true"], "delete": ["../tiger"]}, 400, "delete[0]"),
        ({"user": "lion", "command": ["true"], "files": {"/etc/x": ""}}, 400, "files./etc/x"),
        ({"user": "lion", "command": ["true"], "limits": {"wall_ms": 10**9}}, 422, "limits.wall_ms"),
    ],
)
def test_runs_that_cannot_be_are_refused(body, status, field, session):
    dojo = session()
    dojo.user("lion")
    answer = dojo.answer("POST", dojo.path + "/runs", body)
    assert answer.status == status and answer.error()["field"] == field, answer


def test_an_id_is_there_once(session):
    dojo = session(id="dojo-once")
    answer = dojo.answer("POST", "/v1/sessions", {"id": "dojo-once", "image": "host", "ttl_ms": 1000})
    assert answer.status == 409 and answer.error()["field"] == "id"
    dojo.remove()
    assert dojo.answer("GET", dojo.path).status == 404
