"""What a program prints comes back byte for byte, whatever ended it."""

import time

import pytest

from kilntest.requests import MIB, binary, command, c_program, output, python, shell, text


def raw(data):
    """A program that prints these bytes in one write."""
    return command("cat", "data", files={"data": binary(data)})


def test_an_unterminated_last_line_is_kept(server):
    assert text(server.run(shell("printf 'one\\ntwo'"))) == "one\ntwo"


def test_nothing_printed_is_an_empty_string(server):
    step = server.run(shell("true"))["steps"][0]
    assert (step["stdout"], step["stderr"], step["stdout_encoding"]) == ("", "", "utf-8")


@pytest.mark.parametrize(
    "data",
    [
        "grüße 世界 🎈 \u0000 end".encode(),
        b"\r\n\t\x1b[31mred\x7f",
        "\ufeffbom\uffff\U0010ffff".encode(),
        b'"\\/\b\f' * 9,
    ],
    ids=["utf8_and_nul", "control", "edges", "json"],
)
def test_valid_utf_8_comes_back_as_text_unaltered(server, data):
    step = server.run(raw(data))["steps"][0]
    assert step["stdout_encoding"] == "utf-8"
    assert step["stdout"].encode() == data


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"ok \x80 no",
        b"\xc3",
        "ü".encode()[:1] + b"x",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        "grüße".encode("latin-1"),
        bytes(range(256)) * 9,
        b"text\xe4\xb8",
    ],
    ids=repr,
)
def test_other_bytes_come_back_as_base64_unaltered(server, data):
    result = server.run(raw(data))
    assert result["steps"][0]["stdout_encoding"] == "base64"
    assert output(result) == data


def test_each_stream_has_its_own_encoding(server):
    step = server.run(shell("echo text; printf '\\xff' >&2"))["steps"][0]
    assert (step["stdout"], step["stdout_encoding"], step["stderr"], step["stderr_encoding"]) == (
        "text\n",
        "utf-8",
        "/w==",
        "base64",
    )


@pytest.mark.parametrize(
    ("character", "limit"), [("é", 101), ("世", 100), ("世", 101), ("🎈", 101), ("🎈", 102), ("🎈", 103)]
)
def test_text_cut_inside_a_character_stays_text(server, character, limit):
    step = server.run(raw(character.encode() * 1000) | {"limits": {"output_bytes": limit}})["steps"][0]
    assert step["outcome"] == "output_exceeded"
    assert (step["stdout_encoding"], step["stdout_truncated"]) == ("utf-8", True)
    assert step["stdout"] == character * (limit // len(character.encode()))


def test_bytes_cut_at_the_limit_stay_bytes(server):
    result = server.run(raw(b"\xff" * 1000) | {"limits": {"output_bytes": 100}})
    assert output(result) == b"\xff" * 100


def test_output_of_background_processes_before_the_end_is_kept(server):
    assert text(server.run(shell("(sleep 0.2; echo late) & sleep 0.6; echo end"))) == "late\nend\n"


def test_output_written_just_before_the_end_is_kept_every_time(server):
    for _ in range(20):
        assert text(server.run(shell("(printf a; printf b >&2) & wait; printf c"))) == "ac"


def test_output_of_a_child_that_wrote_before_the_program_ended_is_kept(server):
    result = server.run(shell("head -c 60000 /dev/zero | tr '\\0' x | tee /dev/null; exit 0"))
    assert len(output(result)) == 60000


@pytest.mark.parametrize(
    "hold", ["sleep 60 & echo done", "(sleep 60; echo never) & echo done", "setsid sleep 60 & disown; echo done"]
)
def test_a_background_holder_of_stdout_does_not_delay_the_answer(server, hold):
    begin = time.monotonic()
    assert text(server.run(shell(hold))) == "done\n"
    assert time.monotonic() - begin < 3


def test_closing_stdout_is_not_the_end(server):
    step = server.run(shell("echo first; exec 1>&- 2>&-; sleep 0.5; exit 3"))["steps"][0]
    assert (step["outcome"], step["exit_code"], step["stdout"]) == ("failed", 3, "first\n")
    assert step["wall_ms"] >= 500


@pytest.mark.parametrize("script", ["true", "exec 0<&-; sleep 0.2", "sleep 0.2", "head -c 10 > /dev/null"])
def test_stdin_that_nobody_reads_harms_nothing(server, script):
    assert server.run(shell(script, stdin="x" * 1_000_000))["outcome"] == "ok"


def test_reading_and_writing_at_once_does_not_lock_up(server):
    data = "line of text\n" * 300_000
    result = server.run(command("cat", stdin=data, limits={"output_bytes": 8 * MIB}))
    assert output(result) == data.encode()


def test_both_streams_at_once_do_not_lock_up(server):
    source = "import sys\nfor i in range(300):\n    sys.stdout.write('o' * 1000); sys.stderr.write('e' * 1000)\n"
    step = server.run(python(source))["steps"][0]
    assert (step["stdout"], step["stderr"]) == ("o" * 300_000, "e" * 300_000)


def test_output_before_a_crash_is_kept(server):
    source = '#include <stdio.h>\nint main(void) { printf("before"); fflush(stdout); *(volatile int *)0 = 1; }'
    step = server.run(c_program(source))["steps"][-1]
    assert (step["outcome"], step["signal"], step["stdout"]) == ("signaled", 11, "before")


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("sleep 30", "wall_time_exceeded"),
        ("exit 9", "failed"),
        ("kill -9 $$", "signaled"),
        ("kill -9 -1 2>/dev/null; exit 0", "ok"),
    ],
)
def test_output_before_any_end_is_kept(server, script, outcome):
    step = server.run(shell("printf partial; printf err >&2\n" + script, limits={"wall_ms": 700}))["steps"][0]
    assert outcome in (None, step["outcome"])
    assert (step["stdout"], step["stderr"]) == ("partial", "err")


def test_a_lot_of_output_in_small_pieces_keeps_its_order(server):
    result = server.run(python("import os\nfor i in range(20000): os.write(1, b'%d\\n' % i)"))
    assert text(result) == "".join(f"{i}\n" for i in range(20000))


def test_a_program_can_reopen_its_streams_by_name(server):
    script = "echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin; echo fd > /proc/self/fd/1"
    step = server.run(shell(script, stdin="in\n"))["steps"][0]
    assert (step["outcome"], step["stdout"], step["stderr"]) == ("ok", "out\nin\nfd\n", "err\n")


def test_a_program_that_makes_its_pipes_non_blocking_harms_only_itself(server):
    source = (
        "import fcntl, os\nfor fd in (0, 1, 2): fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)\nos.write(1, b'hello')\n"
    )
    assert text(server.run(python(source))) == "hello"
    assert text(server.run(shell("echo next"))) == "next\n"


def test_a_program_that_reads_its_own_stdout_harms_only_itself(server):
    result = server.run(
        shell("echo x; timeout 0.3 cat /proc/self/fd/1 > /dev/null 2>&1; echo y", limits={"wall_ms": 5000})
    )
    assert result["outcome"] in ("ok", "failed")
    assert text(server.run(shell("echo next"))) == "next\n"
