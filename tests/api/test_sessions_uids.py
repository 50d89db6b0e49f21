"""Whose the processes of sessions are on the host, how many sessions there can be, and what a kiln says that can have none."""

import threading

import pytest

from kilntest import host, settings
from kilntest.server import Server
from kilntest.sessions import Session
from kilntest.settings import NO_USER_IDS, has_user_ids, runs_as_root

with_ids = pytest.mark.skipif(not has_user_ids(), reason=NO_USER_IDS)


class Started(Server):
    """A server that another program starts."""

    def __init__(self, prefix, **settings):
        super().__init__(**settings)
        self.prefix = prefix

    def command(self):
        return [*self.prefix, *super().command()]


@pytest.fixture
def started():
    made = []

    def start(*prefix, **settings):
        made.append(Started(prefix, **settings))
        return made[-1].start()

    yield start
    for one in made:
        one.stop()


def host_ids(session, user, word):
    """The uid and gid that a run of this user has on the host."""
    found = {}
    thread = threading.Thread(target=lambda: session.run(user, "bash", "-c", f"exec -a {word} sleep 4"))
    thread.start()
    try:
        pid = host.wait_until(lambda: host.processes_with(word), 20, "the run does not begin")[0]
        status = host.status_of(pid)
        found = {"uid": int(status["Uid"].split()[0]), "gid": int(status["Gid"].split()[0]), "groups": status["Groups"].strip()}
    finally:
        thread.join()
    return found


@with_ids
def test_users_of_all_sessions_are_different_on_the_host(server):
    sessions = [Session(server), Session(server)]
    try:
        for session in sessions:
            for name in ("lion", "tiger"):
                session.user(name)
        ids = [host_ids(session, name, f"kiln-ids-{number}-{name}") for number, session in enumerate(sessions) for name in ("lion", "tiger")]
    finally:
        for session in sessions:
            session.remove()
    uids = {one["uid"] for one in ids}
    assert len(uids) == 4 and 0 not in uids and all(one["groups"] == "" for one in ids), ids
    assert ids[0]["gid"] == ids[1]["gid"] != ids[2]["gid"] == ids[3]["gid"], ids
    user = settings.test_user()
    assert not user or user.pw_uid not in uids


@with_ids
def test_the_last_session_is_refused_and_the_next_end_makes_room(started):
    """A limit of open files that leaves room for few sessions is as good as a small range of uids."""
    server = started("prlimit", "--nofile=800:800")
    made = []
    while len(made) < 100:
        made.append(Session(server))
        answer = made[0].answer("POST", "/v1/sessions", {"image": "host", "ttl_ms": 1})
        if answer.status != 201:
            break
        Session.found(server, answer.json()["id"]).remove()
    assert answer.status == 503 and answer.headers["retry-after"] and 5 < len(made) < 100, answer
    assert answer.error()["code"] == "too_many_sessions" and f"all {len(made)} " in answer.error()["message"]
    made.pop().remove()
    host.wait_until(lambda: made[0].answer("POST", "/v1/sessions", {"image": "host", "ttl_ms": 60000}).status == 201, 10, "no room")
    made[0].user("lion")
    assert made[0].printed("lion", "echo here") == "here\n"


@pytest.mark.skipif(runs_as_root(), reason="holds only where kiln runs rootless")
def test_with_a_single_uid_there_are_none_and_it_says_why(started):
    """newuidmap gets no rights under no-new-privileges, so all sandboxes have the uid of kiln's user."""
    server = started("setpriv", "--no-new-privs")
    assert server.run({"image": "host", "steps": [{"name": "run", "command": ["echo", "runs"]}]})["steps"][0]["stdout"] == "runs\n"
    answer = server.request("POST", "/v1/sessions", b'{"image": "host", "ttl_ms": 1000}', {"Content-Type": "application/json"})
    assert answer.status == 422 and answer.error()["code"] == "not_supported", answer
    for word in ("newuidmap", "/etc/subuid", "/etc/subgid", "kiln doctor"):
        assert word in answer.error()["message"]


@pytest.mark.skipif(runs_as_root(), reason="holds only where kiln runs rootless")
@with_ids
def test_files_in_a_session_are_in_nobodys_memory(server, unenforced):
    """Where memory is watched nobody is killed for what another has written."""
    if "memory_bytes" not in unenforced:
        pytest.skip("holds only where memory is watched")
    session = Session(server, limits={"disk_bytes": 200 * 1024 * 1024})
    try:
        for name in ("lion", "tiger"):
            session.user(name)
        session.shell("lion", "head -c 100000000 /dev/zero >big", collect="none")
        limits = {"memory_bytes": 32 * 1024 * 1024}
        assert session.shell("tiger", "sleep 0.3; echo lives", limits=limits)["steps"][0]["stdout"] == "lives\n"
        own = session.shell("tiger", "head -c 50000000 /dev/zero >/tmp/big; sleep 3", limits=limits)
        assert own["outcome"] == "memory_exceeded", own
    finally:
        session.remove()
