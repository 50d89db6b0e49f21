"""The cache of compile steps: a hit is told, and is in everything else like a miss; nothing gets into it by deceit."""

import itertools
import json
import tarfile
from urllib.parse import quote

import pytest

from kilntest.requests import MIB, b64, member, merged, output, tar, text

# What differs from run to run anyway, or is what a hit is about.
VOLATILE = {"id", "timing", "cached"}
TIMES = {"wall_ms", "cpu_ms", "memory_peak_bytes", "processes_peak"}

unique = itertools.count()


@pytest.fixture(scope="module")
def server(servers):
    return servers(ceilings={"wall_ms": 60000})


def fresh(request):
    """The request with a file that no other test has, so that its first run is a miss."""
    return merged(request, {"files": {"salt": f"{next(unique)}"}})


def compiling(script, then="true", **more):
    """A compile step that is a shell script, and a run step that is another."""
    steps = [{"name": "compile", "command": ["bash", "-c", script]}, {"name": "run", "command": ["bash", "-c", then]}]
    return fresh(merged({"image": "host", "steps": steps}, more))


def c(source, **more):
    return fresh(merged({"language": "c", "files": {"main.c": source}}, more))


def cached(result, step=0):
    return result["steps"][step].get("cached", False)


def twice(server, request):
    """A miss and a hit of one request."""
    miss, hit = server.run(request), server.run(request)
    assert not cached(miss), miss
    assert cached(hit), hit
    return miss, hit


def never(server, request):
    """Runs it twice; neither is a hit, and both are the same."""
    one, other = server.run(request), server.run(request)
    assert not cached(one) and not cached(other), other
    assert steady(one) == steady(other)
    return one


def steady(result):
    """A result without times and the like; of the step that was not run they are compared too."""
    result = {key: value for key, value in result.items() if key not in VOLATILE}
    steps = result["steps"]
    result["steps"] = [{k: v for k, v in step.items() if k not in VOLATILE | TIMES} for step in steps]
    return json.dumps(result, sort_keys=True)


def stats(server):
    return server.get("/v1/node").json()["cache"]


# ---- a hit is like a miss ----

HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
PROJECT = {
    "main.c": '#include "lib/add.h"\n#include <stdio.h>\nint main(void) { printf("%d\\n", add(1, 2)); return 0; }\n',
    "lib/add.c": '#include "add.h"\nint add(int a, int b) { return a + b; }\n',
    "lib/add.h": "#pragma once\nint add(int a, int b);\n",
}
MAKEFILE = {
    "Makefile": "prog: main.o add.o\n\tcc -o prog main.o add.o\nmain.o: main.c\n\tcc -c main.c\nadd.o: add.c\n\tcc -c add.c\n",
    "main.c": '#include <stdio.h>\nint add(int, int);\nint main(void) { printf("%d\\n", add(1, 2)); }\n',
    "add.c": "int add(int a, int b) { return a + b; }\n",
}
CORPUS = {
    "hello": c(HELLO),
    "warnings": c('#warning "beware"\n' + HELLO),
    "several files with headers": fresh({"language": "c", "files": PROJECT}),
    "the run fails": c("int main(void) { return 3; }"),
    "the run crashes": c("int main(void) { __builtin_trap(); }"),
    "stdin and args": c(
        "#include <stdio.h>\nint main(int n, char **v) { printf(\"%s %d\\n\", v[1], getchar()); }", args=["x"], stdin="A"
    ),
    "a binary that looks at itself": compiling(
        "gcc -o main main.c", "./main; stat -c '%a %s %h %F' main main.c; [ -O main ] && [ -G main ] && [ -O main.c ] && echo mine; sha256sum main", files={"main.c": HELLO}
    ),
    "many kinds of files": compiling(
        "mkdir -p empty deep/er; echo x > deep/er/x; : > nothing; printf '\\0\\xff' > bytes; chmod 700 deep; chmod 4 bytes; echo new > old",
        "stat -c '%n %a %s %F' $(find . | sort); cat deep/er/x old; rm nothing; echo more > later",
        files={"old": "old", "same": "same"},
    ),
    "output on both streams": compiling("echo out; echo err >&2; printf '\\xff'", "echo run"),
    "a file in place of one that was uploaded": compiling("rm a; echo b > a; mv c d/c 2>/dev/null; true", "cat a", files={"a": "a"}),
}


