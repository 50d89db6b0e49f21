"""Which files come back, and how."""

import pytest

from kilntest.requests import MIB, binary, file_bytes, shell
from kilntest.settings import CANARY_FILE

BEFORE = {"same": "same", "change": "old", "gone": "bye", "sub/gone": "bye", "touched": "touched", "mode": "mode"}
SCRIPT = """
echo created > new; mkdir -p d/e; echo deep > d/e/deep; echo new > change; rm gone sub/gone; touch touched
printf '\\x00\\xff\\xfe' > blob; echo tool > tool; chmod 755 tool; cat same > /dev/null
echo outside > /tmp/outside; echo home > ~/home
"""


@pytest.fixture(scope="module")
def everything(server):
    return server.run(shell(SCRIPT, files=BEFORE, collect="all"))["files"]


def collect(server, script, what="all", **more):
    return server.run(shell(script, collect=what, **more))["files"]


def test_without_collect_no_file_comes_back(server):
    assert not server.run(shell("echo x > new")).get("files")


def test_collect_none_brings_no_file_back(server):
    assert not server.run(shell("echo x > new", collect="none")).get("files")


def test_created_files_come_back(everything):
    assert set(everything["created"]) == {"new", "d/e/deep", "blob", "tool"}
    assert everything["created"]["new"] == {
        "content": "created\n",
        "encoding": "utf-8",
        "mode": "0644",
        "truncated": False,
    }


def test_changed_files_come_back_with_their_new_content(everything):
    assert set(everything["changed"]) == {"change"}
    assert everything["changed"]["change"]["content"] == "new\n"


def test_deleted_files_are_named(everything):
    assert sorted(everything["deleted"]) == ["gone", "sub/gone"]


def test_binary_files_come_back_as_base64_unaltered(everything):
    assert everything["created"]["blob"]["encoding"] == "base64"
    assert file_bytes(everything["created"]["blob"]) == b"\x00\xff\xfe"


def test_modes_come_back(everything):
    assert everything["created"]["tool"]["mode"] == "0755"


def test_nothing_was_omitted(everything):
    assert everything["omitted"] == []


def test_a_rewrite_with_the_same_content_is_no_change(server):
    files = collect(server, "echo -n same > f; mv f g; cp g f; rm g", files={"f": "same"})
    assert (files["created"], files["changed"], files["deleted"]) == ({}, {}, [])


def test_a_change_of_the_same_size_within_the_same_time_is_seen(server):
    files = collect(server, "touch -r f stamp; printf b > f; touch -r stamp f; rm stamp", files={"f": "a"})
    assert files["changed"]["f"]["content"] == "b"


def test_collect_text_leaves_out_binary_files_and_says_so(server):
    files = collect(server, SCRIPT, "text", files=BEFORE)
    assert set(files["created"]) == {"new", "d/e/deep", "tool"}
    assert [omitted["name"] for omitted in files["omitted"]] == ["blob"]
    assert files["omitted"][0]["reason"]


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (["*.txt"], {"a.txt", "b.txt"}),
        (["a.*"], {"a.txt", "a.log"}),
        (["d/*.txt"], {"d/c.txt"}),
        (["**/*.txt"], {"a.txt", "b.txt", "d/c.txt", "d/e/f.txt"}),
        (["a.txt", "d/**"], {"a.txt", "d/c.txt", "d/e/f.txt"}),
        (["?.log"], {"a.log"}),
        (["[ab].txt"], {"a.txt", "b.txt"}),
        (["nothing"], set()),
        (["d"], {"d/c.txt", "d/e/f.txt"}),
        (["./d/e/", "./a.log"], {"d/e/f.txt", "a.log"}),
    ],
)
def test_globs_choose(server, globs, expected):
    files = collect(server, "mkdir -p d/e; for f in a.txt b.txt a.log d/c.txt d/e/f.txt; do echo x > $f; done", globs)
    assert set(files["created"]) == expected


def test_links_and_special_files_are_not_followed(server):
    script = f"""
    ln -s {CANARY_FILE} canary; ln -s /etc/passwd passwd; ln -s / root; ln -s /proc/1/environ env; ln -s target dangling
    mkfifo fifo; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'; echo x > file; ln -s file link
    """
    files = collect(server, script)
    assert set(files["created"]) == {"file"}
    named = {omitted["name"] for omitted in files["omitted"]}
    assert {"canary", "passwd", "root", "env", "dangling", "fifo", "sock", "link"} == named


def test_a_file_replaced_by_a_link_does_not_come_back_as_its_target(server):
    files = collect(server, "rm f; ln -s /etc/passwd f", files={"f": "x"})
    assert "f" not in files["created"] and "f" not in files["changed"]


def test_a_file_replaced_by_a_folder_is_gone(server):
    files = collect(server, "rm f; mkdir f; echo y > f/g", files={"f": "x"})
    assert (set(files["created"]), files["deleted"]) == ({"f/g"}, ["f"])


def test_a_hard_link_is_a_file_of_its_own(server):
    files = collect(server, "ln f g", files={"f": "x"})
    assert files["created"]["g"]["content"] == "x"


