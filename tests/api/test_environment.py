"""What a program finds around itself, and what it does not."""

import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from kilntest.requests import c_program, command, output, python, shell, text
from kilntest.settings import CANARY, CANARY_FILE

# All that kiln may put there by itself.
OWN_VARIABLES = {"PATH", "HOME", "LANG", "LC_ALL", "USER", "LOGNAME", "TMPDIR", "TERM", "SHELL", "PWD", "TZ"}


def variables(server, **more):
    return dict(line.split("=", 1) for line in text(server.run(command("/usr/bin/env", **more))).splitlines())


def test_the_environment_is_kiln_s_own_and_small(server):
    found = variables(server)
    assert set(found) <= OWN_VARIABLES
    assert {"PATH", "HOME", "LANG"} <= set(found)
    assert found["LANG"] == "C.UTF-8"


def test_the_environment_is_the_same_every_time(server):
    assert variables(server) == variables(server)


def test_the_server_s_secrets_are_nowhere(server):
    script = f"""
    cat /proc/*/environ /proc/*/cmdline {CANARY_FILE} 2>/dev/null; env; set
    grep -r HOSTCANARY /etc /tmp /run /var /home /root 2>/dev/null | head
    echo end
    """
    result = server.run(shell(script, collect="all"))
    assert CANARY not in output(result).decode("utf-8", "replace")
    assert output(result).endswith(b"end\n")


def test_the_work_folder_is_sandbox(server):
    assert text(server.run(shell("pwd; pwd -P; readlink /proc/self/cwd"))) == "/sandbox\n" * 3


def test_home_is_a_folder_of_its_own_that_can_be_written(server):
    assert text(server.run(shell("cd && touch x && ls -A"))) == "x\n"


def test_the_program_is_not_root_and_has_no_groups_of_root(server):
    uid, gid, groups = text(server.run(shell("id -u; id -g; id -G"))).splitlines()
    assert uid != "0" and gid != "0" and "0" not in groups.split()


def test_the_user_and_his_group_have_a_name(server):
    lines = text(server.run(shell("id -un; id -gn; touch f; stat -c '%U %G' f; echo ~sandbox"))).splitlines()
    assert lines == ["sandbox", "sandbox", "sandbox sandbox", "/home/sandbox"]
    assert text(server.run(command("python3", "-c", "import getpass, os; os.environ.clear(); print(getpass.getuser())"))) == "sandbox\n"


def test_all_ids_are_the_same(server):
    lines = dict(
        line.split(":\t") for line in text(server.run(shell("grep -E '^(Uid|Gid)' /proc/self/status"))).splitlines()
    )
    assert len(set(lines["Uid"].split())) == 1 and len(set(lines["Gid"].split())) == 1


@pytest.mark.parametrize("which", ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
def test_the_program_has_no_capability(server, which):
    line = text(server.run(shell(f"grep {which} /proc/self/status")))
    assert int(line.split()[1], 16) == 0


@pytest.mark.parametrize(("which", "value"), [("NoNewPrivs", "1"), ("Seccomp", "2")])
def test_the_program_is_locked_in(server, which, value):
    assert text(server.run(shell(f"grep '^{which}:' /proc/self/status"))).split()[1] == value


def test_only_loopback_exists_and_it_is_down(server):
    lines = text(server.run(shell("cat /proc/net/dev | tail -n +3 | cut -d: -f1"))).split()
    assert set(lines) <= {"lo"}


CONNECT = """
import socket, sys
for host, port in eval(sys.stdin.read()):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        s = socket.socket(family); s.settimeout(1); s.connect((host, port)); print("CONNECTED", host, port)
    except OSError as e:
        print("refused", host, port)
"""


@pytest.mark.parametrize("network", ["none", "loopback"])
def test_nothing_outside_can_be_reached(server, network):
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        port = listener.getsockname()[1]
        addresses = [
            ("127.0.0.1", port),
            ("127.0.0.1", server.port),
            ("10.0.0.1", 80),
            ("8.8.8.8", 53),
            ("::1", port),
            ("169.254.169.254", 80),
        ]
        result = server.run(python(CONNECT, stdin=repr(addresses), network=network))
    assert "CONNECTED" not in text(result)
    assert text(result).count("refused") == len(addresses)


BIND = """
import socket
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname(), 2)
peer, _ = server.accept()
peer.sendall(b"hello"); print(client.recv(9).decode())
"""


def test_loopback_works_when_asked_for(server):
    assert text(server.run(python(BIND, network="loopback"))) == "hello\n"


def test_loopback_does_not_work_unasked(server):
    assert server.run(python(BIND))["outcome"] == "failed"
    assert server.run(python(BIND, network="none"))["outcome"] == "failed"


def test_two_loopbacks_do_not_meet(server):
    source = "import socket, time\ns = socket.create_server(('127.0.0.1', 47123))\ntime.sleep(0.5)\nprint('bound')\n"
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(server.run, [python(source, network="loopback")] * 2))
    assert [text(result) for result in results] == ["bound\n"] * 2


