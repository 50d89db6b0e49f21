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
