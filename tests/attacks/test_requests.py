"""Hostile requests, after what went wrong elsewhere: every field is data, and never a word of a command on the host."""

import glob
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kilntest.requests import binary, command, file_bytes, python, shell

PWNED = f"/tmp/kiln-pwned-{os.getpid()}"
# Each makes the file on the host if a shell of any quoting style, or a format string, reads it.
INJECTIONS = [
    f"$(touch {PWNED})",
    f"`touch {PWNED}`",
    f"; touch {PWNED} ;",
    f"x'; touch {PWNED}; '",
    f'x"; touch {PWNED}; "',
    f"x\ntouch {PWNED}\n",
    f"| touch {PWNED}",
    f"--config=/dev/null; touch {PWNED}",
    "%n%s%s%s%p",
    "-rf",
    "--help",
]


def everywhere(word):
    """Requests with the word in each field that takes text. Whatever becomes of them, it must not be done."""
    yield command("printf", "%s", word)
    yield command(word)
    yield python("print(1)", args=[word])
    yield python("print(1)", env={"WORD": word})
    yield python("print(1)", env={word: "1"})
    yield python("print(1)", stdin=word)
    yield python("print(1)", files={word: "x"})
    yield python("print(1)", files={f"folder/{word}/file": "x"})
    yield python("print(1)", collect=[word])
    yield python("print(1)", network=word)
    yield python("print(1)", limits={"wall_ms": word})
    yield python("print(1)", limits={word: 1})
    yield {**python("print(1)"), "image": word}
    yield {"language": word, "files": {"main.py": "print(1)"}}
    yield {"language": "python", "version": word, "files": {"main.py": "print(1)"}}
    yield {"language": "python", "entry": word, "files": {word: "print(1)", "main.py": "print(2)"}}
    yield {"image": "host", "steps": [{"name": word, "command": ["true"]}]}
    yield {"image": "host", "steps": [{"name": "run", "command": ["true"], "env": {"PATH": word}}]}
    yield {"image": "host", "steps": [{"name": "run", "command": ["sh"], "stdin": "true", "image": word}]}


@pytest.mark.parametrize("word", INJECTIONS)
def test_no_field_of_a_request_reaches_a_shell(server, word):
    statuses = {server.post(request, 30).status for request in everywhere(word)}
    assert statuses <= {200, 400, 404, 422}, statuses
    assert 200 in statuses  # as a word, it is as good as any other
    assert not glob.glob(f"{PWNED}*")


@pytest.mark.parametrize("word", INJECTIONS)
def test_a_program_gets_its_words_as_they_are(server, word):
    result = server.run({**command("printf", "%s", word), "limits": {"wall_ms": 10000}})
    assert result["steps"][0]["stdout"] == word
    echo = "import os, sys; print(sys.argv[1:], os.environ['WORD'], sys.stdin.read())"
    request = python(echo, env={"WORD": word})
    request["steps"][0].update(command=["/usr/bin/python3", "main.py", word], stdin=word)
    assert server.run(request)["steps"][0]["stdout"] == f"{[word]} {word} {word}\n"


# Judge0 wrote the script of the run, as root, to where a step before had put a link: CVE-2024-28185, and chown after it, -28189.
def test_what_a_step_puts_in_place_of_its_files_is_not_written_through(server, canary_file):
    before = canary_file.read_bytes(), canary_file.stat()
    script = f"""
        rm -rf main.sh data folder
        ln -s {canary_file} main.sh; ln -s {canary_file} data; ln -s {canary_file.parent} folder
        ln -s / root; ln -s /proc/self/root/etc proc
    """
    request = shell(script, files={"data": "1", "folder/file": "2"}, collect="all")
    request["steps"].append({"name": "again", "command": ["bash", "-c", "echo x > data; chmod 777 folder/* root proc; ls -l"]})
    result = server.run(request)
    assert canary_file.read_bytes() == before[0]
    assert (canary_file.stat().st_mode, canary_file.stat().st_mtime, canary_file.stat().st_uid) == (
        before[1].st_mode,
        before[1].st_mtime,
        before[1].st_uid,
    )
    assert before[0].decode() not in str(result)


# Piston gave out box ids in a ring and asked nobody whether one was in use.
def test_many_runs_at_once_have_nothing_of_each_other(server):
    look = """
import os, sys, time
word = sys.argv[1]
places = ["/sandbox", "/tmp", "/var/tmp", "/dev/shm", os.path.expanduser("~")]
for place in places:
    open(os.path.join(place, "word-" + word), "w").write(word)
time.sleep(0.5)
found = {name for place in places for name in os.listdir(place) if name.startswith("word-")}
print(word, found == {"word-" + word}, len([name for name in os.listdir("/proc") if name.isdigit()]) <= 2)
"""

    def one(number):
        word = f"{number}x{time.monotonic_ns()}"
        request = python(look, collect="all", limits={"wall_ms": 60_000})
        request["steps"][0]["command"].append(word)
        result = server.run(request, 90)
        return word, result

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, range(64)))
    assert len({result["id"] for _, result in answers}) == 64
    for word, result in answers:
        assert result["steps"][0]["stdout"] == f"{word} True True\n", result
        created = result["files"]["created"]
        assert {name: file_bytes(entry) for name, entry in created.items()} == {f"word-{word}": word.encode()}


# Sizes that people add up in 32 or 64 bits, or cut to them.
@pytest.mark.parametrize("limit", ["wall_ms", "cpu_ms", "memory_bytes", "processes", "output_bytes", "disk_bytes", "open_files"])
def test_no_number_makes_a_limit_that_is_none(server, limit):
    for number in (-1, 0, 2**32 + 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 2**64 + 1, 10**400):
        answer = server.post(python("print(1)", limits={limit: number}), 30)
        assert answer.status in (400, 422), (number, answer.status, answer.body[:300])


def test_a_file_of_each_odd_mode_gives_nothing(server):
    modes = ["4755", "2755", "1777", "6777", "0170000", "100644", "-1", "0x1ff", "9", "", "0o755", "٧٥٥"]
    for mode in modes:
        answer = server.post({**command("stat", "-c", "%a", "f"), "files": {"f": binary(b"x", mode=mode)}}, 30)
        assert answer.status in (200, 400, 422), answer
        if answer.status == 200:
            assert int(answer.json()["steps"][0]["stdout"], 8) <= 0o777
