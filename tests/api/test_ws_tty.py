"""Terminals over /v1/ws: a pseudo-terminal inside the sandbox, its size, what is typed, signals."""

import time

import pytest

from kilntest.requests import command, output, python, shell
from kilntest.settings import seconds
from kilntest.websocket import STDERR, STDOUT, Closed, WebSocket

SIZE = {"rows": 33, "cols": 99}

# Says its size whenever that changes; a line that is typed ends it.
WATCHES_SIZE = """
import os, signal
def tell(*_):
    size = os.get_terminal_size()
    os.write(1, b"size %d %d\\n" % (size.lines, size.columns))
signal.signal(signal.SIGWINCH, tell)
tell()
input()
"""


@pytest.fixture
def ws(server):
    with WebSocket(server) as socket:
        yield socket


def tty(ws, request, **more):
    """What a run in a terminal prints, and its result."""
    ws.start(1, request, tty=SIZE, **more)
    result = ws.result(1)
    return ws.output.get((1, STDOUT), b"").decode(), result


def test_the_program_has_a_terminal_of_the_size_asked_for(ws):
    script = "stty size; tty; for fd in 0 1 2; do [ -t $fd ] || echo $fd is none; done; echo $TERM; echo err >&2"
    printed, result = tty(ws, shell(script))
    assert printed.split("\r\n") == ["33 99", "/dev/pts/0", "xterm-256color", "err", ""]
    assert result["outcome"] == "ok"
    assert output(result).decode() == printed and result["steps"][0]["stderr"] == ""
    assert (1, STDERR) not in ws.output


def test_the_request_may_name_another_terminal(ws):
    assert tty(ws, shell("echo $TERM", env={"TERM": "dumb"}))[0] == "dumb\r\n"


def test_only_the_last_step_has_the_terminal(ws):
    steps = [{"name": name, "command": ["sh", "-c", "tty; echo $TERM"]} for name in ("first", "last")]
    ws.start(1, {"image": "host", "steps": steps}, tty=SIZE)
    assert [step["stdout"] for step in ws.result(1)["steps"]] == ["not a tty\n\n", "/dev/pts/0\r\nxterm-256color\r\n"]


def test_a_language_runs_in_one(ws):
    source = "import os, sys\nprint(sys.stdin.isatty(), os.get_terminal_size())"
    ws.start(1, {"language": "python", "files": {"main.py": source}}, tty=SIZE)
    assert output(ws.result(1)).decode() == "True os.terminal_size(columns=99, lines=33)\r\n"


def test_without_one_nothing_is_a_terminal(ws):
    result = ws.run(1, shell("tty; ls /dev/pts /dev/ptmx /dev/tty 2>/dev/null | grep -c ."))
    assert output(result).decode() == "not a tty\n0\n"


def test_resizing_is_seen_and_told(ws):
    ws.start(1, python(WATCHES_SIZE), tty=SIZE, stdin_follows=True)
    ws.until_output(1, "size 33 99")
    ws.say(1, "resize", rows=10, cols=200)
    ws.until_output(1, "size 10 200")
    ws.say(1, "resize", rows=1000, cols=1000)
    ws.until_output(1, "size 1000 1000")
    ws.type(1, "\n")
    assert ws.result(1)["outcome"] == "ok"


def test_a_size_that_comes_early_holds(servers):
    with WebSocket(servers(parallel=1)) as ws:
        ws.start(1, shell("read -r"), stdin_follows=True)
        ws.start(2, shell("stty size"), tty=SIZE)
        ws.until(2, "queued")
        ws.say(2, "resize", rows=7, cols=8)
        ws.type(1, "\n")
        assert output(ws.result(2)) == b"7 8\r\n"


def test_what_is_typed_is_echoed_and_edited(ws):
    ws.start(1, command("cat"), tty=SIZE, stdin_follows=True)
    ws.type(1, "grüx\x7fß\n")
    ws.until_output(1, "grüß\r\n")
    ws.say(1, "stdin_eof")
    assert ws.result(1)["outcome"] == "ok"


def test_the_end_of_stdin_is_typed(ws):
    for run, text in enumerate(("whole\n", "cut", "")):
        ws.start(run, shell("cat; echo status $?"), tty=SIZE, stdin_follows=True)
        ws.type(run, text)
        ws.say(run, "stdin_eof")
        result = ws.result(run)
        assert (result["outcome"], output(result).decode().endswith("status 0\r\n")) == ("ok", True), result


def test_stdin_of_the_request_is_typed_too(ws):
    printed, _ = tty(ws, shell("read -r line; echo got $line; cat; echo end", stdin="typed\n"))
    assert printed == "typed\r\ngot typed\r\nend\r\n"


def test_control_c_interrupts_the_foreground_and_not_the_shell(ws):
    ws.start(1, command("bash", "--norc", "-i"), tty=SIZE, stdin_follows=True)
    ws.type(1, "sh -c 'echo be''gun; exec sleep 60'\n")
    ws.until_output(1, "begun")
    ws.type(1, "\x03")
    ws.type(1, "echo sta''tus $?\n")
    ws.until_output(1, "status 130")
    ws.type(1, "exit 5\n")
    assert ws.result(1)["steps"][0]["exit_code"] == 5