def test_unix_sockets_work_inside(server):
    source = "import socket\na, b = socket.socketpair()\na.send(b'x')\nprint(b.recv(1))\n"
    assert text(server.run(python(source))) == "b'x'\n"


def test_proc_shows_only_the_run_s_own_processes(server):
    pids = text(server.run(shell("echo /proc/[0-9]*"))).split()
    assert 1 <= len(pids) <= 3


def test_other_runs_are_not_seen_and_cannot_be_signalled(server):
    script = """
    sleep 0.5; cat /proc/*/cmdline | tr '\\0' ' '; trap '' TERM; kill -TERM -1
    for p in {2..500}; do [ $p = $$ ] || kill -9 $p; done 2>/dev/null; true
    """
    with ThreadPoolExecutor(1) as pool:
        victim = pool.submit(server.run, shell("sleep 1.5; echo unharmed"))
        spy = server.run(shell(script))
        assert text(victim.result()) == "unharmed\n"
    assert b"sleep 1.5" not in output(spy)


def test_the_init_cannot_be_looked_into(server):
    script = """
    cat /proc/1/environ /proc/1/maps /proc/1/mem; ls /proc/1/fd /proc/1/root; readlink /proc/1/exe
    kill -9 1; echo still here
    """
    assert output(server.run(shell(script))) == b"still here\n"


def test_etc_is_minimal(server):
    names = set(text(server.run(shell("cd /etc; ls -A"))).split())
    assert "shadow" not in names and "ssh" not in names and "sudoers" not in names and "machine-id" not in names
    assert len(names) < 40


def test_passwd_names_no_account_of_the_host_s(server):
    lines = text(server.run(shell("cat /etc/passwd 2>/dev/null; true"))).splitlines()
    assert len(lines) <= 4
    with open("/etc/passwd") as passwd:
        hosts = {line.split(":")[0] for line in passwd}
    assert {line.split(":")[0] for line in lines} & hosts <= {"root", "nobody"}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/usr",
        "/usr/bin",
        "/usr/local",
        "/etc",
        "/lib",
        "/dev",
        "/proc",
        "/sys",
        "/var",
        "/run",
        "/root",
        "/home",
        "/opt",
        "/bin/kiln",
    ],
)
def test_the_rest_cannot_be_written(server, path):
    script = f"touch {path}/x 2>/dev/null && echo WROTE; mkdir {path}/d 2>/dev/null && echo MADE; echo end"
    assert text(server.run(shell(script))) == "end\n"


def test_programs_of_the_host_cannot_be_changed(server):
    script = """
    echo x >> /usr/bin/env; chmod 777 /usr/bin/env; rm /usr/bin/env; mv /usr/bin/env /tmp
    test -x /usr/bin/env && echo there
    """
    assert output(server.run(shell(script))) == b"there\n"


@pytest.mark.parametrize(
    "path", ["/root", "/home", "/work", "/srv", "/mnt", "/media", "/boot", "/var/lib", "/var/log", "/run", "/sys"]
)
def test_folders_of_the_host_are_absent_or_empty(server, path):
    ours = path == "/home"
    result = server.run(shell(f'find {path} -mindepth 1 ! -path "$HOME" ! -path "$HOME/*" 2>/dev/null | head -5; true'))
    assert ours and len(text(result).splitlines()) <= 1 or text(result) == "" or not os.path.exists(path)


@pytest.mark.parametrize("place", ["/sandbox", "/tmp", "/var/tmp", "/dev/shm", "$HOME"])
def test_these_places_can_be_written(server, place):
    if place == "/var/tmp" and "no" in text(server.run(shell("test -e /var/tmp || echo no"))):
        pytest.skip("/var/tmp is not there, which is fine too")
    assert text(server.run(shell(f"echo x > {place}/f && cat {place}/f"))) == "x\n"


