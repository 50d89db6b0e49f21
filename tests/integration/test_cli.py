"""The command line: what it prints, where, and how it exits."""

import json
import os
import pty
import re
import signal
import subprocess
import time

import pytest

from kilntest import host
from kilntest.server import Home, identity
from kilntest.settings import CANARY, KILN, SLOW, seconds

SOURCES = {
    "c": ("main.c", '#include <stdio.h>\nint main(void) { puts("hello from c"); }\n'),
    "cpp": ("main.cpp", '#include <iostream>\nint main() { std::cout << "hello from cpp\\n"; }\n'),
    "python": ("main.py", 'print("hello from python")\n'),
    "bash": ("main.sh", 'echo "hello from bash"\n'),
    "perl": ("main.pl", 'print "hello from perl\\n";\n'),
    "javascript": ("main.js", 'console.log("hello from javascript");\n'),
}


class Cli:
    """Runs kiln in a folder of its own, as whom the tests say."""

    def __init__(self):
        self.home = Home()
        self.work = self.home.home / "work"
        self.work.mkdir()
        os.chmod(self.home.home, 0o755)
        os.chmod(self.work, 0o777)

    def write(self, name, text):
        path = self.work / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return name

    def popen(self, *args, **options):
        settings = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **identity(),
            **options,
        }
        return subprocess.Popen([str(KILN), *args], cwd=self.work, env=self.home.environment(), **settings)

    def run(self, *args, stdin=b"", timeout=60):
        with self.popen(*args, stdin=subprocess.PIPE) as process:
            out, err = process.communicate(stdin, seconds(timeout))
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def script(self, text, *args, **options):
        return self.run("run", *args, self.write("main.sh", text), **options)


@pytest.fixture(scope="module")
def cli():
    one = Cli()
    yield one
    one.home.cleanup()


def one_line(done, *words):
    """What kiln said on stderr: one line that holds the words."""
    lines = [line for line in done.stderr.decode().splitlines() if line]
    assert len(lines) == 1, done
    for word in words:
        assert word in lines[0], done
    return lines[0]


# Running


# An emulated processor takes longer for a C++ compiler than the language's own limits allow.
ROOMY = ["--limit", "cpu_ms=110000", "--limit", "wall_ms=115000"] if SLOW > 1 else []


@pytest.mark.parametrize("language", sorted(SOURCES))
def test_runs_a_file_by_its_extension(cli, language):
    name, source = SOURCES[language]
    done = cli.run("run", *ROOMY, cli.write(name, source))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"hello from {language}\n".encode(), b"")


@pytest.mark.parametrize("language", sorted(SOURCES))
def test_runs_a_file_in_the_language_that_is_asked_for(cli, language):
    name, source = SOURCES[language]
    done = cli.run("run", *ROOMY, "-l", language, cli.write(name, source))
    assert (done.returncode, done.stdout) == (0, f"hello from {language}\n".encode())


def test_runs_several_files_together(cli):
    names = [
        cli.write("main.c", '#include <stdio.h>\nint n(void);\nint main(void) { printf("%d\\n", n()); }\n'),
        cli.write("n.c", "int n(void) { return 42; }\n"),
    ]
    assert cli.run("run", *names).stdout == b"42\n"


def test_runs_a_command_on_an_image(cli):
    done = cli.run("run", "-i", "host", "--", "echo", "a", "-l", "--json", "*")
    assert (done.returncode, done.stdout) == (0, b"a -l --json *\n")


def test_a_command_s_options_are_its_own(cli):
    done = cli.run("run", "-i", "host", "--", "bash", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


def test_a_command_sees_the_files_that_were_given(cli):
    cli.write("data.txt", "given\n")
    done = cli.run("run", "-i", "host", "data.txt", "--", "cat", "data.txt")
    assert (done.returncode, done.stdout) == (0, b"given\n")


def test_streams_stay_apart_and_unaltered(cli):
    done = cli.script("printf '\\xff\\x00x'; printf '\\xfe' >&2")
    assert (done.stdout, done.stderr) == (b"\xff\x00x", b"\xfe")


def test_output_comes_while_it_is_printed(cli):
    cli.write("main.sh", "echo first; sleep 5; echo second")
    with cli.popen("run", "main.sh") as process:
        begin = time.monotonic()
        assert process.stdout.readline() == b"first\n"
        assert time.monotonic() - begin < seconds(4)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=seconds(10))