def test_unreadable_files_and_folders_come_back_or_are_named(server):
    files = collect(server, "echo s > secret; chmod 0 secret; mkdir d; echo e > d/e; chmod 0 d; echo x > open")
    named = set(files["created"]) | {omitted["name"] for omitted in files["omitted"]}
    assert files["created"]["open"]["content"] == "x\n"
    assert "secret" in named and named & {"d", "d/e"}
    assert files["created"].get("secret", {"content": "s\n"})["content"] == "s\n"


def test_a_huge_file_is_cut_and_says_so(server):
    files = collect(
        server, "head -c 60000000 /dev/zero | tr '\\0' x > huge; echo small > small", limits={"disk_bytes": 128 * MIB}
    )
    assert files["created"]["small"]["truncated"] is False
    if "huge" in files["created"]:
        huge = files["created"]["huge"]
        assert huge["truncated"] is True
        assert 0 < len(file_bytes(huge)) < 60000000 and set(file_bytes(huge)) == {ord("x")}
    else:
        assert [omitted["name"] for omitted in files["omitted"]] == ["huge"]


def test_a_sparse_file_of_a_terabyte_costs_nothing(server):
    files = collect(server, "truncate -s 60M sparse; echo x > after")
    assert files["created"]["after"]["content"] == "x\n"


def test_a_cut_inside_a_character_is_still_text(server):
    script = "python3 -c \"open('huge', 'w').write('a' + 'ü' * 20_000_000)\""
    files = collect(server, script, limits={"disk_bytes": 128 * MIB})
    if "huge" in files["created"]:
        assert files["created"]["huge"]["encoding"] == "utf-8"
        assert set(files["created"]["huge"]["content"]) <= set("aü")


def test_of_thousands_of_files_none_is_lost_without_a_word(server):
    files = collect(server, "for i in {1..4000}; do echo $i > f$i; done", limits={"wall_ms": 20000, "cpu_ms": 20000})
    given, omitted = set(files["created"]), {omitted["name"] for omitted in files["omitted"]}
    assert not given & omitted and len(given) >= 100
    assert all(files["created"][name]["content"] == name[1:] + "\n" for name in given)
    unnamed = 4000 - len(given | omitted)
    assert unnamed <= 0 or any(str(unnamed) in omitted["reason"] for omitted in files["omitted"]), unnamed


MANY = {"limits": {"wall_ms": 20000, "cpu_ms": 20000}, "files": {"change": "old", "sub/z": "old", "same": "same", "gone": "bye"}}


@pytest.mark.parametrize("made", ["for i in {1..2500}; do echo $i > a$i; done", "for i in {1..18}; do head -c 1M /dev/zero | tr '\\0' x > a$i; done"])
def test_what_changed_and_went_is_told_whatever_is_made_besides(server, made):
    files = collect(server, f"{made}; echo new > change; echo new > sub/z; rm gone", **MANY)
    assert {name: file["content"] for name, file in files["changed"].items()} == {"change": "new\n", "sub/z": "new\n"}
    assert files["deleted"] == ["gone"] and files["omitted"]


def test_more_files_than_are_told_of_new_ones_may_change(server):
    before = {f"f{i}": "old" for i in range(1500)}
    files = collect(server, "for f in f*; do echo new > $f; done; echo x > new", **{**MANY, "files": before})
    assert len(files["changed"]) == 1500 and set(files["created"]) == {"new"} and files["omitted"] == []


def test_what_is_no_file_any_more_has_not_changed(server):
    files = collect(server, "rm -r a b; ln -s /etc a; mkfifo b; echo x > c", files={"a/passwd": "x", "b": "x", "c": "y"})
    assert (set(files["changed"]), files["deleted"]) == ({"c"}, ["a/passwd", "b"])


def test_a_deep_tree_does_not_hang_the_collection(server):
    script = "echo x > top; for i in {1..2000}; do mkdir d; cd d; done; echo x > bottom"
    assert collect(server, script)["created"]["top"]["content"] == "x\n"


def test_names_that_are_not_utf_8_are_named_and_do_not_break_the_answer(server):
    files = collect(server, "printf x > $'bad\\xff\\xfename'; echo y > good")
    assert files["created"]["good"]["content"] == "y\n"
    assert len(files["created"]) + len(files["omitted"]) == 2


@pytest.mark.parametrize(
    ("script", "outcome", "limits"),
    [
        ("echo x > f; exit 3", "failed", {}),
        ("echo x > f; kill -SEGV $$", "signaled", {}),
        ("echo x > f; sleep 30", "wall_time_exceeded", {"wall_ms": 500}),
        ("echo x > f; yes", "output_exceeded", {"output_bytes": 1000}),
    ],
)
def test_files_come_back_whatever_ended_the_run(server, script, outcome, limits):
    result = server.run(shell(script, collect="all", limits=limits))
    assert result["outcome"] == outcome
    assert result["files"]["created"]["f"]["content"] == "x\n"


def test_a_full_disk_does_not_stop_the_collection(server):
    result = server.run(
        shell("echo x > f; head -c 8M /dev/zero > /tmp/fill", collect="all", limits={"disk_bytes": MIB})
    )
    assert result["files"]["created"]["f"]["content"] == "x\n"


def test_uploaded_binary_files_that_changed_come_back_as_base64(server):
    files = collect(server, "printf '\\xff' >> b", files={"b": binary(b"\x00\x01")})
    assert file_bytes(files["changed"]["b"]) == b"\x00\x01\xff"
