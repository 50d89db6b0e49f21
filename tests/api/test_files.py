"""Files come into the sandbox as they were sent: by name, in archives, in multipart forms, as raw archives."""

import hashlib
import io
import json
import tarfile
from urllib.parse import quote

import pytest

from kilntest.requests import MIB, b64, binary, member, multipart, output, shell, tar, text, zipped

EVERY_BYTE = bytes(range(256)) * 5
RUN_MAIN = {"image": "host", "steps": [{"name": "run", "command": ["bash", "main.sh"]}]}
ARCHIVED = {"main.sh": b"cat sub/deep/data; stat -c %F sub\n", "sub/deep/data": b"from the archive\n"}
EXPECTED = "from the archive\ndirectory\n"
ARCHIVES = {
    "tar": ("application/x-tar", lambda: tar(ARCHIVED)),
    "tar_gz": ("application/gzip", lambda: tar(ARCHIVED, "gz")),
    "zip": ("application/zip", lambda: zipped(ARCHIVED)),
}


@pytest.fixture(params=sorted(ARCHIVES))
def archive(request):
    kind, make = ARCHIVES[request.param]
    return kind, make()


def test_a_string_is_a_file_of_utf_8(server):
    result = server.run(shell("cat text", files={"text": "grüße, 世界 🎈\n"}))
    assert text(result) == "grüße, 世界 🎈\n"


def test_a_base64_file_keeps_every_byte(server):
    assert output(server.run(shell("cat data", files={"data": binary(EVERY_BYTE)}))) == EVERY_BYTE


def test_an_explicit_utf_8_encoding_is_text(server):
    result = server.run(shell("cat t", files={"t": {"content": "aGVsbG8=", "encoding": "utf-8"}}))
    assert text(result) == "aGVsbG8="


def test_an_empty_file_is_there_and_empty(server):
    assert text(server.run(shell("stat -c '%s %F' e", files={"e": ""}))) == "0 regular empty file\n"


@pytest.mark.parametrize("mode", ["0644", "0755", "0600", "0400", "0777", "0000"])
def test_a_mode_is_the_file_s_mode(server, mode):
    result = server.run(shell("stat -c %04a f", files={"f": {"content": "x", "mode": mode}}))
    assert text(result).strip() == mode


def test_a_file_without_a_mode_is_0644(server):
    assert text(server.run(shell("stat -c %04a f", files={"f": "x"}))) == "0644\n"


def test_an_executable_file_can_be_run(server):
    files = {"tool": {"content": "#!/bin/bash\necho ran\n", "mode": "0755"}}
    assert text(server.run(shell("./tool", files=files))) == "ran\n"


def test_folders_are_made(server):
    assert text(server.run(shell("cat a/b/c/d", files={"a/b/c/d": "deep\n"}))) == "deep\n"


def test_files_and_folders_belong_to_the_program(server):
    script = "echo more >> a/b && mkdir a/new && rm a/b && id -u > a/uid && stat -c %u a | diff - a/uid && echo mine"
    assert text(server.run(shell(script, files={"a/b": "x"}))) == "mine\n"


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        "-rf",
        "quote'\"",
        "new\nline",
        "ünï",
        "*",
        "$(id)",
        "a;b",
        "back\\slash",
        ".hidden",
        "..a",
        "a..b",
        "x" * 255,
    ],
)
def test_an_odd_name_is_just_a_name(server, name):
    result = server.run(shell("find . -type f ! -name main.sh -exec cat {} +", files={name: "found\n"}))
    assert text(result) == "found\n"


def test_a_long_name_deep_in_folders_works(server):
    name = "/".join(["d" * 99] * 30) + "/f"
    assert text(server.run(shell("find . -name f -exec cat {} +", files={name: "deep\n"}))) == "deep\n"


def test_a_thousand_files_arrive(server):
    files = {f"d{i % 10}/f{i}": str(i) for i in range(1000)}
    assert text(server.run(shell("cat d*/f* | wc -c; ls d*/f* | wc -l", files=files))) == "2890\n1000\n"