def test_stdin_is_the_program_s(cli):
    assert cli.script("cat; echo end", stdin=b"a\nb\xff").stdout == b"a\nb\xffend\n"


def test_stdin_of_ten_megabytes_goes_through(cli):
    assert cli.script("wc -c", stdin=b"x" * 10_000_000).stdout == b"10000000\n"


def test_stdin_can_be_a_file(cli):
    cli.write("input.txt", "from a file\n")
    assert cli.script("cat", "--stdin", "input.txt").stdout == b"from a file\n"


def test_a_program_that_reads_no_stdin_ends_all_the_same(cli):
    cli.write("main.sh", "echo done")
    with cli.popen("run", "main.sh", stdin=subprocess.PIPE) as process:
        assert process.stdout.read() == b"done\n"
        assert process.wait(seconds(10)) == 0


def test_a_reader_that_goes_away_ends_the_run(cli):
    cli.write("main.sh", "exec -a kiln-cli-pipe yes")
    process = cli.popen("run", "--limit", "wall_ms=20000", "main.sh")
    process.stdout.read(10)
    process.stdout.close()
    process.stderr.close()
    process.wait(seconds(15))
    assert host.processes_with("kiln-cli-pipe") == []


# Exit codes


@pytest.mark.parametrize("code", [0, 1, 2, 42, 125, 126, 127, 255])
def test_the_exit_code_is_the_program_s(cli, code):
    assert cli.script(f"exit {code}").returncode == code


@pytest.mark.parametrize("signal_", [6, 11, 15])
def test_a_signal_is_128_and_its_number(cli, signal_):
    assert cli.script(f"kill -{signal_} $$").returncode == 128 + signal_


def test_a_wall_time_limit_is_124_and_one_line_says_by_how_much(cli):
    done = cli.script("echo before; sleep 30", "--limit", f"wall_ms={int(seconds(500))}")
    assert (done.returncode, done.stdout) == (124, b"before\n")
    line = one_line(done)
    assert "wall" in line and re.search(r"\d", line), line


def test_a_cpu_time_limit_is_124_and_one_line_says_so(cli):
    done = cli.script("while :; do :; done", "--limit", "cpu_ms=300")
    assert done.returncode == 124
    assert re.search(r"cpu|processor", one_line(done), re.IGNORECASE)


def test_a_memory_limit_is_137_and_one_line_says_so(cli, enforced):
    enforced("memory_bytes")
    done = cli.run("run", "--limit", "memory_bytes=67108864", cli.write("main.py", "b = bytearray(500_000_000)"))
    assert done.returncode == 137
    assert "memory" in one_line(done) and "64" in one_line(done)


def test_an_output_limit_is_said_in_one_line(cli):
    done = cli.script("yes", "--limit", "output_bytes=1000")
    assert done.returncode not in (0, 124, 137) and len(done.stdout) == 1000
    assert "output" in one_line(done)


def test_a_disk_limit_is_said_in_a_line_of_its_own(cli):
    done = cli.script("head -c 9M /dev/zero > f || exit 5", "--limit", "disk_bytes=1048576")
    assert done.returncode != 0
    assert "disk" in done.stderr.decode().splitlines()[-1]


def test_a_failed_compilation_shows_the_compiler_s_words_and_fails(cli):
    done = cli.run("run", cli.write("main.c", "int main(void) { return nonsense; }\n"))
    assert done.returncode == 1 and b"nonsense" in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["run"],
        ["run", "nosuchfile.py"],
        ["run", "-l", "nosuchlanguage", "main.sh"],
        ["run", "-l"],
        ["run", "-i", "host"],
        ["run", "-i", "host", "--"],
        ["run", "-i", "nosuchimage", "--", "true"],
        ["run", "--limit", "nosuch=1", "main.sh"],
        ["run", "--limit", "wall_ms", "main.sh"],
        ["run", "--limit", "wall_ms=", "main.sh"],
        ["run", "--limit", "wall_ms=abc", "main.sh"],
        ["run", "--limit", "wall_ms=-1", "main.sh"],
        ["run", "--limit", "wall_ms=99999999999", "main.sh"],
        ["run", "--limit", "wall_ms=99999999999999999999999", "main.sh"],
        ["run", "--nosuchoption", "main.sh"],
        ["run", "-Z", "main.sh"],
        ["run", "--stdin", "nosuchfile", "main.sh"],
        ["run", "--stdin", "/tmp", "main.sh"],
        ["run", "main.nosuchextension"],
    ],
    ids=" ".join,
)
def test_kiln_s_own_errors_are_125_with_one_line(cli, args):
    cli.write("main.sh", "echo ran")
    cli.write("main.nosuchextension", "x")
    done = cli.run(*args)
    assert (done.returncode, done.stdout) == (125, b"")
    assert one_line(done).startswith("kiln")


