"""Runs over /v1/ws: many at a time, live output and stdin, archives, cancelling."""

import base64
import json
import time

import pytest
import websocket

from kilntest import host
from kilntest.requests import MIB, command, output, python, shell, tar
from kilntest.settings import seconds
from kilntest.websocket import ARCHIVE, BINARY, STDERR, STDIN, STDOUT, TEXT, WebSocket

# What differs between two runs of the same.
VOLATILE = {"id", "timing", "wall_ms", "cpu_ms", "memory_peak_bytes", "processes_peak", "used", "explanation"}


def steady(node):
    if isinstance(node, dict):
        return {key: steady(value) for key, value in node.items() if key not in VOLATILE}
    return [steady(child) for child in node] if isinstance(node, list) else node


@pytest.fixture
def ws(server):
    with WebSocket(server) as socket:
        yield socket


@pytest.mark.parametrize(
    "request_document",
    [
        shell("echo out; echo err >&2; exit 3"),
        shell("echo x > made; rm main.sh", collect="all"),
        shell("printf 'a\\nb'; sleep 30", limits={"wall_ms": 500}),
        command("yes", limits={"output_bytes": 1000}),
        command("nonesuch"),
        {"language": "c", "files": {"main.c": "int main(void) { return x; }"}, "cache": False},
        {"language": "python", "files": {"main.py": "print(input())"}, "stdin": "typed\n"},
    ],
    ids=["exit_code", "files", "wall_time", "output", "no_command", "compile_failed", "stdin"],
)
def test_the_result_is_that_of_a_post(server, ws, request_document):
    assert steady(ws.run(1, request_document)) == steady(server.run(request_document))


def test_output_comes_as_it_is_printed_and_in_order(ws):
    ws.start(7, shell("for i in 1 2 3; do echo $i; read -r; done; echo end >&2"), stdin_follows=True)
    assert ws.next() == {"run": 7, "type": "started"}
    for i in "123":
        # Each line is printed only when the one before was seen: nothing waits for the end.
        assert ws.next() == (7, STDOUT, f"{i}\n".encode())
        ws.type(7, "\n")
    assert ws.next() == (7, STDERR, b"end\n")
    assert ws.next()["result"]["steps"][0]["stdout"] == "1\n2\n3\n"


def test_a_line_is_seen_long_before_the_next(ws):
    ws.start(1, shell("echo early; sleep 2; echo late"))
    ws.until_output(1, "early")
    seen = time.monotonic()
    ws.until_output(1, "late")
    assert time.monotonic() - seen > 1, "the first line came with the second"


def test_many_runs_share_a_connection(ws):
    for run in range(20):
        ws.start(run, shell(f"echo {run}; sleep 0.05; echo {run} >&2"))
    left = set(range(20))
    while left:
        message = ws.next()
        if isinstance(message, dict) and message["type"] == "result":
            left.remove(message["run"])
            assert output(message["result"]).decode() == f"{message['run']}\n"
    assert ws.output == {(run, channel): f"{run}\n".encode() for run in range(20) for channel in (STDOUT, STDERR)}


def test_stdin_may_come_before_the_program_runs_and_with_its_end(ws):
    ws.start(1, command("cat"), stdin_follows=True)
    ws.type(1, "one ")
    ws.type(1, "two")
    ws.say(1, "stdin_eof")
    assert output(ws.result(1)) == b"one two"


def test_stdin_is_the_last_step_s(ws):
    steps = [{"name": "first", "command": ["cat"]}, {"name": "second", "command": ["cat"]}]
    ws.start(1, {"image": "host", "steps": steps}, stdin_follows=True)
    ws.type(1, "for the last")
    ws.say(1, "stdin_eof")
    assert [step["stdout"] for step in ws.result(1)["steps"]] == ["", "for the last"]


def test_a_program_answers_what_is_typed(ws):
    source = "while True:\n    line = input()\n    print('you said', line, flush=True)\n"
    ws.start(1, python(source), stdin_follows=True)
    for word in ("one", "two", "three"):
        ws.type(1, word + "\n")
        ws.until_output(1, f"you said {word}\n")
    ws.say(1, "stdin_eof")
    assert ws.result(1)["outcome"] == "failed"  # input() raises at the end of file


def test_an_archive_goes_as_bytes(ws):
    ws.start(1, {"language": "python"}, archive_follows=True)
    ws.give(1, ARCHIVE, tar({"main.py": b"import other", "other.py": b"print('from the archive')"}, "gz"))
    assert output(ws.result(1)) == b"from the archive\n"


