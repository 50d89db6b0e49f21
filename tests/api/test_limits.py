"""Each limit ends a run with its own outcome, says by how much and who enforced it, and keeps what was printed."""

import time

import pytest

from kilntest import host
from kilntest.requests import MIB, c_program, command, output, python, shell, text

ENFORCERS = {"cgroup", "rlimit", "watchdog", "tmpfs"}

SPIN_C = "int main(void) { for (volatile long i = 0;; i++) ; }"
SPIN_THREADS_C = """
#include <pthread.h>
static void *spin(void *x) { for (volatile long i = 0;; i++) ; return x; }
int main(void) { pthread_t t[2]; for (int i = 0; i < 2; i++) pthread_create(&t[i], 0, spin, 0); pthread_join(t[0], 0); }
"""
MALLOC_BOMB_C = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
	for (int i = 1;; i++) {
		char *p = malloc(1 << 20);
		if (!p)
			return 9;
		memset(p, i, 1 << 20);
		printf("%d\\n", i);
		fflush(stdout);
	}
}
"""


def ended(result, outcome, limit, value):
    """The step that a limit ended, after checking what is said about it."""
    step = result["steps"][-1]
    assert (result["outcome"], step["outcome"]) == (outcome, outcome), step
    assert set(step["limit"]) == {"name", "value", "used", "enforced_by"}, step
    assert (step["limit"]["name"], step["limit"]["value"]) == (limit, value), step
    assert step["limit"]["enforced_by"] in ENFORCERS, step
    return step


# Wall time


@pytest.mark.parametrize(
    "script",
    [
        "sleep 60",
        "trap '' TERM INT HUP ALRM XCPU; while :; do sleep 1; done",
        "kill -STOP $$",
        "exec 0<&- 1>&- 2>&-; sleep 60",
        "sleep 60 & disown; sleep 60",
        "setsid sleep 60 & wait",
    ],
    ids=["sleeping", "ignoring_signals", "stopped", "closed_stdio", "with_a_background_child", "in_another_session"],
)
def test_wall_time_ends_a_run(server, script):
    begin = time.monotonic()
    step = ended(
        server.run(shell("echo before\n" + script, limits={"wall_ms": 600})), "wall_time_exceeded", "wall_ms", 600
    )
    assert output({"steps": [step]}) == b"before\n"
    assert 600 <= step["wall_ms"] < 3000 and step["limit"]["used"] >= 600
    assert step["limit"]["enforced_by"] == "watchdog"
    assert time.monotonic() - begin < 5


def test_wall_time_counts_while_a_process_reads_what_never_comes(server):
    source = "import os\nr, w = os.pipe()\nos.read(r, 1)\n"
    ended(server.run(python(source, limits={"wall_ms": 500})), "wall_time_exceeded", "wall_ms", 500)


def test_a_run_within_its_wall_time_is_ok(server):
    assert server.run(shell("sleep 0.3", limits={"wall_ms": 2000}))["outcome"] == "ok"


# CPU time


@pytest.mark.parametrize(
    "request_",
    [
        c_program(SPIN_C, limits={"cpu_ms": 400, "wall_ms": 20000}),
        c_program(SPIN_THREADS_C, limits={"cpu_ms": 400, "wall_ms": 20000}),
        shell("while :; do :; done & while :; do :; done & wait", limits={"cpu_ms": 400, "wall_ms": 20000}),
        shell("while :; do timeout 0.15 sh -c 'while :; do :; done'; done", limits={"cpu_ms": 600, "wall_ms": 20000}),
        shell("trap '' XCPU; while :; do :; done", limits={"cpu_ms": 400, "wall_ms": 20000}),
    ],
    ids=["in_main", "in_threads", "in_children", "in_children_that_end", "ignoring_sigxcpu"],
)
def test_cpu_time_ends_a_run(server, enforced, request_):
    enforced("cpu_ms")
    value = (request_["limits"] if "limits" in request_ else request_["steps"][-1]["limits"])["cpu_ms"]
    step = ended(server.run(request_), "cpu_time_exceeded", "cpu_ms", value)
    assert value <= step["limit"]["used"] < value + 1500
    assert value <= step["cpu_ms"] < value + 1500


def test_sleeping_costs_no_cpu_time(server):
    step = server.run(shell("sleep 1", limits={"cpu_ms": 500}))["steps"][0]
    assert (step["outcome"], step["limit"]) == ("ok", None)
    assert step["cpu_ms"] < 500 and step["wall_ms"] >= 1000


def test_cpu_percent_slows_a_run_down(server, enforced):
    enforced("cpu_percent")
    source = """
