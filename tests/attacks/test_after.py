"""What one run leaves for the next: nothing, in whatever of the machine is used again."""

import pytest

from kilntest.requests import python

# Sockets that only each other hold, one of them with an abstract name: they outlive their process until the kernel's
# collection of garbage, and their network namespace with them.
LEFT_IN_FLIGHT = """
import array, socket
a, b = socket.socketpair()
named = socket.socket(socket.AF_UNIX)
named.bind("\\0left behind")
named.listen()
def put(into, what):
    into.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [what.fileno()]))])
put(a, b)
put(b, a)
put(a, named)
print("left")
"""

LOOK_FOR_IT = """
import os, socket
try:
    socket.socket(socket.AF_UNIX).connect("\\0left behind")
    print("reached")
except ConnectionRefusedError:
    print("refused")
own = socket.socket(socket.AF_UNIX)
own.bind("\\0left behind")
print(open("/proc/net/sockstat").readline().strip(), open("/proc/net/unix").read().count("left behind"))
"""


def stdout(server, code):
    result = server.run(python(code))
    assert result["outcome"] == "ok", result
    return result["steps"][0]["stdout"]


def test_sockets_left_in_flight_are_not_met_by_later_runs(server):
    for _ in range(5):
        assert stdout(server, LEFT_IN_FLIGHT) == "left\n"
        for _ in range(4):
            assert stdout(server, LOOK_FOR_IT) == "refused\nsockets: used 1 1\n"


@pytest.mark.parametrize("network", ["none", "loopback"])
def test_no_counter_of_the_network_tells_of_earlier_runs(server, network):
    send = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
try:
    for _ in range(100):
        s.sendto(b"x" * 1000, s.getsockname())
except OSError:
    pass
"""
    look = "print([line.split()[1:3] for line in open('/proc/net/dev') if line.strip().startswith('lo:')])"
    for _ in range(5):
        stdout(server, send) if network == "none" else server.run({**python(send), "network": network})
        assert stdout(server, look) == "[['0', '0']]\n"


# Sockets that lead nowhere leave something all the same: counters of failures, and flow labels that linger.
LEAVE_IN_TABLES = """
import socket, struct
for family, address in (socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"):
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
        for _ in range(20):
            with socket.socket(family, kind) as s:
                s.connect_ex((address, 80))
                s.connect_ex(("127.0.0.1" if family == socket.AF_INET else "::1", 80))
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
    label = socket.inet_pton(socket.AF_INET6, "::1") + struct.pack("!I", 0x12345) + struct.pack("BBHHHI", 0, 255, 1, 60, 60, 0)
    try:
        s.setsockopt(socket.IPPROTO_IPV6, 32, label)
    except OSError as error:
        print(error)
    for level, option, group in (0, 35, socket.inet_aton("224.0.0.251") + bytes(4)), (41, 20, socket.inet_pton(10, "ff02::fb") + bytes(4)):
        try:
            s.setsockopt(level, option, group)
        except OSError as error:
            print(error)
"""

# "sockstat" and some more count the whole machine's; the rest of /proc/net is this namespace's.
READ_TABLES = """
import os
of_the_machine = {"sockstat", "sockstat6", "protocols", "softnet_stat", "ptype", "netlink", "psched"}
for folder, folders, names in os.walk("/proc/self/net"):
    folders[:] = [name for name in folders if name not in ("stat", "rpc", "bonding")]
    for name in sorted(set(names) - of_the_machine):
        try:
            print(name, open(os.path.join(folder, name)).read())
        except OSError as error:
            print(name, error)
"""


def test_no_table_of_the_network_tells_of_earlier_runs(server):
    fresh = stdout(server, READ_TABLES)
    assert "OutNoRoutes" in fresh
    for _ in range(6):
        stdout(server, LEAVE_IN_TABLES)
        for _ in range(3):
            assert stdout(server, READ_TABLES) == fresh