def test_an_archive_may_come_in_fragments_with_pings_between(ws):
    data = b"\0\0\0\1\0" + tar({"main.py": b"print(1)", "big": bytes(300_000)}, "")
    ws.start(1, {"language": "python"}, archive_follows=True)
    ws.send(BINARY, data[:3], fin=False)
    ws.send(9, b"still there?")
    for at in range(3, len(data), 10_000):
        ws.send(0, data[at : at + 10_000], fin=False)
    ws.send(0, b"", fin=True)
    assert output(ws.result(1)) == b"1\n"


def test_a_text_message_may_come_in_fragments_that_cut_characters(ws):
    request = python("print('grüße 世界')")
    document = json.dumps({"run": 1, "type": "start", "request": request}, ensure_ascii=False).encode()
    for at in range(len(document)):
        ws.send(0 if at else TEXT, document[at : at + 1], fin=False)
    ws.send(0)
    assert output(ws.result(1)).decode() == "grüße 世界\n"


def test_bytes_that_are_no_text_pass_both_ways(ws):
    data = bytes(range(256)) * 100
    ws.start(1, command("cat"), stdin_follows=True)
    ws.give(1, STDIN, data)
    ws.say(1, "stdin_eof")
    step = ws.result(1)["steps"][0]
    assert ws.output[1, STDOUT] == data == base64.b64decode(step["stdout"])


def test_cancelling_a_run_harms_no_other(ws):
    ws.start(1, shell("echo begun; sleep 60"))
    ws.start(2, shell("sleep 0.5; echo well"))
    ws.until_output(1, "begun")
    ws.say(1, "cancel")
    cancelled = ws.result(1)
    assert (cancelled["outcome"], cancelled["steps"][0]["stdout"]) == ("cancelled", "begun\n")
    assert output(ws.result(2)) == b"well\n"


def test_a_run_whose_archive_is_awaited_can_be_cancelled(ws):
    ws.start(1, {"language": "python"}, archive_follows=True)
    ws.say(1, "cancel")
    result = ws.result(1)
    assert (result["outcome"], result["steps"]) == ("cancelled", [])
    ws.give(1, ARCHIVE, b"on its way already")
    assert ws.run(1, shell("true"))["outcome"] == "ok"


def test_what_meets_a_result_on_the_way_is_ignored(ws):
    ws.start(1, shell("exit 0"), stdin_follows=True)
    ws.result(1)
    ws.type(1, "too late")
    ws.say(1, "stdin_eof")
    ws.say(1, "cancel")
    assert ws.run(2, shell("true"))["outcome"] == "ok"


def test_the_number_of_a_run_that_is_over_is_free_again(ws):
    for i in range(3):
        assert output(ws.run(5, shell(f"echo {i}"))).decode() == f"{i}\n"


def test_a_refusal_is_the_post_s_and_ends_only_that_run(server, ws):
    for run, (document, status) in enumerate(
        [
            ({"language": "nonesuch"}, 404),
            (shell("true", limits={"wall_ms": 10**9}), 422),
            ({"language": "python", "files": {"a": 1}}, 400),
            ({"language": "python", "unknown": 1}, 400),
        ]
    ):
        ws.start(run, document)
        message = ws.error(run)
        assert (message["status"], message["error"]) == (status, server.post(document).json()["error"])
        ws.type(run, "the client does not know yet")
    assert ws.run(9, shell("true"))["outcome"] == "ok"


def test_an_archive_that_is_none_refuses_the_run(ws):
    ws.start(1, {"language": "python"}, archive_follows=True)
    ws.give(1, ARCHIVE, b"this is no archive")
    message = ws.error(1)
    assert (message["status"], message["error"]["field"]) == (400, "archive")


def test_those_who_wait_are_told_their_place(servers):
    server = servers(parallel=1)
    with WebSocket(server) as ws:
        ws.start(0, shell("read -r"), stdin_follows=True)
        ws.until(0, "started")
        for run in (1, 2, 3):
            ws.start(run, shell("true"))
            assert ws.next() == {"run": run, "type": "queued", "position": run}
        ws.say(2, "cancel")
        assert ws.result(2)["outcome"] == "cancelled"
        assert ws.until(3, "queued")["position"] == 2
        ws.type(0, "\n")
        assert ws.result(0)["outcome"] == "ok"
        assert ws.result(1)["outcome"] == "ok"
        assert ws.result(3)["outcome"] == "ok"