@pytest.mark.parametrize("name", ["A B", "1A", "A-B", "", "A\x1b[2J"])
def test_the_name_of_a_variable_is_refused_in_the_api_s_words(cli, name):
    cli.write("main.sh", "echo ran")
    done = cli.run("run", "-e", f"{name}=x", "main.sh")
    assert (done.returncode, done.stdout) == (125, b"")
    assert "the name of a variable has letters, digits and _, no digit first" in one_line(done)
    assert "\x1b" not in one_line(done)


@pytest.mark.parametrize(
    "args",
    [
        ["nosuchcommand"],
        ["--nosuchoption"],
        [],
        ["help", "nosuchcommand"],
        ["languages", "--nosuch"],
        ["doctor", "extra"],
        ["serve", "--nosuch"],
        ["serve", "--listen"],
        ["images", "extra"],
    ],
    ids=" ".join,
)
def test_unknown_words_are_refused(cli, args):
    done = cli.run(*args, timeout=10)
    assert done.returncode not in (0, None) and 0 < done.returncode < 126
    assert done.stderr or done.stdout


# JSON


def test_json_prints_the_result_of_the_api(cli):
    done = cli.script("echo out; echo err >&2; exit 3", "--json")
    result = json.loads(done.stdout)
    assert (result["outcome"], result["steps"][-1]["stdout"], result["steps"][-1]["stderr"]) == (
        "failed",
        "out\n",
        "err\n",
    )
    assert done.returncode == 3 and done.stderr == b""


def test_json_of_a_limit_has_the_limit(cli):
    done = cli.script("sleep 30", "--json", "--limit", "wall_ms=300")
    result = json.loads(done.stdout)
    assert done.returncode == 124
    assert result["steps"][-1]["limit"]["name"] == "wall_ms"


# Interruption


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["int", "term", "hup"])
def test_an_interrupted_run_leaves_nothing(cli, signal_):
    mounts = host.mounts()
    cli.write("main.sh", "trap '' INT TERM HUP; exec -a kiln-cli-int sleep 30 & wait; wait")
    process = cli.popen("run", "--limit", "wall_ms=60000", "main.sh", start_new_session=True)
    host.wait_until(lambda: host.processes_with("kiln-cli-int"), 15, "the run never started")
    below = host.descendants(process.pid)
    process.send_signal(signal_)
    process.communicate(timeout=seconds(10))
    assert process.returncode not in (0, None)
    host.wait_until(lambda: not [pid for pid in below if host.is_alive(pid)], 5, "processes are left")
    assert host.processes_with("kiln-cli-int") == [] and host.mounts() == mounts


