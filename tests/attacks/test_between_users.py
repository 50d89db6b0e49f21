"""Hostile users of a session: what one of them tries must neither reach nor hold up the others. README.md says how one is written."""

import ctypes
import json
import random
import string
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from battery import INTERPRETERS, patient

from kilntest import host
from kilntest.requests import binary
from kilntest.sessions import Session
from kilntest.settings import CANARY, MAKING_S, NO_USER_IDS, SLOW, has_user_ids

pytestmark = pytest.mark.skipif(not has_user_ids(), reason=NO_USER_IDS)

PROGRAMS = Path(__file__).parent / "between_users"
NAMES = sorted(path.parent.name for path in PROGRAMS.glob("*/expect.json"))
VICTIM, ATTACKER = "lion", "wolf"
AT_ONCE = 4
LIMITS = {"wall_ms": 20_000, "cpu_ms": 20_000}
# What kiln answers, whatever the session's files have become, comes within this.
LOOK_S = 10


def word():
    return "".join(random.choices(string.ascii_lowercase, k=14))


class Attack:
    """One attack in a session of its own; `wrong` says what did not hold."""

    def __init__(self, server, name):
        self.server, self.name, self.wrong = server, name, []
        self.expect = json.loads((PROGRAMS / name / "expect.json").read_text())
        self.nonce, self.secret = word(), word()
        self.beside = []

    def play(self):
        asked = dict(self.expect.get("session", {}))
        asked["limits"] = {**LIMITS, **asked.get("limits", {})}
        self.session = Session(self.server, **asked)
        try:
            self.session.wait("open")
            for user in (VICTIM, ATTACKER):
                self.session.user(user)
            for step in self.expect["steps"]:
                self.step(step)
            self.join()
            self.afterwards()
        finally:
            self.join()
            self.session.answer("DELETE", self.session.path)
        return self.wrong

    def step(self, step):
        if "program" in step:
            self.begin(step)
            return
        (kind, value), = step.items()
        getattr(self, kind)(value)

    # What a step may be

    def begin(self, step):
        if not step.get("beside"):
            self.run(step)
            return
        thread = threading.Thread(target=self.guarded, args=(step,), daemon=True)
        thread.start()
        self.beside.append(thread)
        time.sleep(0.3)

    def join(self, _=True):
        for thread in self.beside:
            thread.join(90)
            if thread.is_alive():
                self.wrong.append("a run does not end")
        self.beside = []

    def look(self, _):
        begun = time.monotonic()
        files = self.session.call("GET", self.session.path + "/files")["files"]
        if time.monotonic() - begun > LOOK_S * SLOW:
            self.wrong.append(f"the files came after {time.monotonic() - begun:.1f} s")
        told = [name for name, file in files.items() if self.secret in file["content"]]
        self.wrong += [f"the copy has the secret as {name}" for name in told if not name.startswith(VICTIM + "/")]

    def wait_ms(self, ms):
        time.sleep(SLOW * ms / 1000)

    def remove(self, user):
        self.session.call("DELETE", f"{self.session.path}/users/{user}", status=204)

    def add(self, user):
        self.session.user(user)

    def service(self, name):
        """It was killed, and is ready again."""
        def state():
            return self.session.state()["services"][name]

        host.wait_until(lambda: state()["restarts"] > 0 and state()["state"] == "ready", 60, lambda: str(state()))

    def ttl(self, values):
        """None of these is taken for a time."""
        for value in values:
            answer = self.session.answer("PUT", self.session.path, {"ttl_ms": value})
            if answer.status not in (400, 422):
                self.wrong.append(f"ttl_ms {value!r} was answered with {answer.status}")

    def end_after_ms(self, ms):
        # A program that has just been asked for is to begin before that.
        self.session.call("PUT", self.session.path, {"ttl_ms": ms + int(SLOW * MAKING_S * 1000)})

    def expired(self, _):
        self.session.wait("expired", 20)
        if host.processes_with(self.nonce):
            self.wrong.append("it outlives its session")

    # Runs

    def guarded(self, step):
        try:
            self.run(step)
        except (AssertionError, OSError, KeyError) as error:
            self.wrong.append(f"{step['program']}: {error!r}"[:600])

    def filled(self, program, user):
        text = (PROGRAMS / self.name / program).read_text().replace("@NONCE@", self.nonce)
        return text.replace("@SECRET@", self.secret) if user == VICTIM or "before" in program else text

    def run(self, step):
        program, user = step["program"], step["user"]
        files = {**step.get("files", {}), program: binary(self.filled(program, user).encode())}
        asked = {"user": user, "command": [INTERPRETERS[Path(program).suffix], program], "files": files}
        asked |= {key: step[key] for key in ("delete", "collect") if key in step}
        asked["limits"] = {name: patient(name, value) for name, value in {**LIMITS, **step.get("limits", {})}.items()}
        answer = self.session.answer("POST", self.session.path + "/runs", asked, timeout=120)
        if answer.status != 200:
            self.wrong.append(f"{program}: {answer}")
            return
        result = answer.json()
        stdout = result["steps"][-1]["stdout"] if result["steps"] else ""
        if user == VICTIM:
            self.judge_victim(step, result, stdout)
        else:
            self.judge_attacker(step, result, stdout, answer.body)

    def judge_victim(self, step, result, stdout):
        if step.get("any_end"):
            if result["outcome"] == "engine_error":
                self.wrong.append(f"{step['program']}: {result}")
        elif result["outcome"] != "ok" or "WRONG" in stdout or not stdout.endswith("RIGHT\n"):
            self.wrong.append(f"{VICTIM}'s {step['program']} is not right: {result['outcome']} {stdout[-300:]!r} {result}"[:1500])

    def judge_attacker(self, step, result, stdout, body):
        program = step["program"]
        if self.secret.encode() in body or CANARY.encode() in body:
            self.wrong.append(f"{program}: the secret came out: {stdout[-600:]!r}")
        if step.get("refused"):
            return
        if result["outcome"] not in step.get("outcomes", ["ok"]):
            self.wrong.append(f"{program} ended as {result['outcome']}: {result}"[:1500])
        if "UNSAFE" in stdout:
            self.wrong.append(f"{program}: {stdout[-600:]!r}")
        if "ATTACK-START" not in stdout or (step.get("ends", True) and "ATTACK-END" not in stdout):
            self.wrong.append(f"{program} was not played: {stdout[-300:]!r} {result}"[:1500])

    def afterwards(self):
        state = self.session.state()
        for user in [user["name"] for user in state["users"] if state["state"] == "open"]:
            if self.session.shell(user, "echo right")["steps"][0]["stdout"] != "right\n":
                self.wrong.append(f"{user} cannot work any more")
        if host.processes_with(self.nonce):
            self.wrong.append(f"processes are left: {host.processes_with(self.nonce)}")


def landlock_version():
    return ctypes.CDLL(None).syscall(444, None, 0, 1)


@pytest.fixture(scope="module")
def played(request, server):
    """What was wrong with each attack that was chosen, as futures: some at a time, for they are of sessions apart."""
    chosen = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(Attack(server, name).play) for name in NAMES if name in chosen}


@pytest.mark.parametrize("name", NAMES)
def test_users_hold_against(name, played, enforced):
    expect = json.loads((PROGRAMS / name / "expect.json").read_text())
    if "enforces" in expect:
        enforced(expect["enforces"], hostile=True)
    if landlock_version() < expect.get("landlock", 0):
        pytest.skip("this kernel's Landlock does not hold sockets without a file")
    wrong = played[name].result()
    assert not wrong, "\n".join(wrong)