import time
cpu, wall = time.process_time(), time.monotonic()
while time.process_time() - cpu < 0.5:
    pass
print(time.monotonic() - wall)
"""
    result = server.run(python(source, limits={"cpu_percent": 25, "wall_ms": 20000}))
    assert float(text(result)) > 1.2


# Memory


def test_memory_ends_a_malloc_bomb(server, enforced):
    enforced("memory_bytes")
    step = ended(
        server.run(c_program(MALLOC_BOMB_C, limits={"memory_bytes": 64 * MIB})),
        "memory_exceeded",
        "memory_bytes",
        64 * MIB,
    )
    assert step["limit"]["enforced_by"] in ("cgroup", "watchdog")
    assert step["memory_peak_bytes"] >= 48 * MIB
    printed = [int(line) for line in step["stdout"].split()]
    over = 0 if step["limit"]["enforced_by"] == "cgroup" else 32  # the watchdog looks every millisecond
    assert 20 < printed[-1] <= 64 + over and printed == list(range(1, len(printed) + 1))


def test_a_parent_that_survives_its_child_s_bomb_is_believed_or_killed_with_it(server, enforced):
    enforced("memory_bytes")
    script = "echo before\npython3 -c 'b = bytearray(500_000_000)'\necho survived $?; exit 0"
    step = server.run(shell(script, limits={"memory_bytes": 64 * MIB}))["steps"][0]
    if step["outcome"] == "ok":
        assert (step["stdout"], step["limit"]) == ("before\nsurvived 137\n", None)
    else:
        assert (step["outcome"], step["limit"]["name"], step["stdout"]) == (
            "memory_exceeded",
            "memory_bytes",
            "before\n",
        )


def test_memory_ends_a_bomb_in_a_child_that_fails_its_parent(server, enforced):
    enforced("memory_bytes")
    script = "echo before\npython3 -c 'b = bytearray(500_000_000)' || exit 5"
    step = ended(
        server.run(shell(script, limits={"memory_bytes": 64 * MIB})), "memory_exceeded", "memory_bytes", 64 * MIB
    )
    assert step["stdout"].startswith("before\n")


def test_memory_counts_all_processes_together(server, enforced):
    enforced("memory_bytes")
    script = "for i in 1 2 3 4; do python3 -c 'import time; b = bytearray(30_000_000); time.sleep(5)' & done; wait"
    ended(server.run(shell(script, limits={"memory_bytes": 80 * MIB})), "memory_exceeded", "memory_bytes", 80 * MIB)


@pytest.mark.parametrize("place", ["/sandbox", "/tmp", "/dev/shm", "$HOME"])
def test_files_written_count_as_memory(server, place):
    script = f"echo before; head -c 200M /dev/zero > {place}/fill; echo after"
    limits = {"memory_bytes": 48 * MIB, "disk_bytes": 512 * MIB, "file_bytes": 512 * MIB}
    step = ended(server.run(shell(script, limits=limits)), "memory_exceeded", "memory_bytes", 48 * MIB)
    assert step["stdout"].startswith("before\n")


def test_an_allocation_that_fails_is_the_program_s_own_matter(server):
    source = "try:\n    b = bytearray(1 << 60)\nexcept MemoryError:\n    print('refused')\n"
    assert text(server.run(python(source))) == "refused\n"


def test_reserving_without_touching_is_no_memory(server):
    source = """