@pytest.mark.parametrize("name", CORPUS)
def test_a_hit_is_a_miss_byte_for_byte(server, name):
    request = merged(CORPUS[name], {"collect": "all"})
    miss, hit = twice(server, request)
    assert steady(miss) == steady(hit)
    plain = server.run({**request, "cache": False})
    assert not cached(plain) and steady(plain) == steady(miss)


def test_times_of_a_step_that_was_not_run_are_those_of_when_it_was(server):
    miss, hit = twice(server, compiling("sleep 0.3", "true"))
    assert {key: miss["steps"][0][key] for key in TIMES} == {key: hit["steps"][0][key] for key in TIMES}
    assert hit["timing"]["exec_us"] < miss["steps"][0]["wall_ms"] * 1000


def test_cpp_is_cached_too(server):
    request = fresh({"language": "cpp", "files": {"main.cpp": "#include <iostream>\nint main() { std::cout << 1; }\n"}})
    miss, hit = twice(server, request)
    assert text(hit) == text(miss) == "1"


def test_make_sees_an_up_to_date_tree(server):
    again = "make -q && echo up to date; ./prog; touch add.c; make -n"
    request = compiling("make -s", again, files=MAKEFILE)
    miss, hit = twice(server, request)
    assert text(hit) == text(miss)
    assert text(hit).startswith("up to date\n3\ncc -c add.c\n")


def test_the_order_of_times_is_kept(server):
    order = "echo 1 > c; sleep 0.03; echo 2 > a; sleep 0.03; echo 3 > b; sleep 0.03; mkdir d"
    look = "ls -t; [ a -nt c ] && [ b -nt a ] && [ d -nt b ] && [ c -nt in ] && echo ordered"
    miss, hit = twice(server, compiling(f"sleep 0.03; {order}", look, files={"in": ""}))
    assert text(hit) == text(miss)
    assert "ordered" in text(hit)


def test_files_are_not_from_the_future(server):
    _, hit = twice(server, compiling("echo > a", "find . -newermt now"))
    assert text(hit) == ""


def test_a_failing_compile_is_compiled_again_and_says_the_same(server):
    never(server, c("int main(void) { return 0 }"))


def test_an_archive_is_part_of_the_input(server):
    def request(content):
        archive = tar({"add.h": b"#define N " + content})
        body = {"language": "c", "files": {"main.c": '#include "add.h"\nint main(void) { return N; }\n'}}
        return server.request("POST", f"/v1/runs?run={quote(json.dumps(body))}", archive, {"Content-Type": "application/x-tar"}).json()

    assert request(b"4")["steps"][1]["exit_code"] == 4
    other = request(b"5")
    assert not cached(other) and other["steps"][1]["exit_code"] == 5
    again = request(b"4")
    assert cached(again) and again["steps"][1]["exit_code"] == 4


def test_what_a_fresh_sandbox_gets_is_the_same(server):
    steps = [
        {"name": "build", "command": ["sh", "-c", "echo kept > a; echo left > b"], "keep": ["a"]},
        {"name": "run", "command": ["sh", "-c", "ls; cat a"], "image": "host"},
    ]
    miss, hit = twice(server, fresh({"image": "host", "steps": steps, "collect": "all"}))
    assert steady(miss) == steady(hit)
    assert text(hit) == "a\nkept\n"


# ---- what is not for the cache ----


def test_a_request_can_decline(server):
    request = c(HELLO)
    server.run(request)
    assert not cached(server.run({**request, "cache": False}))
    declined = {**c(HELLO), "cache": False}
    server.run(declined)
    del declined["cache"]
    assert not cached(server.run(declined)), "a run that declined left something"


def test_cache_must_be_a_boolean(server):
    server.refuse({**c(HELLO), "cache": "no"}, 400, "cache")


def test_run_steps_are_always_run(server):
    request = {"language": "bash", "files": {"main.sh": "echo $RANDOM"}}
    assert not cached(server.run(request)) and not cached(server.run(request))
    _, hit = twice(server, compiling("true", "true"))
    assert not cached(hit, 1)


