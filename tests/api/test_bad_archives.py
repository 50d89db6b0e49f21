"""Archives that would escape, explode, lie or end early: refused whole, at once, and nothing is executed."""

import gzip
import io
import json
import struct
import tarfile
import threading
import time
import zipfile
import zlib
from pathlib import Path
from urllib.parse import quote

import pytest

from kilntest import host
from kilntest.requests import b64, member, tar, zipped

NONCE = "evil-kiln-test"
RUN = {"image": "host", "steps": [{"name": "run", "command": ["bash", "main.sh"]}], "collect": "all"}
GOOD = {"main.sh": b"echo ran\n"}


def refused(server, archive, kind="application/x-tar", statuses=(400,)):
    """Refused in the JSON and raw, naming the archive."""
    raw = server.request("POST", "/v1/runs?run=" + quote(json.dumps(RUN)), archive, {"Content-Type": kind})
    assert raw.status in statuses, raw
    raw.error()
    if len(archive) < 4_000_000:
        answer = server.post({**RUN, "archive": b64(archive)})
        assert answer.status in statuses, answer
        assert answer.error()["field"].startswith("archive"), answer
    for place in ("/tmp", "/", "/etc", "/var/tmp"):
        assert not Path(place, NONCE).exists()


BAD_NAMES = [
    "../../../../tmp/" + NONCE,
    "/tmp/" + NONCE,
    "a/../../" + NONCE,
    "..",
    "a/..",
    "a//../b",
    "x" * 256,
    "d/" * 2500 + "f",
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: name[:20])
@pytest.mark.parametrize("compress", ["", "gz"])
def test_a_tar_with_a_bad_name_is_refused_whole(server, name, compress):
    refused(server, tar({**GOOD, name: b"x"}, compress), "application/gzip" if compress else "application/x-tar")


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: name[:20])
def test_a_zip_with_a_bad_name_is_refused_whole(server, name):
    refused(server, zipped({**GOOD, name: b"x"}), "application/zip")


def test_a_name_that_is_not_utf_8_is_refused(server):
    refused(server, raw_member(b"main.sh", b"echo ran\n") + raw_member(b"bad\xff\xfename", b"x") + bytes(1024))


def raw_member(name, data, kind=b"0", size=None, link=b""):
    """A tar member built byte by byte, so that it can lie."""
    size = b"%011o\0" % len(data) if size is None else size
    header = bytearray(512)
    for offset, value in (
        (0, name[:100]),
        (100, b"0000644\0"),
        (108, b"0000000\0"),
        (116, b"0000000\0"),
        (124, size),
        (136, b"00000000000\0"),
        (148, b"        "),
        (156, kind),
        (157, link[:100]),
        (257, b"ustar\0" + b"00"),
    ):
        header[offset : offset + len(value)] = value
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data + bytes(-len(data) % 512)


LINKS = {
    "symlink_then_file": [("x", b"2", b"/tmp"), ("x/" + NONCE, b"0", b"")],
    "symlink": [("x", b"2", b"main.sh")],
    "symlink_out": [("x", b"2", b"../../etc/passwd")],
    "hardlink_out": [("x", b"1", b"/etc/passwd")],
    "hardlink": [("x", b"1", b"main.sh")],
    "char_device": [("x", b"3", b"")],
    "block_device": [("x", b"4", b"")],
    "fifo": [("x", b"6", b"")],
}


@pytest.mark.parametrize("case", sorted(LINKS))
def test_links_and_devices_refuse_the_whole_archive(server, case):
    members = b"".join(raw_member(name.encode(), b"", kind, link=link) for name, kind, link in LINKS[case])
    refused(server, raw_member(b"main.sh", b"echo ran\n") + members + bytes(1024))


@pytest.mark.parametrize("kind", [b"7", b"Z", b"S", b"M", b"V", b"D"])
def test_odd_member_types_are_refused_or_harmless(server, kind):
    archive = raw_member(b"main.sh", b"echo ran\n") + raw_member(b"odd", b"data", kind) + bytes(1024)
    answer = server.post({**RUN, "archive": b64(archive)})
    assert answer.status in (200, 400), answer
    assert answer.status == 400 or answer.json()["steps"][0]["stdout"] == "ran\n"


def test_a_symlink_in_a_zip_is_refused(server):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("main.sh", "echo ran")
        info = zipfile.ZipInfo("x")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    refused(server, out.getvalue(), "application/zip")


@pytest.mark.parametrize(
    "size",
    [b"77777777777\0", b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7, b"\xff" * 12, b"-0000000001\0", b"zzzzzzzzzzz\0"],
    ids=["8_gib", "2_to_the_63", "negative", "minus", "no_number"],
)
def test_a_size_that_lies_is_refused_at_once(server, unharmed, size):
    begin = time.monotonic()
    archive = raw_member(b"main.sh", b"echo ran\n") + raw_member(b"big", b"0123456789", size=size) + bytes(1024)
    refused(server, archive, statuses=(400, 413, 422))
    assert time.monotonic() - begin < 4