def test_a_file_of_20_mib_arrives_whole(server):
    data = bytes(range(256)) * (20 * MIB // 256)
    result = server.run(shell("wc -c < big; sha256sum big | cut -c1-16", files={"big": binary(data)}))
    assert text(result) == f"{len(data)}\n{hashlib.sha256(data).hexdigest()[:16]}\n"


def test_an_archive_in_the_json_is_unpacked(server, archive):
    assert text(server.run({**RUN_MAIN, "archive": b64(archive[1])})) == EXPECTED


def test_an_archive_in_a_form_is_unpacked(server, archive):
    kind, data = archive
    body, content_type = multipart(
        [("run", "application/json", json.dumps(RUN_MAIN).encode()), ("archive", kind, data)]
    )
    answer = server.request("POST", "/v1/runs", body, {"Content-Type": content_type})
    assert answer.status == 200, answer
    assert text(answer.json()) == EXPECTED


def test_a_form_without_an_archive_is_a_run_too(server):
    body, content_type = multipart([("run", "application/json", json.dumps(shell("echo form")).encode())])
    answer = server.request("POST", "/v1/runs", body, {"Content-Type": content_type})
    assert text(answer.json()) == "form\n"


def test_a_form_with_a_quoted_boundary_and_a_file_name_is_read(server):
    boundary = "a b'()+_,-./:=?"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="run"; filename="run.json"\r\n\r\n'.encode()
        + json.dumps(shell("echo form")).encode()
        + f"\r\n--{boundary}--\r\n".encode()
    )
    answer = server.request("POST", "/v1/runs", body, {"Content-Type": f'multipart/form-data; boundary="{boundary}"'})
    assert answer.status == 200, answer
    assert text(answer.json()) == "form\n"


def test_a_raw_archive_with_the_run_in_the_query_is_run(server, archive):
    kind, data = archive
    answer = server.request("POST", "/v1/runs?run=" + quote(json.dumps(RUN_MAIN)), data, {"Content-Type": kind})
    assert answer.status == 200, answer
    assert text(answer.json()) == EXPECTED


def test_a_content_type_with_parameters_in_any_case_is_json(server):
    body = json.dumps(shell("echo json")).encode()
    answer = server.request("POST", "/v1/runs", body, {"content-type": "Application/JSON; charset=UTF-8"})
    assert answer.status == 200, answer


def test_files_win_over_the_archive(server):
    document = {**RUN_MAIN, "archive": b64(tar(ARCHIVED)), "files": {"sub/deep/data": "from files\n"}}
    assert text(server.run(document)) == "from files\ndirectory\n"


def test_modes_in_a_tar_are_kept(server):
    archive = tar(
        {
            "main.sh": b"stat -c %04a tool secret; ./tool\n",
            "tool": (member("tool", mode=0o755), b"#!/bin/bash\necho ran\n"),
            "secret": (member("secret", mode=0o600), b"x"),
        }
    )
    assert text(server.run({**RUN_MAIN, "archive": b64(archive)})) == "0755\n0600\nran\n"


def test_setuid_bits_in_a_tar_are_not_kept(server):
    archive = tar({"main.sh": b"stat -c %04a tool\n", "tool": (member("tool", mode=0o6755), b"x")})
    answer = server.post({**RUN_MAIN, "archive": b64(archive)})
    assert answer.status == 400 or text(answer.json()) == "0755\n", answer


def test_an_empty_folder_in_a_tar_is_made(server):
    archive = tar({"main.sh": b"stat -c %F empty\n", "empty": (member("empty", tarfile.DIRTYPE, mode=0o755), b"")})
    assert text(server.run({**RUN_MAIN, "archive": b64(archive)})) == "directory\n"


def test_names_that_start_with_dot_slash_in_a_tar_are_relative(server):
    archive = tar({"./main.sh": b"cat sub/x\n", "./sub/x": b"dot\n"})
    assert text(server.run({**RUN_MAIN, "archive": b64(archive)})) == "dot\n"


@pytest.mark.parametrize(
    "form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["ustar", "gnu", "pax"]
)
def test_a_tar_in_each_common_format_is_read(server, form):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in {"main.sh": b"cat d*/*\n", "d" * 90 + "/" + "f" * 90: b"long\n"}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert text(server.run({**RUN_MAIN, "archive": b64(out.getvalue())})) == "long\n"
