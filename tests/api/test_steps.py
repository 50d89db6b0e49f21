"""Steps: order, what they are given, what the next one sees."""

import hashlib

import pytest

from kilntest.requests import MIB, binary, command, output, python, shell, text

STDIN_DIGEST = "import hashlib, sys\nd = sys.stdin.buffer.read()\nprint(len(d), hashlib.sha256(d).hexdigest())\n"


def step(name, script, **more):
    return {"name": name, "command": ["bash", "-c", script], **more}


def steps(*items, **more):
    return {"image": "host", "steps": list(items), **more}


def digest(data):
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}\n"


def test_args_go_to_the_program_as_they_are(server):
    args = ["one", "two words", "", "*", "$HOME", "-x", "ünï", "new\nline"]
    document = {"language": "python", "files": {"main.py": "import sys\nprint(sys.argv[1:])\n"}, "args": args}
    assert text(server.run(document)) == repr(args) + "\n"


def test_entry_says_which_file_runs(server):
    files = {"main.py": "print('main')", "other.py": "print('other')"}
    assert text(server.run({"language": "python", "files": files, "entry": "other.py"})) == "other\n"


def test_without_entry_the_language_s_source_name_runs(server):
    files = {"aaa.py": "print('aaa')", "main.py": "print('main')"}
    assert text(server.run({"language": "python", "files": files})) == "main\n"


def test_without_entry_and_source_name_the_first_file_runs(server):
    files = {"zzz.py": "print('zzz')", "aaa.py": "print('aaa')"}
    assert text(server.run({"language": "python", "files": files})) == "zzz\n"


def test_an_entry_in_a_folder_runs(server):
    assert text(server.run({"language": "bash", "files": {"src/go.sh": "echo deep"}, "entry": "src/go.sh"})) == "deep\n"


def test_an_entry_that_is_not_there_is_refused(server):
    server.refuse({"language": "python", "files": {"main.py": ""}, "entry": "gone.py"}, 422, "entry")


def test_stdin_as_a_string_is_read(server):
    assert text(server.run(command("cat", stdin="a line\nno end"))) == "a line\nno end"


