"""The dialect of cyber-dojo's stateful runner: katas and avatars on sessions."""

import itertools
import json

import pytest

from kilntest import http
from kilntest.server import free_port
from kilntest.settings import NO_USER_IDS, has_user_ids

pytestmark = pytest.mark.skipif(not has_user_ids(), reason=NO_USER_IDS)

COUNTER = itertools.count(10)
PATH = "/dialects/cyber-dojo-stateful/"


class Kata:
    """One with an id of its own, and its calls with the arguments that they all have."""

    def __init__(self, server):
        self.server = server
        self.id = f"abcdEFGH{next(COUNTER)}"

    def call(self, method, **more):
        document = {"image_name": "host", "kata_id": self.id, **more}
        answer = self.server.request("POST", PATH + method, json.dumps(document).encode())
        assert answer.status == 200, answer
        return answer.json()

    def avatar(self, name="lion", **files):
        return self.call("avatar_new", avatar_name=name, starting_files=files)

    def run(self, name="lion", new=None, deleted=None, unchanged=None, changed=None, max_seconds=10):
        files = {"new_files": new or {}, "deleted_files": deleted or {}}
        files |= {"unchanged_files": unchanged or {}, "changed_files": changed or {}}
        return self.call("run_cyber_dojo_sh", avatar_name=name, max_seconds=max_seconds, **files)["run_cyber_dojo_sh"]


@pytest.fixture
def kata(server):
    kata = Kata(server)
    assert kata.call("kata_new") == {"kata_new": None}
    yield kata
    kata.call("kata_old")


def script(text):
    return {"cyber-dojo.sh": text}


def test_a_kata_is_new_once_and_old_once(server):
    kata = Kata(server)
    assert kata.call("kata_old") == {"exception": "kata_id:!exists"}
    assert kata.avatar() == {"exception": "kata_id:!exists"}
    assert kata.call("kata_new") == {"kata_new": None}
    assert kata.call("kata_new") == {"exception": "kata_id:exists"}
    assert kata.call("kata_old") == {"kata_old": None}


def test_an_avatar_is_new_once_and_old_once(kata):
    assert kata.avatar() == {"avatar_new": None}
    assert kata.avatar() == {"exception": "avatar_name:exists"}
    assert kata.call("avatar_old", avatar_name="lion") == {"avatar_old": None}
    assert kata.call("avatar_old", avatar_name="lion") == {"exception": "avatar_name:!exists"}


def test_a_run_says_what_is_new_deleted_and_changed(kata):
    kata.avatar(**script("cat b; echo n >n; rm d; echo c >>c"), b="before\n", c="c\n", d="d\n")
    assert kata.run() == {
        "stdout": "before\n", "stderr": "", "status": 0, "colour": "amber",
        "new_files": {"n": "n\n"}, "deleted_files": {"d": ""}, "changed_files": {"c": "c\nc\n"},
    }  # fmt: skip


def test_new_changed_and_deleted_files_of_the_client_are_put_there(kata):
    kata.avatar(**script("ls; cat x"), x="1", y="y")
    answer = kata.run(new={"z": "z"}, changed={"x": "2"}, deleted={"y": "y"})
    assert answer["stdout"] == "cyber-dojo.sh\nx\nz\n2"
    assert not answer["new_files"] and not answer["changed_files"] and not answer["deleted_files"]


def test_a_time_out_says_what_was_printed(kata):
    kata.avatar(**script("echo begun; echo x >new; sleep 30"))
    answer = kata.run(max_seconds=1)
    assert (answer["status"], answer["colour"], answer["stdout"], answer["new_files"]) == (137, "timed_out", "begun\n", {})


def test_long_output_is_cut_and_says_so(kata):
    kata.avatar(**script("head -c 20000 /dev/zero | tr '\\0' x"))
    assert kata.run()["stdout"] == "x" * 10240 + "\noutput truncated by cyber-dojo"


def test_the_environment_names_the_avatar(kata):
    kata.avatar("zebra", **script("echo $CYBER_DOJO_AVATAR_NAME $CYBER_DOJO_KATA_ID $CYBER_DOJO_RUNNER $CYBER_DOJO_SANDBOX; pwd"))
    assert kata.run("zebra")["stdout"] == f"zebra {kata.id} stateful /sandboxes/zebra\n/sandboxes/zebra\n"


def test_avatars_share_a_folder(kata):
    kata.avatar("lion", **script("echo from lion >/sandboxes/shared/x"))
    kata.avatar("wolf", **script("cat /sandboxes/shared/x"))
    kata.run("lion")
    assert kata.run("wolf")["stdout"] == "from lion\n"


def test_what_is_gone_is_resurrected_from_unchanged_files(kata):
    files = script("cat x y z")
    kata.avatar(**files, x="x", y="y")
    kata.call("kata_old")
    assert kata.run(unchanged={**files, "x": "x"}, changed={"y": "Y"}, new={"z": "Z"})["stdout"] == "xYZ"
    kata.call("avatar_old", avatar_name="lion")
    assert kata.run(unchanged={**files, "x": "x", "y": "y", "z": "z"})["stdout"] == "xyz"


@pytest.mark.parametrize(
    "method, arguments, fault",
    [
        ("nosuch", {}, "json"),
        ("kata_new", {"kata_id": "short"}, "kata_id"),
        ("kata_new", {"kata_id": "abcdEFGHIO"}, "kata_id"),
        ("kata_new", {"image_name": ""}, "image_name"),
        ("kata_new", {"more": 1}, "json"),
        ("avatar_new", {"avatar_name": "Lion", "starting_files": {}}, "avatar_name"),
        ("avatar_new", {"avatar_name": "lion", "starting_files": {"a": 1}}, "starting_files"),
        ("run_cyber_dojo_sh", {"avatar_name": "lion"}, "new_files"),
    ],
)
def test_malformed_arguments_are_named(method, arguments, fault, server):
    assert Kata(server).call(method, **arguments) == {"exception": f"{fault}:malformed"}


def test_a_body_that_is_no_json_is_told(server):
    answer = server.request("POST", PATH + "kata_new", b"nope")
    assert answer.status == 200 and answer.json() == {"exception": "json:malformed"}


def test_an_image_is_pulled_or_not(server):
    kata = Kata(server)
    assert kata.call("image_pulled?") == {"image_pulled?": True}
    assert kata.call("image_pull") == {"image_pull": True}


def test_it_has_a_listener_of_its_own(servers):
    port = free_port()
    servers(flags=["--listen", f"127.0.0.1:{port},dialect=cyber-dojo-stateful"])
    answer = http.request(port, "GET", "/sha", timeout=10)
    assert len(answer.json()["sha"]) == 40