def test_a_signal_reaches_the_foreground_of_the_terminal(ws):
    ws.start(1, command("bash", "--norc", "-i"), tty=SIZE, stdin_follows=True)
    ws.type(1, "sh -c 'echo be''gun; exec sleep 60'\n")
    ws.until_output(1, "begun")
    ws.say(1, "signal", signal="SIGTERM")
    ws.type(1, "echo sta''tus $?\n")
    ws.until_output(1, "status 143")
    ws.say(1, "stdin_eof")
    assert ws.result(1)["outcome"] == "ok"


@pytest.mark.parametrize("name", ["USR1", "SIGUSR2", "INT", "TERM", "HUP"])
def test_a_signal_reaches_a_program_without_a_terminal(ws, name):
    short = name.removeprefix("SIG")
    ws.start(1, shell(f"trap 'echo got {short}; exit 7' {short}; echo up; while :; do sleep 0.05; done"))
    ws.until_output(1, "up")
    ws.say(1, "signal", signal=name)
    result = ws.result(1)
    assert (result["steps"][0]["exit_code"], output(result).decode()) == (7, f"up\ngot {short}\n")


def test_a_signal_that_kills_is_the_program_s_end(ws):
    ws.start(1, shell("echo up; sleep 60"))
    ws.until_output(1, "up")
    ws.say(1, "signal", signal="KILL")
    step = ws.result(1)["steps"][0]
    assert (step["outcome"], step["signal"], step["stdout"]) == ("signaled", 9, "up\n")


def test_much_output_of_a_terminal_is_whole(ws):
    printed, result = tty(ws, shell("seq 1 30000; echo end"))
    assert result["outcome"] == "ok"
    assert printed == "".join(f"{i}\r\n" for i in range(1, 30001)) + "end\r\n"


def test_a_program_may_close_its_terminal_and_open_it_again(ws):
    printed, result = tty(ws, shell("exec <&- >&- 2>&-; sleep 0.2; echo again > /dev/tty"))
    assert (printed, result["outcome"]) == ("again\r\n", "ok")


def test_a_full_screen_program_finds_what_it_needs(ws):
    source = """
import curses
def main(screen):
    screen.addstr(0, 0, "%dx%d" % screen.getmaxyx())
    screen.refresh()
    screen.addstr(1, 0, "key %r" % screen.getkey())
    screen.refresh()
curses.wrapper(main)
"""
    ws.start(1, python(source), tty=SIZE, stdin_follows=True)
    ws.until_output(1, "33x99")
    ws.type(1, "q")
    assert ws.result(1)["outcome"] == "ok"
    assert b"'q'" in ws.output[1, STDOUT]


def test_terminal_after_terminal_in_a_sandbox_of_their_own(ws):
    """All are the first of their instance: nothing of another run's is there."""
    for run in range(6):
        ws.start(run, shell("tty; ls /dev/pts; sleep 0.3"), tty=SIZE)
    for run in range(6):
        assert output(ws.result(run)) == b"/dev/pts/0\r\n0  ptmx\r\n"


def test_a_user_who_leaves_his_terminal_ends_what_runs_there(server):
    with WebSocket(server) as ws:
        ws.start(1, shell("echo up; sleep 60"), tty=SIZE, stdin_follows=True)
        ws.until_output(1, "up")
        ws.say(1, "cancel")
        begin = time.monotonic()
        assert ws.result(1)["outcome"] == "cancelled"
        assert time.monotonic() - begin < seconds(5)


@pytest.mark.parametrize(
    ("size", "field"),
    [
        ({"rows": 0, "cols": 80}, "tty.rows"),
        ({"rows": 24, "cols": 1001}, "tty.cols"),
        ({"rows": 24}, "tty.cols"),
        ({"rows": 24, "cols": "80"}, "tty.cols"),
        ({"rows": 24, "cols": 80, "depth": 3}, "tty.depth"),
        ([24, 80], "tty"),
    ],
)
def test_a_size_that_is_none_refuses_the_run(ws, size, field):
    ws.start(1, shell("true"), tty=size)
    message = ws.error(1)
    assert (message["status"], message["error"]["field"]) == (400, field)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("resize", {"rows": 24, "cols": 80}),
        ("resize", {"rows": -1, "cols": 80}),
        ("signal", {"signal": "SEGV"}),
        ("signal", {"signal": 9}),
        ("signal", {}),
    ],
)
def test_what_makes_no_sense_for_a_run_without_one_ends_the_connection(server, kind, more):
    with WebSocket(server) as ws:
        ws.start(1, shell("sleep 5"))
        ws.say(1, kind, **more)
        with pytest.raises(Closed) as end:
            ws.result(1)
        assert end.value.code == 1008 and end.value.reason