def test_a_second_step_is_never_from_the_cache(server):
    steps = [{"name": name, "command": ["true"]} for name in ("prepare", "compile", "run")]
    never(server, fresh({"image": "host", "steps": steps}))


BEYOND_FILES = {
    "a file in /tmp": ("echo x > /tmp/x", "cat /tmp/x"),
    "a file in the home folder": ("echo x > ~/x", "cat ~/x"),
    "a file in /var/tmp": ("echo x > /var/tmp/x", "cat /var/tmp/x"),
    "a file in /dev/shm": ("echo x > /dev/shm/x", "cat /dev/shm/x"),
    "a hidden file deep in /tmp": ("mkdir -p /tmp/a/b; echo x > /tmp/a/b/.c", "cat /tmp/a/b/.c"),
    "a link": ("ln -s in link", "readlink link"),
    "a link to the host": ("ln -s /etc/shadow link", "readlink link"),
    "a second name": ("ln in other", "stat -c %h in"),
    "a fifo": ("mkfifo pipe", "stat -c %F pipe"),
    "a deleted upload": ("rm in", "ls"),
    "a deleted folder": ("rmdir folder", "ls"),
    "a setuid file": ("echo x > tool; chmod 4755 tool", "stat -c %a tool"),
    "a sticky folder": ("mkdir s; chmod 1777 s", "stat -c %a s"),
    "an old time": ("echo x > a; touch -d 2001-01-01 a", "stat -c %y a"),
    "a time to come": ("echo x > a; touch -d 2040-01-01 a", "stat -c %y a"),
    "a closed /sandbox": ("chmod 755 .; chmod 711 .", "stat -c %a ."),
    "shared memory": (
        "python3 -c 'import ctypes; print(ctypes.CDLL(None).shmget(77, 4096, 0o1600) >= 0)'",
        "python3 -c 'import ctypes; print(ctypes.CDLL(None).shmget(77, 4096, 0) >= 0)'",
    ),
    "too much": ("head -c 40000000 /dev/zero > big", "stat -c %s big"),
    "too many files": ("touch $(seq 2000)", "ls | wc -l"),
}


@pytest.mark.parametrize("name", BEYOND_FILES)
def test_a_step_that_leaves_more_than_files_is_run_each_time(server, name):
    left, look = BEYOND_FILES[name]
    uploads = tar({"folder": member("folder", tarfile.DIRTYPE, mode=0o755), "in": b"in"})
    request = compiling(left, look, archive=b64(uploads), limits={"disk_bytes": 64 * MIB})
    if name == "shared memory" and "memory_bytes" in (server.run(request).get("unenforced") or []):
        # Without a memory cgroup no program gets any, so that nothing is left.
        assert server.run(request)["steps"][0]["stdout"] == "False\n"
        return
    result = never(server, request)
    assert text(result), result


# ---- deceit ----


def test_a_program_that_overwrites_its_own_binary_does_not_reach_the_next_run(server):
    evil = "cp main /tmp/was; printf '#!/bin/sh\\necho evil\\n' > main; chmod 755 main; ./main; cat main > main.c"
    request = compiling("gcc -o main main.c", f"./main; {evil}", files={"main.c": HELLO})
    miss, hit = twice(server, request)
    assert text(miss) == text(hit) == "hello\nevil\n"
    assert text(server.run(request)) == "hello\nevil\n"


def test_a_process_left_behind_by_the_compile_step_changes_nothing_later(server):
    left = "echo good > main; (setsid bash -c 'for i in $(seq 200); do echo evil > main; sleep 0.01; done' > /dev/null 2>&1 &); sleep 0.05; echo good > main"
    look = "sleep 0.2; cat main"
    request = compiling(left, look)
    first = text(server.run(request))
    assert first in ("good\n", "evil\n")
    for _ in range(3):
        hit = server.run(request)
        assert cached(hit) and text(hit) == first


def test_what_a_later_step_makes_is_not_kept(server):
    request = compiling("echo one > a", "cat a; echo two > a; echo b > b; ls")
    miss, hit = twice(server, request)
    assert text(miss) == text(hit) == text(server.run(request))