import mmap
MAP_NORESERVE = 0x4000  # has a name from Python 3.12 on
mmap.mmap(-1, 8 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
print("reserved")
"""
    assert text(server.run(python(source, limits={"memory_bytes": 64 * MIB}))) == "reserved\n"


# Signals


@pytest.mark.parametrize("signal", [1, 2, 3, 4, 6, 8, 9, 11, 13, 14, 15, 24])
def test_a_signal_of_the_program_s_own_is_just_that(server, signal):
    source = f"""
#include <signal.h>
#include <unistd.h>
int main(void) {{ write(1, "before", 6); raise({signal}); return 0; }}
"""
    step = server.run(c_program(source))["steps"][-1]
    assert (step["outcome"], step["signal"], step["exit_code"], step["limit"]) == ("signaled", signal, None, None)
    assert step["stdout"] == "before"


@pytest.mark.parametrize("code", [1, 2, 124, 125, 126, 127, 128, 137, 139, 143, 255])
def test_an_exit_code_is_never_read_as_a_signal(server, code):
    step = server.run(shell(f"exit {code}"))["steps"][0]
    assert (step["outcome"], step["exit_code"], step["signal"], step["limit"]) == ("failed", code, None, None)


def test_a_child_killed_by_its_own_parent_is_no_memory_limit(server):
    result = server.run(shell("sleep 30 & kill -9 $!; wait $!; echo $?"))
    assert text(result) == "137\n"


# Output


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_exactly_at_the_limit_is_ok(server, stream):
    redirect = " >&2" if stream == "stderr" else ""
    result = server.run(shell(f"head -c 5000 /dev/zero | tr '\\0' x{redirect}", limits={"output_bytes": 5000}))
    step = result["steps"][0]
    assert (step["outcome"], len(step[stream]), step[f"{stream}_truncated"]) == ("ok", 5000, False)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_one_byte_over_the_output_limit_is_over(server, stream):
    redirect = " >&2" if stream == "stderr" else ""
    result = server.run(shell(f"head -c 5001 /dev/zero | tr '\\0' x{redirect}", limits={"output_bytes": 5000}))
    step = ended(result, "output_exceeded", "output_bytes", 5000)
    assert (len(step[stream]), step[f"{stream}_truncated"]) == (5000, True)
    assert step["limit"]["used"] >= 5001


def test_each_stream_has_the_output_limit_for_itself(server):
    script = "head -c 5000 /dev/zero | tr '\\0' x; head -c 5000 /dev/zero | tr '\\0' y >&2"
    step = server.run(shell(script, limits={"output_bytes": 5000}))["steps"][0]
    assert step["outcome"] == "ok"
    assert (step["stdout"], step["stderr"]) == ("x" * 5000, "y" * 5000)


@pytest.mark.parametrize("script", ["yes", "yes >&2", "yes & yes >&2 & wait", "cat /dev/zero", "exec yes"])
def test_a_flood_is_cut_and_ends_soon(server, script):
    begin = time.monotonic()
    step = ended(
        server.run(shell(script, limits={"output_bytes": 10000, "wall_ms": 20000})),
        "output_exceeded",
        "output_bytes",
        10000,
    )
    assert time.monotonic() - begin < 5
    assert len(output({"steps": [step]}, "stdout")) <= 10000 and len(output({"steps": [step]}, "stderr")) <= 10000
    assert step["stdout_truncated"] or step["stderr_truncated"]


def test_an_output_limit_of_one_byte_keeps_one_byte(server):
    step = ended(server.run(shell("echo hello", limits={"output_bytes": 1})), "output_exceeded", "output_bytes", 1)
    assert step["stdout"] == "h"


# Disk

PLACES = ["/sandbox", "/tmp", "/dev/shm", "$HOME"]


@pytest.mark.parametrize("place", PLACES)
def test_a_full_disk_that_fails_the_program_is_disk_exceeded(server, place):
    limits = {"disk_bytes": 4 * MIB}
    result = server.run(shell(f"echo before; head -c 16M /dev/zero > {place}/fill || exit 5", limits=limits))
    step = ended(result, "disk_exceeded", "disk_bytes", 4 * MIB)
    assert (step["exit_code"], step["stdout"], step["limit"]["enforced_by"]) == (5, "before\n", "tmpfs")


def test_all_places_together_share_one_disk_budget(server):
    fills = "\n".join(f"head -c 64M /dev/zero > {place}/fill 2>/dev/null" for place in PLACES)
    script = f"{fills}\ncat /sandbox/fill /tmp/fill /dev/shm/fill $HOME/fill 2>/dev/null | wc -c"
    result = server.run(shell(script, limits={"disk_bytes": 8 * MIB}))
    assert 4 * MIB < int(output(result)) <= 8 * MIB


def test_writing_up_to_the_disk_budget_is_ok(server):
    assert server.run(shell("head -c 7M /dev/zero > f", limits={"disk_bytes": 8 * MIB}))["outcome"] == "ok"


def test_files_without_bytes_are_bounded_too(server):
    source = "i = 0\nwhile True:\n    open(f'f{i}', 'w').close()\n    i += 1\n"
    limits = {"disk_bytes": MIB, "wall_ms": 30000, "cpu_ms": 30000}
    step = ended(server.run(python(source, limits=limits)), "disk_exceeded", "disk_bytes", MIB)
    assert b"No space left" in output({"steps": [step]}, "stderr")
    assert step["limit"]["used"] == MIB, "no room for another file is no room"


def test_a_program_that_copes_with_a_full_disk_may_still_succeed(server):
    result = server.run(
        shell("head -c 16M /dev/zero > f 2>/dev/null; rm f; echo coped", limits={"disk_bytes": 4 * MIB})
    )
    assert output(result) == b"coped\n"
    assert result["outcome"] in ("ok", "disk_exceeded")
    assert result["steps"][0]["exit_code"] == 0


def test_files_larger_than_the_disk_are_refused(server):
    server.refuse(shell("true", files={"big": "x" * MIB}, limits={"disk_bytes": 512 * 1024}), 422, "limits.disk_bytes")


# One file, descriptors, stack


def test_no_file_grows_beyond_file_bytes(server):
    source = (
        "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nf = open('f', 'wb', 0)\n"
        "try:\n    while True: f.write(b'x' * 1000)\nexcept OSError as e: print(e.errno, f.tell())\n"
    )
    assert text(server.run(python(source, limits={"file_bytes": 50_000}))) == "27 50000\n"


def test_a_file_too_big_kills_a_program_that_does_not_look(server):
    step = server.run(shell("exec head -c 100000 /dev/zero > f", limits={"file_bytes": 50_000}))["steps"][0]
    assert (step["outcome"], step["signal"]) in (("disk_exceeded", 25), ("signaled", 25))
    assert step["limit"] is None or (step["limit"]["name"], step["limit"]["value"]) == ("file_bytes", 50_000)


@pytest.mark.parametrize("place", ["f", "/tmp/deep/er/f", "/home/sandbox/f"])
@pytest.mark.parametrize("how", ["head", "python"])
def test_a_file_too_big_that_fails_the_program_is_disk_exceeded(server, how, place):
    writers = {
        "head": f"mkdir -p /tmp/deep/er; head -c 100000 /dev/zero > {place} || exit 3",
        "python": f"mkdir -p /tmp/deep/er; python3 -c \"open('{place}', 'wb').write(b'x' * 100000)\"; exit $?",
    }
    step = server.run(shell(writers[how], limits={"file_bytes": 50_000}))["steps"][0]
    assert (step["outcome"], step["signal"]) == ("disk_exceeded", None)
    assert step["limit"] == {"name": "file_bytes", "value": 50_000, "used": 50_000, "enforced_by": "rlimit"}
    assert "file size limit" in step["explanation"]


@pytest.mark.parametrize("script", ["head -c 50001 /dev/zero > f; true", "head -c 49999 /dev/zero > f; exit 1", "exit 153"])
def test_a_file_size_is_only_reached_by_a_file_of_that_size_and_a_failure(server, script):
    assert server.run(shell(script, limits={"file_bytes": 50_000}))["outcome"] in ("ok", "failed")


def test_an_uploaded_file_of_the_largest_size_is_not_the_step_s(server):
    files = {"given.txt": "x" * 50_000}
    assert server.run(shell("sleep 0.1; exit 1", files=files, limits={"file_bytes": 50_000}))["outcome"] == "failed"


def test_open_files_are_bounded(server):
    source = "import os\nn = 0\ntry:\n    while True: os.dup(0); n += 1\nexcept OSError as e: print(e.errno, n)\n"
    number, count = text(server.run(python(source, limits={"open_files": 32}))).split()
    assert number == "24" and 20 <= int(count) <= 29


def test_the_stack_is_bounded(server):
    source = (
        "int f(int n) { volatile char b[4096]; b[0] = n; return n ? f(n - 1) + b[0] : 0; }\n"
        "int main(int c, char **v) { return f(2000) == 12345; }"
    )
    assert server.run(c_program(source, limits={"stack_bytes": 32 * MIB}))["outcome"] == "ok"
    step = server.run(c_program(source, limits={"stack_bytes": 1 * MIB}))["steps"][-1]
    assert (step["outcome"], step["signal"]) == ("signaled", 11)


@pytest.mark.parametrize(("resource", "limit", "value"), [("n", "open_files", 100), ("s", "stack_bytes", 4 * MIB)])
def test_a_program_cannot_raise_its_own_limit(server, resource, limit, value):
    result = server.run(shell(f"ulimit -H{resource} unlimited 2>/dev/null; ulimit -H{resource}", limits={limit: value}))
    assert text(result) == f"{value // 1024 if resource == 's' else value}\n"


# Processes

FORK_UNTIL_REFUSED = """
import os, sys, time
n = 0
try:
    while n < 500:
        if os.fork() == 0:
            time.sleep(30); os._exit(0)
        n += 1
except BlockingIOError:
    print('refused after', n, flush=True)
    sys.exit(CODE)
print('never refused', n)
"""


def test_a_refused_fork_that_fails_the_program_is_processes_exceeded(server, enforced):
    enforced("processes")
    result = server.run(python(FORK_UNTIL_REFUSED.replace("CODE", "4"), limits={"processes": 20}))
    step = ended(result, "processes_exceeded", "processes", 20)
    assert step["exit_code"] == 4 and step["stdout"].startswith("refused after ")
    assert step["limit"]["enforced_by"] in ("cgroup", "rlimit")


def test_a_refused_fork_that_the_program_survives_is_ok(server, enforced):
    enforced("processes")
    result = server.run(python(FORK_UNTIL_REFUSED.replace("CODE", "0"), limits={"processes": 20}))
    assert text(result).startswith("refused after ")
    assert 10 <= int(text(result).split()[-1]) <= 20
    assert result["steps"][0]["limit"] is None


def test_threads_count_as_processes(server, enforced):
    enforced("processes")
    source = """
import os, threading, time
n = 0
try:
    while n < 500:
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
        n += 1
except RuntimeError:
    pass
print(n, flush=True)
os._exit(0)
"""
    assert int(text(server.run(python(source, limits={"processes": 20})))) <= 20


def test_as_many_processes_as_allowed_can_run(server):
    result = server.run(shell("for i in {1..15}; do sleep 0.4 & done; wait; echo all", limits={"processes": 24}))
    assert text(result) == "all\n"


def test_a_fork_bomb_ends_and_harms_nobody(server, unharmed):
    result = server.run(shell("bomb() { bomb | bomb & }; bomb; sleep 60", limits={"wall_ms": 2000, "processes": 32}))
    assert result["outcome"] in (
        "wall_time_exceeded",
        "cpu_time_exceeded",
        "processes_exceeded",
        "output_exceeded",
    ), result


# Asking for limits


LIMITS = [
    "wall_ms",
    "cpu_ms",
    "memory_bytes",
    "processes",
    "output_bytes",
    "disk_bytes",
    "file_bytes",
    "open_files",
    "stack_bytes",
    "cpu_percent",
]


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_above_its_ceiling_is_refused(server, limit):
    error = server.refuse(shell("true", limits={limit: 10**15}), 422, f"limits.{limit}")
    assert error["code"] == "limit_too_high"


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("value", [2**63 - 1, 2**63, 10**30, -1, 0])
def test_a_limit_beyond_all_bounds_is_refused(server, limit, value):
    answer = server.post(shell("true", limits={limit: value}))
    assert answer.status in (400, 422), answer
    if value < 2**63:
        assert answer.error()["field"] == f"limits.{limit}"


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("value", ["1000", 1000.5, True, None, [1000], {"value": 1000}], ids=repr)
def test_a_limit_that_is_no_integer_is_refused(server, limit, value):
    assert server.refuse(shell("true", limits={limit: value}), 400)["field"] == f"limits.{limit}"


def test_a_step_s_limit_above_its_ceiling_is_refused_by_its_place(server):
    document = {
        "image": "host",
        "steps": [
            {"name": "a", "command": ["true"]},
            {"name": "b", "command": ["true"], "limits": {"memory_bytes": 10**15}},
        ],
    }
    assert server.refuse(document, 422)["field"] == "steps[1].limits.memory_bytes"


def test_an_unknown_limit_is_refused(server):
    assert server.refuse(shell("true", limits={"memory": 1000}), 400)["field"] == "limits.memory"


def test_a_limit_at_its_ceiling_is_taken(server):
    ceiling = server.get("/v1/node").json()["ceilings"]["wall_ms"]
    assert server.run(command("true", limits={"wall_ms": ceiling}))["outcome"] == "ok"
    server.refuse(command("true", limits={"wall_ms": ceiling + 1}), 422, "limits.wall_ms")


def test_no_process_of_an_ended_run_is_left(server):
    for script in (
        "setsid sleep 4242 & disown",
        "(trap '' TERM HUP; sleep 4242) &",
        "nohup sleep 4242 >/dev/null 2>&1 &",
    ):
        server.run(shell(script))
    assert host.processes_with("4242") == []