def test_every_prefix_of_a_good_archive_is_refused(server, unharmed):
    good = tar({**GOOD, "data": bytes(range(256)) * 8, "more": b"x" * 999}, "gz")
    for cut in range(0, len(good) - 8, 37):
        answer = server.post({**RUN, "archive": b64(good[:cut])})
        assert answer.status == 400, (cut, answer)


def test_every_prefix_of_a_good_zip_is_refused(server):
    good = zipped({**GOOD, "data": bytes(range(256)) * 8})
    for cut in range(0, len(good) - 1, 37):
        assert server.post({**RUN, "archive": b64(good[:cut])}).status == 400, cut


def bomb(size):
    """A tar.gz of one file of `size` zero bytes."""
    header = raw_member(b"zeros", b"", size=b"%011o\0" % size)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(header)
    for _ in range(size >> 20):
        packed += packer.compress(bytes(1 << 20))
    return packed + packer.compress(bytes(1024)) + packer.flush()


def peak_memory(server, action):
    """The answer of `action` and how much more than before the front had in memory, sampled meanwhile."""
    front, before, done, highest = server.front_pid(), host.memory_bytes(server.front_pid()), threading.Event(), [0]

    def sample():
        while not done.wait(0.01):
            highest[0] = max(highest[0], host.memory_bytes(front) - before)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        return action(), highest[0]
    finally:
        done.set()
        thread.join()


def test_a_gzip_bomb_is_stopped_while_it_inflates(server, unharmed):
    archive = bomb(1 << 30)
    begin = time.monotonic()
    _, grown = peak_memory(server, lambda: refused(server, archive, "application/gzip", (400, 413, 422)))
    assert time.monotonic() - begin < 6
    assert grown < 300 << 20


def test_a_gzip_bomb_that_does_not_say_its_size_is_stopped(server, unharmed):
    archive = gzip.compress(bytes(1 << 20), 9) * 1000
    refused(server, archive, "application/gzip", (400, 413, 422))


def test_a_bomb_in_a_bomb_is_stopped(server, unharmed):
    refused(server, gzip.compress(bomb(1 << 30)), "application/gzip", (400, 413, 422))


def test_a_zip_bomb_of_overlapping_members_is_stopped(server, unharmed):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 0, 0, len(data), 1 << 28, 1, 0) + b"a" + data
    central = b"".join(
        struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 8, 0, 0, 0, len(data), 1 << 28, 2, 0, 0, 0, 0, 0, 0)
        + b"%02d" % i
        for i in range(90)
    )
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 90, 90, len(central), len(local), 0)
    begin = time.monotonic()
    refused(server, local + central + end, "application/zip", (400, 413, 422))
    assert time.monotonic() - begin < 6


def test_too_many_members_are_refused(server, unharmed):
    archive = tar({f"f{i}": b"" for i in range(150_000)}, "gz")
    refused(server, archive, "application/gzip", (400, 413, 422))


@pytest.mark.parametrize("members", [[("a", b"x"), ("a/b", b"y")], [("a/b", b"y"), ("a", b"x")]])
def test_a_member_that_is_file_and_folder_is_refused(server, members):
    refused(server, b"".join(raw_member(name.encode(), data) for name, data in members) + bytes(1024))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"no archive",
        b"\x1f\x8b",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"7z\xbc\xaf\x27\x1c",
        b"Rar!\x1a\x07\x00",
        b"BZh9",
        b"\xfd7zXZ\0",
        b"!<arch>\n",
        b"\x28\xb5\x2f\xfd",
        b"070701" + b"0" * 104,
        b"#mtree\n./x type=file\n",
        b"\x89PNG\r\n\x1a\n",
        bytes(range(256)) * 40,
    ],
    ids=lambda data: repr(data[:8]),
)
def test_what_is_no_archive_of_the_three_kinds_is_refused(server, data):
    refused(server, data)


def test_an_encrypted_zip_is_refused(server):
    data = bytearray(zipped({"main.sh": b"echo ran\n"}))
    data[6] |= 1
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    refused(server, bytes(data), "application/zip")


def test_a_zip_with_a_wrong_checksum_is_refused(server):
    data = bytearray(zipped({"main.sh": b"echo ran, though it should not\n" * 9}))
    central = data.index(b"PK\x01\x02")
    data[14] ^= 1
    data[central + 16] ^= 1
    refused(server, bytes(data), "application/zip")


def test_a_tar_with_a_wrong_checksum_is_refused(server):
    data = bytearray(tar(GOOD))
    data[0] ^= 1
    refused(server, bytes(data))


def test_pax_records_that_rename_a_member_are_obeyed_or_refused_never_followed_out(server):
    info = member("harmless")
    info.pax_headers = {"path": "../../tmp/" + NONCE}
    refused(server, tar({**GOOD, "harmless": (info, b"x")}))


def test_a_pax_link_out_is_refused(server):
    refused(server, tar({**GOOD, "x": (member("x", tarfile.SYMTYPE, "../" * 40 + "etc/passwd"), b"")}))