def test_the_same_bytes_under_other_names_are_other_input(server):
    a = compiling("cat x y > out", "cat out", files={"x": "1", "y": "2"})
    b = {**a, "files": {**a["files"], "x": "2", "y": "1"}}
    assert text(server.run(a)) == "12"
    assert text(server.run(b)) == "21"
    assert text(server.run(a)) == "12"


@pytest.mark.parametrize(
    "other",
    [
        {"limits": {"memory_bytes": 128 * MIB}},
        {"network": "loopback"},
        {"files": {"salt": {"content": "same", "mode": "0600"}}},
        {"files": {"salt": "same", "more": ""}},
    ],
    ids=["limits", "network", "mode", "another file"],
)
def test_whatever_can_change_the_output_makes_another_entry(server, other):
    request = merged(compiling("true"), {"files": {"salt": "same"}})
    request["steps"][0]["command"][2] = f"true {sorted(other)} {sorted(other.get('files', {}))}"
    server.run(request)
    assert cached(server.run(request))
    assert not cached(server.run(merged(request, dict(other))))


def test_environment_stdin_and_command_make_other_entries(server):
    request = compiling("true")
    server.run(request)
    for change in ({"env": {"A": "1"}}, {"stdin": "x"}, {"command": ["bash", "-c", "true "]}):
        steps = [{**request["steps"][0], **change}, request["steps"][1]]
        assert not cached(server.run({**request, "steps": steps})), change


def run_as(server, token, request):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = server.request("POST", "/v1/runs", json.dumps(request), headers)
    assert answer.status == 200, answer
    return answer.json()


def test_tenants_have_entries_of_their_own(servers):
    server = servers(tokens=["secret-of-lion", "secret-of-tiger"])
    request = c(HELLO)
    assert not cached(run_as(server, "secret-of-lion", request))
    assert not cached(run_as(server, "secret-of-tiger", request))
    assert cached(run_as(server, "secret-of-lion", request))
    assert cached(run_as(server, "secret-of-tiger", request))


def test_tenants_share_entries_where_that_is_wanted(servers):
    server = servers(tokens=["secret-of-lion", "secret-of-tiger"], cache_shared=True)
    request = c(HELLO)
    assert not cached(run_as(server, "secret-of-lion", request))
    assert cached(run_as(server, "secret-of-tiger", request))


# ---- bounds and numbers ----


def test_a_cache_of_no_bytes_is_none(servers):
    server = servers(cache_bytes=0)
    never(server, c(HELLO))
    assert stats(server) == {
        "max_bytes": 0,
        "shared": False,
        "bytes": 0,
        "entries": 0,
        "hits": 0,
        "misses": 0,
        "evictions": 0,
    }


def test_the_cache_stays_within_its_bytes(servers):
    server = servers(cache_bytes=2 * MIB)
    request = compiling("head -c 400000 /dev/urandom > big; sha256sum big", "sha256sum big")
    requests = [merged(request, {"files": {"salt": f"evict {i}"}}) for i in range(12)]
    for one in requests:
        result = server.run(one)
        assert output(result, step=0) == output(result, step=1)
        assert stats(server)["bytes"] <= 2 * MIB
    found = stats(server)
    assert found["evictions"] >= 12 - 5 and 3 <= found["entries"] <= 5
    assert not cached(server.run(requests[0]))
    last = server.run(requests[-1])
    assert cached(last) and output(last, step=0) == output(last, step=1)


def test_node_and_metrics_count(servers):
    server = servers()
    twice(server, c(HELLO))
    found = stats(server)
    assert (found["hits"], found["misses"], found["entries"]) == (1, 1, 1)
    assert 10000 < found["bytes"] < 100000
    lines = server.get("/metrics").body.decode().splitlines()
    for name, value in {"hits_total": 1, "misses_total": 1, "evictions_total": 0, "entries": 1}.items():
        assert f"kiln_cache_{name} {value}" in lines


def test_a_run_after_a_hit_meets_its_limits(server):
    request = compiling("echo x > x", "cat x; sleep 30", limits={"wall_ms": 1000})
    _, hit = twice(server, request)
    assert hit["outcome"] == "wall_time_exceeded"
    assert output(hit) == b"x\n"