def test_ctrl_c_on_a_terminal_leaves_nothing(cli):
    cli.write("main.sh", "trap '' INT; exec -a kiln-cli-tty sleep 30")
    leader, follower = pty.openpty()
    process = cli.popen(
        "run",
        "--limit",
        "wall_ms=60000",
        "main.sh",
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    host.wait_until(lambda: host.processes_with("kiln-cli-tty"), 15, "the run never started")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(seconds(10)) != 0
    os.close(leader)
    host.wait_until(lambda: not host.processes_with("kiln-cli-tty"), 5, "the sandbox goes on")


def test_killing_kiln_run_leaves_nothing(cli):
    cli.write("main.sh", "exec -a kiln-cli-kill sleep 30")
    process = cli.popen("run", "--limit", "wall_ms=60000", "main.sh")
    host.wait_until(lambda: host.processes_with("kiln-cli-kill"), 15, "the run never started")
    process.kill()
    process.communicate()
    host.wait_until(lambda: not host.processes_with("kiln-cli-kill"), 5, "the sandbox outlives kiln run")


def test_many_at_once_are_all_right(cli):
    names = [cli.write(f"main{n}.sh", f"echo {n}") for n in range(8)]
    processes = [cli.popen("run", name) for name in names]
    outputs = [process.communicate(timeout=seconds(60))[0] for process in processes]
    assert outputs == [f"{n}\n".encode() for n in range(8)]


def test_twelve_at_the_same_time_print_nothing_but_their_own(cli):
    main = cli.write("main.sh", "id -u; exec cat")
    processes = [cli.popen("run", "--limit", "wall_ms=2m", main, stdin=subprocess.PIPE) for _ in range(12)]
    for process in processes:
        assert process.stdout.readline().strip().isdigit(), process.communicate()
    ended = [process.communicate(b"end\n", timeout=seconds(60)) for process in processes]
    assert ended == [(b"end\n", b"")] * 12


# Isolation


def test_a_run_sees_nothing_of_the_host(cli):
    done = cli.script(
        f"cat /proc/*/environ {cli.home.path}/* 2>/dev/null; env; ls -A {cli.work} 2>/dev/null; id -u; pwd"
    )
    assert CANARY.encode() not in done.stdout
    assert done.stdout.splitlines()[-1] == b"/sandbox" and done.stdout.splitlines()[-2] != b"0"


def test_the_folder_it_is_called_in_is_not_touched(cli):
    before = sorted(os.listdir(cli.work))
    cli.run("run", "main.sh" if "main.sh" in before else cli.write("main.sh", "true"))
    cli.script("echo x > new; rm -rf /sandbox/*")
    assert set(os.listdir(cli.work)) - set(before) <= {"main.sh"}
    assert (cli.work / "main.sh").exists()


# The other commands


def test_version_names_program_and_version(cli):
    done = cli.run("--version")
    assert done.returncode == 0 and re.match(rb"kiln \d+\.\d+", done.stdout)


@pytest.mark.parametrize("args", [["help"], ["--help"], ["-h"]], ids=" ".join)
def test_help_names_every_command(cli, args):
    done = cli.run(*args)
    assert done.returncode == 0 and done.stderr == b""
    for word in (b"run", b"serve", b"doctor", b"languages", b"images", b"help"):
        assert word in done.stdout


@pytest.mark.parametrize("command", ["run", "serve", "doctor", "languages", "images"])
def test_help_of_a_command_says_how_it_is_used(cli, command):
    done = cli.run("help", command)
    assert done.returncode == 0 and f"kiln {command}".encode() in done.stdout
    assert cli.run(command, "--help").stdout == done.stdout


def test_help_of_serve_names_every_setting(cli):
    text = cli.run("help", "serve").stdout
    for setting in (b"listen", b"queue", b"parallel", b"body", b"insecure-no-auth", b"state-dir", b"drain"):
        assert setting in text, setting


def test_languages_lists_the_host_s(cli):
    done = cli.run("languages")
    assert done.returncode == 0
    for language in SOURCES:
        assert language.encode() in done.stdout


def test_images_lists_the_host(cli):
    done = cli.run("images")
    assert done.returncode == 0 and b"host" in done.stdout


def test_doctor_says_what_this_host_enforces(cli):
    done = cli.run("doctor")
    assert done.returncode in (0, 1), done
    text = done.stdout.decode().lower()
    for word in ("cgroup", "memory", "namespace"):
        assert word in text
    assert "\x1b" not in text, "colours where there is no terminal"


def test_doctor_tells_of_each_wall_why_it_is_missing_and_how_to_mend_it(cli):
    report = json.loads(cli.run("doctor", "--json").stdout)
    assert set(report) == {"verdict", "checks"}
    names = [check["name"] for check in report["checks"]]
    assert len(names) == len(set(names)), names
    for wall in ("user namespaces", "mounts", "/proc", "seccomp", "landlock", "cgroups", "own uids", "namespace_limits"):
        assert wall in names
    for check in report["checks"]:
        assert check["why"], check
        expected = {"name", "status", "why"} | ({"mend"} if check["status"] != "present" else set())
        assert set(check) == expected, check


def test_no_command_draws_where_there_is_no_terminal(cli):
    for args in (["languages"], ["images"], ["help"], ["run", cli.write("main.sh", "echo x")]):
        done = cli.run(*args)
        assert b"\x1b" not in done.stdout + done.stderr and b"\r" not in done.stdout + done.stderr


def test_a_full_pipe_or_closed_stdout_is_no_crash(cli):
    with open("/dev/full", "wb") as full:
        process = cli.popen("languages", stdout=full)
        process.communicate(timeout=seconds(20))
    assert process.returncode > 0