def test_programs_can_be_run_from_the_work_folder_and_tmp(server):
    script = "for d in /sandbox /tmp; do cp /usr/bin/true $d/t; $d/t && echo ran; done"
    assert text(server.run(shell(script))) == "ran\nran\n"


def test_dev_holds_only_harmless_nodes(server):
    names = set(text(server.run(shell("cd /dev; ls -A"))).split())
    assert names <= {
        "null",
        "zero",
        "full",
        "random",
        "urandom",
        "fd",
        "stdin",
        "stdout",
        "stderr",
        "shm",
        "pts",
        "ptmx",
    }
    assert {"null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr", "shm"} <= names


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo x > /dev/null; wc -c < /dev/null", "0\n"),
        ("head -c 5 /dev/zero | tr '\\0' z", "zzzzz"),
        ("echo x 2>/dev/null > /dev/full || echo full", "full\n"),
        ("head -c 4 /dev/urandom | wc -c", "4\n"),
        ("head -c 4 /dev/random | wc -c", "4\n"),
        ("cat /dev/stdin < /dev/null; echo ok", "ok\n"),
        ("cat <(echo substituted)", "substituted\n"),
    ],
)
def test_device_nodes_do_what_they_should(server, script, expected):
    assert text(server.run(shell(script))) == expected


def test_no_device_can_be_made(server):
    assert (
        text(server.run(shell("mknod n c 1 3 2>/dev/null && cat n; mknod b b 254 0 2>/dev/null && cat b; echo end")))
        == "end\n"
    )


def test_the_host_s_name_is_not_seen(server):
    name = text(server.run(shell("uname -n; cat /proc/sys/kernel/hostname"))).split()
    assert len(set(name)) == 1 and name[0] != socket.gethostname()


def test_only_the_three_streams_are_open(server):
    source = """
#include <fcntl.h>
#include <stdio.h>
int main(void) { for (int i = 0; i < 1000; i++) if (fcntl(i, F_GETFD) >= 0) printf("%d ", i); }
"""
    assert text(server.run(c_program(source))) == "0 1 2 "


def test_the_streams_are_pipes(server):
    assert set(text(server.run(shell("for i in 0 1 2; do stat -L -c %F /proc/self/fd/$i; done"))).splitlines()) <= {
        "fifo",
        "character special file",
    }


def test_there_is_no_terminal(server):
    assert text(server.run(shell("(: < /dev/tty) 2>/dev/null && echo TTY; test -t 1 && echo TTY; echo end"))) == "end\n"


def test_the_umask_is_022(server):
    assert text(server.run(shell("umask"))) == "0022\n"


def test_no_signal_is_blocked_or_ignored(server):
    lines = dict(
        line.split(":\t") for line in text(server.run(command("grep", "^Sig[BI]", "/proc/self/status"))).splitlines()
    )
    assert int(lines["SigBlk"], 16) == 0 and int(lines["SigIgn"], 16) == 0


def test_no_core_is_dumped(server):
    result = server.run(shell("bash -c 'kill -ABRT $$'; ls -A | grep -c core; true", collect="all"))
    assert text(result).splitlines()[-1] == "0"


def test_nothing_of_one_run_is_left_for_the_next(server):
    places = "/sandbox /tmp /dev/shm $HOME /var/tmp"
    server.run(
        shell(f"for d in {places}; do echo RESIDUE > $d/residue; mkdir $d/.hidden; done; ipcmk -M 4096 -Q; true")
    )
    look = f"""
    for d in {places}; do find $d -mindepth 1 ! -name main.sh 2>/dev/null; done
    cat /proc/sysvipc/shm /proc/sysvipc/msg | grep -v key
    """
    assert output(server.run(shell(look))) == b""


@pytest.mark.parametrize(
    "source",
    [
        "import ctypes; print(ctypes.CDLL(None).unshare(0x10000000))",
        "import ctypes; print(ctypes.CDLL(None).unshare(0x00020000))",
        "import ctypes; print(ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None))",
        "import ctypes; print(ctypes.CDLL(None).sethostname(b'x', 1))",
        "import ctypes; print(ctypes.CDLL(None).chroot(b'/tmp'))",
        "import ctypes; print(ctypes.CDLL(None).setuid(0))",
    ],
    ids=["user_namespace", "mount_namespace", "mount", "sethostname", "chroot", "setuid"],
)
def test_privileged_calls_are_refused(server, source):
    result = server.run(python(source))
    assert output(result) in (b"-1\n", b"") and (output(result) or result["outcome"] == "signaled")
