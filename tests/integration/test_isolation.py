"""What a hostile program tries against its limits, and what the keeper's processes owe to signals."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from kilntest import host
from kilntest.settings import SLOW
from kilntest.requests import c_program, output, shell, text

MEMORY = {"memory_bytes": 64 << 20, "wall_ms": 10000}
ALLOCATE = """
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *take(size_t mib, int flags)
{
	char *p = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	memset(p, 1, mib << 20);
	return p;
}
"""


def assert_stopped_for_memory(server, body):
    result = server.run(c_program(ALLOCATE + body, limits=MEMORY))
    assert result["outcome"] == "memory_exceeded", result
    assert b"beyond" not in output(result)


def test_anonymous_shared_memory_is_memory(server):
    assert_stopped_for_memory(server, 'int main(void) { take(400, MAP_SHARED); sleep(2); puts("beyond"); }')


def test_memory_of_a_process_whose_first_thread_ended_is_memory(server):
    assert_stopped_for_memory(
        server,
        """
        static void *work(void *none) { take(400, MAP_PRIVATE); sleep(2); puts("beyond"); exit(0); }
        int main(void) { pthread_t t; pthread_create(&t, NULL, work, NULL); syscall(SYS_exit, 0); }
        """,
    )


def test_files_that_have_no_name_are_memory(server):
    result = server.run(
        c_program(
            ALLOCATE
            + """
            int main(void)
            {
                static char chunk[1 << 20];
                int fd = memfd_create("x", 0);

                for (int i = 0; i < 200; i++)
                    if (write(fd, chunk, sizeof(chunk)) != sizeof(chunk)) { puts("refused"); return 1; }
                puts("beyond");
            }
            """,
            limits=MEMORY,
        )
    )
    assert result["outcome"] in ("memory_exceeded", "failed"), result
    assert b"beyond" not in output(result)


def test_memory_that_many_processes_share_counts_once(server):
    result = server.run(
        c_program(
            ALLOCATE
            + """
            int main(void)
            {
                volatile char *p = take(40, MAP_SHARED);

                for (int i = 0; i < 6; i++)
                    if (fork() == 0) { for (long j = 0; j < 40L << 20; j += 4096) p[j]++; sleep(1); _exit(0); }
                while (wait(NULL) > 0)
                    ;
                puts("fine");
            }
            """,
            limits=MEMORY,
        )
    )
    assert (result["outcome"], text(result)) == ("ok", "fine\n"), result


def test_pairs_of_sockets_are_of_one_family(server):
    result = server.run(
        c_program(
            ALLOCATE
            + """
            #include <errno.h>
            int main(void)
            {
                int ends[2];

                for (int family = 2; family < 46; family++)
                    for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++)
                        if (socketpair(family, type, 0, ends) == 0 || errno != ENOSYS)
                            printf("%d: %d\\n", family, errno);
                return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0;
            }
            """
        )
    )
    assert (result["outcome"], text(result)) == ("ok", ""), result


def is_keeper(server):
    return host.status_of(server.pid).get("Name") == "kiln-keeper"


def test_a_signal_to_a_server_that_has_just_started_ends_it(mortal):
    for _ in range(4):
        server = mortal()
        server.spawn()
        # Not before it is the keeper: whatever started it does not know what to do with a signal.
        host.wait_until(lambda: is_keeper(server) and host.descendants(server.pid), 20, "the front was never started")
        server.process.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0


def test_a_front_that_stood_still_tells_how_the_program_ended_and_not_that_it_was_late(mortal):
    server = mortal().start()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            server.run, shell("exec -a kiln-late sleep 0.6", limits={"wall_ms": int(1000 * SLOW)})
        )
        host.wait_until(lambda: host.processes_with("kiln-late"), 10, "the run never started")
        front = server.front_pid()
        os.kill(front, signal.SIGSTOP)
        try:
            time.sleep(SLOW + 2.5)  # beyond the wall limit and the keeper's grace
        finally:
            os.kill(front, signal.SIGCONT)
        assert running.result(20)["outcome"] == "ok"


def status_of(pid):
    lines = open(f"/proc/{pid}/status").read().splitlines()
    return {name: value.split() for name, value in (line.split(":", 1) for line in lines)}


def test_the_front_has_no_capability_and_no_uid_of_anybody_else(server):
    front = status_of(server.front_pid())
    assert all(int(front[name][0], 16) == 0 for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"))
    assert (front["NoNewPrivs"], front["Seccomp"]) == (["1"], ["2"])
    if os.geteuid() == 0 and status_of(server.pid)["Uid"][0] == "0":
        assert int(front["CapBnd"][0], 16) == 0
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        others = [pid for pid in pids if front["Uid"][0] in field_of(pid, "Uid") and pid != server.front_pid()]
        names = [field_of(pid, "Name") for pid in others]
        assert [name for name in names if name not in (["kiln"], [])] == []  # the fronts of other servers


def field_of(pid, name):
    try:
        return status_of(pid)[name]
    except OSError:
        return []


def uids_of(pid):
    return field_of(pid, "Uid")


def test_the_keeper_has_given_up_what_it_does_not_need(server):
    keeper = status_of(server.pid)
    if keeper["Uid"][0] != "0":
        assert int(keeper["CapEff"][0], 16) == 0
        return
    given_up = {"DAC_READ_SEARCH": 2, "NET_RAW": 13, "SYS_MODULE": 16, "SYS_RAWIO": 17, "SYS_BOOT": 22, "SYS_TIME": 25,
                "SYSLOG": 34, "BPF": 39}  # fmt: skip
    for name in ("CapEff", "CapBnd"):
        mask = int(keeper[name][0], 16)
        assert [cap for cap, bit in given_up.items() if mask >> bit & 1] == []
    assert (keeper["NoNewPrivs"], keeper["Seccomp"]) == (["1"], ["2"])


def test_two_servers_never_give_their_sandboxes_the_same_uid(server, mortal):
    second = mortal()
    second.start()

    def uids_during_a_run(of):
        with ThreadPoolExecutor(1) as pool:
            run = pool.submit(of.run, shell("sleep 1"))
            inits = []

            def found():
                # Root still, while it is being set up.
                inits[:] = [pid for pid in host.sandboxed_below(of.pid) if uids_of(pid)[:1] not in ([], ["0"])]
                return inits

            host.wait_until(found, 10, "no sandbox appeared")
            uids = {uid for pid in inits for uid in uids_of(pid)[:1]}
            run.result()
        return uids

    if os.geteuid() != 0 or status_of(server.pid)["Uid"][0] != "0":
        return  # rootless both have the uids of one user
    assert not uids_during_a_run(server) & uids_during_a_run(second)