def test_stdin_as_base64_keeps_every_byte(server):
    assert output(server.run(command("cat", stdin=binary(bytes(range(256)))))) == bytes(range(256))


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 10_000_000])
def test_stdin_of_this_size_arrives_whole(server, size):
    data = (b"0123456789abcdef\n" * (size // 17 + 1))[:size]
    assert text(server.run(python(STDIN_DIGEST, stdin=binary(data)))) == digest(data)


def test_ten_megabytes_go_in_and_out_again(server):
    data = b"x" * 9 + b"\n"
    result = server.run(command("cat", stdin=(data * MIB).decode(), limits={"output_bytes": 16 * MIB}))
    assert output(result) == data * MIB


def test_without_stdin_a_program_reads_the_end_at_once(server):
    assert text(server.run(command("wc", "-c"))) == "0\n"


def test_env_reaches_the_program(server):
    result = server.run(command("/usr/bin/env", env={"GREETING": "grüße", "EMPTY": "", "EQUALS": "a=b"}))
    lines = text(result).splitlines()
    assert {"GREETING=grüße", "EMPTY=", "EQUALS=a=b"} <= set(lines)


def test_env_can_replace_a_variable_of_kiln_s(server):
    lines = text(server.run(command("/usr/bin/env", env={"HOME": "/tmp"}))).splitlines()
    assert [line for line in lines if line.startswith("HOME=")] == ["HOME=/tmp"]


def test_steps_share_the_sandbox_s_files(server):
    result = server.run(steps(step("make", "echo made > f; echo t > /tmp/t"), step("use", "cat f /tmp/t")))
    assert [s["name"] for s in result["steps"]] == ["make", "use"]
    assert text(result) == "made\nt\n"


def test_the_first_failing_step_is_the_last(server):
    result = server.run(steps(step("a", "true"), step("b", "exit 7"), step("c", "echo never")))
    assert [s["name"] for s in result["steps"]] == ["a", "b"]
    assert (result["outcome"], result["steps"][1]["exit_code"]) == ("failed", 7)


def test_only_a_failing_step_named_compile_makes_compile_failed(server):
    assert server.run(steps(step("compile", "exit 1")))["outcome"] == "compile_failed"
    assert server.run(steps(step("build", "exit 1")))["outcome"] == "failed"


def test_a_compile_step_over_its_limit_says_so_in_the_step(server):
    result = server.run(steps(step("compile", "sleep 30", limits={"wall_ms": 300})))
    assert (result["outcome"], result["steps"][0]["outcome"]) == ("compile_failed", "wall_time_exceeded")


def test_a_run_s_stdin_is_the_last_step_s(server):
    result = server.run(steps(step("first", "wc -c"), step("last", "wc -c"), stdin="12345"))
    assert [s["stdout"] for s in result["steps"]] == ["0\n", "5\n"]


def test_a_step_s_own_stdin_and_env_are_its_own(server):
    result = server.run(
        steps(
            step("a", "cat; echo $X", stdin="in a ", env={"X": "a"}),
            step("b", "cat; echo $X"),
            stdin="run ",
            env={"X": "run"},
        )
    )
    assert [s["stdout"] for s in result["steps"]][1] == "run run\n"
    assert result["steps"][0]["stdout"] == "in a a\n"


def test_a_step_s_own_limits_win(server):
    result = server.run(
        steps(step("long", "sleep 0.6", limits={"wall_ms": 5000}), step("short", "sleep 30"), limits={"wall_ms": 400})
    )
    assert [s["outcome"] for s in result["steps"]] == ["ok", "wall_time_exceeded"]
    assert result["steps"][1]["limit"]["value"] == 400


def test_processes_of_a_step_are_dead_before_the_next(server):
    script = "(trap '' HUP TERM; sleep 71.5) & disown"
    result = server.run(steps(step("leave", script), step("look", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")))
    assert "71.5" not in text(result)


def test_a_step_with_its_own_image_sees_only_what_was_kept(server):
    result = server.run(
        steps(
            step(
                "compile",
                "echo kept > a.out; echo lost > b; mkdir d; echo deep > d/x; echo t > /tmp/t",
                keep=["a.out", "d/x"],
            ),
            step("run", "find . /tmp -type f | sort; cat a.out d/x", image="host"),
            files={"source": "secret"},
        )
    )
    assert text(result) == "./a.out\n./d/x\nkept\ndeep\n"


def test_keep_takes_globs_and_modes(server):
    result = server.run(
        steps(
            step(
                "make",
                "echo 1 > a.o; echo 2 > b.o; echo 3 > c.txt; echo 'echo ran' > tool; chmod 755 tool",
                keep=["*.o", "tool"],
            ),
            step("run", "ls; stat -c %a tool", image="host"),
        )
    )
    assert text(result) == "a.o\nb.o\ntool\n755\n"


@pytest.mark.parametrize("keep", ["out", "out/", "./out", "./out/", "out/**", "*/"])
def test_keep_takes_a_folder_whole(server, keep):
    result = server.run(
        steps(
            step("make", "mkdir -p out/e other; echo 1 > out/a; echo 2 > out/e/b; echo 3 > top; touch outer", keep=[keep]),
            step("run", "find . -type f | sort", image="host"),
        )
    )
    assert text(result) == "./out/a\n./out/e/b\n"


def test_keep_gives_a_big_file_whole(server):
    result = server.run(
        steps(
            step("make", "head -c 20000000 /dev/zero | tr '\\0' 'x' > big", keep=["big"]),
            step("run", "wc -c < big; tr -d x < big | wc -c", image="host"),
        )
    )
    assert text(result) == "20000000\n0\n"


def test_without_keep_a_step_of_the_same_image_goes_on_in_the_same_sandbox(server):
    result = server.run(steps(step("a", "echo x > f"), step("b", "ls -A", image="host"), files={"g": ""}))
    assert text(result) == "f\ng\n"


def test_keep_does_not_follow_links_out_of_the_work_folder(server):
    result = server.run(
        steps(
            step("make", "ln -s /etc/passwd link; ln -s / root; echo x > f", keep=["link", "root/etc/passwd", "f"]),
            step("run", "cat link root/etc/passwd 2>/dev/null | wc -c; cat f", image="host"),
        )
    )
    last = result["steps"][-1]
    assert last["name"] == "make" or last["stdout"] == "0\nx\n"


def test_a_command_that_does_not_exist_fails_and_says_so(server):
    result = server.run(command("/no/such/program"))
    step = result["steps"][0]
    assert (result["outcome"], step["exit_code"]) == ("failed", 127)
    assert "No such file" in step["error"]


def test_a_file_that_is_not_executable_fails_and_says_so(server):
    result = server.run(command("./plain", files={"plain": "text"}))
    step = result["steps"][0]
    assert (result["outcome"], step["exit_code"]) == ("failed", 126)
    assert "denied" in step["error"]


@pytest.mark.parametrize("count", [1, 16])
def test_many_steps_run_in_order(server, count):
    result = server.run(steps(*[step(f"s{i}", f"echo {i} >> log; cat log") for i in range(count)]))
    assert result["steps"][-1]["stdout"] == "".join(f"{i}\n" for i in range(count))


def test_the_result_has_every_field_of_the_contract(server):
    result = server.run(shell("echo out; echo err >&2"))
    assert {"id", "outcome", "image", "steps", "timing"} <= set(result)
    assert set(result["timing"]) == {"queue_us", "acquire_us", "upload_us", "exec_us", "collect_us", "total_us"}
    assert all(isinstance(value, int) and value >= 0 for value in result["timing"].values())
    one = result["steps"][0]
    expected = {
        "name": "run",
        "outcome": "ok",
        "exit_code": 0,
        "signal": None,
        "stdout": "out\n",
        "stdout_encoding": "utf-8",
        "stdout_truncated": False,
        "stderr": "err\n",
        "stderr_encoding": "utf-8",
        "stderr_truncated": False,
        "limit": None,
    }
    assert {key: one[key] for key in expected} == expected
    assert all(isinstance(one[key], int) for key in ("wall_ms", "cpu_ms", "memory_peak_bytes", "processes_peak"))


def test_what_was_used_is_measured(server, enforced):
    source = (
        "import subprocess, time\nb = bytearray(50_000_000)\nsubprocess.run(['sleep', '0.3'])\nt = time.process_time()\n"
        "while time.process_time() - t < 0.3: pass\n"
    )
    one = server.run(python(source))["steps"][0]
    enforced("memory_bytes")
    assert 45_000_000 < one["memory_peak_bytes"] < 120_000_000
    assert 280 <= one["cpu_ms"] <= 3000 and one["wall_ms"] >= 280
    assert 2 <= one["processes_peak"] <= 8


def test_every_run_has_an_id_of_its_own(server):
    assert len({server.run(command("true"))["id"] for _ in range(5)}) == 5