@pytest.mark.parametrize(
    ("script", "limits", "expected"),
    [
        ("printf 'no end'; sleep 30", {"wall_ms": 700}, ("wall_time_exceeded", b"no end")),
        ("echo line; sleep 30", {"wall_ms": 700}, ("wall_time_exceeded", b"line\n")),
        ("printf partial; kill -9 $$", {}, ("signaled", b"partial")),
        ("sleep 60 & printf all; kill -9 -1", {}, ("ok", b"all")),
        ("printf before; exec >&- 2>&-; sleep 0.3", {}, ("ok", b"before")),
        ("(sleep 0.3; printf behind) & printf front; sleep 0.8", {}, ("ok", b"frontbehind")),
        ("sleep 60 & printf held", {}, ("ok", b"held")),
    ],
    ids=["time_no_newline", "time_newline", "killed", "all_killed", "closed", "background", "held"],
)
def test_partial_output_of_every_end_is_streamed_and_in_the_result(ws, script, limits, expected):
    result = ws.run(1, shell(script, limits=limits))
    outcome, printed = expected
    assert result["outcome"] == outcome
    assert ws.output[1, STDOUT] == output(result) == printed


def test_a_client_that_vanishes_takes_its_runs_along(server):
    word = "vanishing-client-sleeper"
    with WebSocket(server) as ws:
        ws.start(1, command("bash", "-c", f"exec -a {word} sleep 50"))
        ws.start(2, command("bash", "-c", f"exec -a {word} sleep 50"))
        host.wait_until(lambda: len(host.processes_with(word)) >= 2, 10, "the runs do not run")
    host.wait_until(lambda: not host.processes_with(word), 5, "runs outlive their client")


def test_a_reader_that_stops_stops_the_program_and_nothing_is_lost(server):
    """The program counts what it could print; while nobody reads that stands still, far below what it wants to print."""
    size = 48 * MIB
    source = f"""
import os, sys, time
left = {size}
while left:
    left -= os.write(1, b"x" * min(left, 65536))
    if left % (1 << 20) < 65536:
        open("/dev/shm/left", "w").write(str(left))
"""
    with WebSocket(server, receive_bytes=65536) as ws:
        before = host.memory_bytes(server.front_pid())
        ws.start(1, python(source, limits={"output_bytes": 64 * MIB, "wall_ms": 60000}))
        ws.until(1, "started")
        time.sleep(seconds(1.5))
        held = host.memory_bytes(server.front_pid()) - before
        assert held < 12 * MIB, f"{held} bytes more while the client does not read"
        result = ws.result(1)
        assert result["outcome"] == "ok"
        assert len(ws.output[1, STDOUT]) == size == len(output(result))


def test_a_program_that_nobody_reads_meets_its_wall_time(server):
    with WebSocket(server, receive_bytes=65536) as ws:
        ws.start(1, command("yes", limits={"output_bytes": 64 * MIB, "wall_ms": 1500}))
        ws.until(1, "started")
        time.sleep(seconds(3))
        result = ws.result(1)
        assert result["outcome"] == "wall_time_exceeded"
        printed = output(result)
        assert ws.output[1, STDOUT] == printed and 65536 <= len(printed) < 8 * MIB


def test_a_client_that_writes_faster_than_the_program_reads_is_held_back(server):
    """Nothing of what it wrote is lost, and memory stays small meanwhile."""
    data = bytes(1 << 16)
    with WebSocket(server) as ws:
        before = host.memory_bytes(server.front_pid())
        ws.start(1, shell("sleep 1; wc -c"), stdin_follows=True)
        for _ in range(400):
            ws.give(1, STDIN, data)
        held = host.memory_bytes(server.front_pid()) - before
        ws.say(1, "stdin_eof")
        assert output(ws.result(1)).split() == [b"%d" % (400 * len(data))]
        assert held < 8 * MIB, held


def test_stdin_that_nobody_reads_ends_with_the_program(ws):
    ws.start(1, shell("exec 0<&-; sleep 0.3; echo done"), stdin_follows=True)
    for _ in range(100):
        ws.give(1, STDIN, bytes(1 << 16))
    ws.say(1, "stdin_eof")
    assert output(ws.result(1)) == b"done\n"


def test_a_common_client_can_speak_it(server):
    """Debian's python3-websocket, as docs/websocket.md shows it."""
    socket = websocket.create_connection(f"ws://127.0.0.1:{server.port}/v1/ws", subprotocols=["kiln.v1"], timeout=20)
    try:
        assert socket.getsubprotocol() == "kiln.v1"
        request = {"language": "bash", "files": {"main.sh": "for i in 1 2 3; do echo $i; done"}}
        socket.send(json.dumps({"run": 1, "type": "start", "request": request}))
        printed = b""
        while True:
            opcode, data = socket.recv_data()
            if opcode == websocket.ABNF.OPCODE_BINARY:
                printed += data[5:]
            elif json.loads(data)["type"] == "result":
                break
        assert printed == b"1\n2\n3\n"
    finally:
        socket.close()
