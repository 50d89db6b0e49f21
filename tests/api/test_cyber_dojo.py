"""The cyber-dojo runner's calls: what docs/dialects.md promises, on an image as cyber-dojo's and on the host's."""

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kilntest import host, http
from kilntest.dojo import SHELL as SHELL_PROGRAMS
from kilntest.dojo import Dojo, import_images, rootfs
from kilntest.images import Registry, Tarpit, oci
from kilntest.server import ENGINE_DAEMON, Home, Server, free_port, identity
from kilntest.settings import ENGINE, KILN, seconds

GREEN = "lambda { |stdout, stderr, status| :green }\n"
LIGHTS = {
    "green": GREEN,
    "unlit": None,
    "broken": "lambda { |stdout, stderr, status|\n  stdout.match(/(/) }\n",
    "orange": "lambda { |stdout, stderr, status| :orange }\n",
    "raises": "lambda { |stdout, stderr, status|\n  raise 'no' }\n",
    "by-status": "lambda { |stdout, stderr, status| return :green if status == 0; return :red if status == 1; :amber }\n",
}
EMPTY = {"content": "", "truncated": False}


@pytest.fixture(scope="module")
def images():
    home = Home()
    import_images(home, LIGHTS)
    yield home
    home.cleanup()


@pytest.fixture(scope="module")
def dojo(images):
    server = Server(home=images).start()
    yield Dojo(server)
    server.stop()


@pytest.fixture(scope="module")
def beside(images):
    """A home for one more server with these images: containers are one server's for each state folder."""
    made = []

    def home():
        if not ENGINE_DAEMON:
            return images
        made.append(Home())
        return made[-1]

    yield home
    for one in made:
        one.cleanup()


@pytest.fixture
def ruby(dojo):
    """The same, where this machine has Ruby."""
    languages = {one["id"]: one["available"] for one in dojo.server.get("/v1/languages").json()["languages"]}
    if not languages["ruby"]:
        pytest.skip("needs ruby")
    return dojo


def text(stream):
    return stream["content"]


# ---- transport ----


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "ANY"])
def test_the_method_does_not_matter(dojo, method):
    assert dojo.raw("/alive", "{}", method).json() == {"alive?": True}
    assert dojo.raw("/pull_image", '{"id":"a","image_name":"green"}', method).json() == {"pull_image": "pulled"}


@pytest.mark.parametrize("path", ["/alive", "/alive?", "/alive?a=b", "/dialects/cyber-dojo/alive?"])
def test_the_query_does_not_matter(dojo, path):
    assert dojo.raw(path, "").json() == {"alive?": True}


def test_ready_and_sha(dojo):
    assert dojo.raw("/ready?", "").json() == {"ready?": True}
    sha = dojo.raw("/sha", "").json()["sha"]
    assert len(sha) == 40 and set(sha) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "path, body, message",
    [
        ("/alive", "xx", "body is not JSON"),
        ("/alive", "null", "body is not JSON Hash"),
        ("/ready", "true", "body is not JSON Hash"),
        ("/sha", "[" * 5000, "body is not JSON"),
        ("/sha", '{"x":1}', "wrong number of arguments (given 1, expected 0)"),
        ("/dialects/cyber-dojo/nosuch", "{}", "unknown path"),
        ("/pull_image", "{}", "missing arguments: :id, :image_name"),
        ("/pull_image", '{"id":"a"}', "missing argument: :image_name"),
        ("/pull_image", '{"id":"a","image_name":"green","a b":1,"c":2}', 'unknown arguments: :"a b", :c'),
        ("/pull_image", '{"id":"a","image_name":7}', "image_name is malformed"),
        ("/pull_image", '{"id":"a","image_name":"a;b"}', "image_name is malformed"),
        ("/run_cyber_dojo_sh", "", "missing arguments: :id, :files, :manifest"),
    ],
)
def test_what_is_wrong_is_told_as_an_exception(dojo, path, body, message):
    answer = dojo.raw(path, body)
    assert answer.status == 400
    document = answer.json()["exception"]
    assert list(document) == ["path", "body", "class", "message", "backtrace"]
    assert document["path"] == path.removeprefix("/dialects/cyber-dojo")
    assert (document["body"], document["class"], document["message"]) == (body, "Runner", message)
    assert answer.body.startswith(b'{\n  "exception": {\n    "path": ')


@pytest.mark.parametrize(
    "seconds, message",
    [
        (None, "can't convert nil into Integer"),
        (True, "can't convert true into Integer"),
        ([], "can't convert Array into Integer"),
        ("xxx", 'invalid value for Integer(): "xxx"'),
        ("3.7", 'invalid value for Integer(): "3.7"'),
        ("", 'invalid value for Integer(): ""'),
        (0, "max_seconds is less than 1"),
        (-1, "max_seconds is less than 1"),
        (0.5, "max_seconds is less than 1"),
    ],
)
def test_max_seconds_is_at_least_one(dojo, seconds, message):
    body = {"id": "a", "files": {}, "manifest": {"image_name": "green", "max_seconds": seconds}}
    answer = dojo.raw("/run_cyber_dojo_sh", json.dumps(body))
    assert (answer.status, answer.json()["exception"]["message"]) == (400, message)


@pytest.mark.parametrize("seconds", [1, 3.7, "3", " 0x0f ", 15, 1000, 10**30])
def test_max_seconds_is_what_ruby_takes_for_an_integer(dojo, seconds):
    assert dojo.run("true", max_seconds=seconds)["outcome"] == "green"


@pytest.mark.parametrize("change", [{"files": []}, {"files": {"a": 1}}, {"manifest": 1}, {"files": {"a" * 256: ""}}])
def test_arguments_of_the_wrong_type_are_the_clients_mistake(dojo, change):
    body = {"id": "a", "files": {}, "manifest": {"image_name": "green", "max_seconds": 1}, **change}
    answer = dojo.raw("/run_cyber_dojo_sh", json.dumps(body))
    assert answer.status == 400 and answer.json()["exception"]["class"] == "Runner"


def test_a_huge_body_is_not_echoed_whole(dojo):
    answer = dojo.raw("/alive", '{"a":"' + "\x01" * 4_000_000 + '"}')
    assert answer.status == 400 and len(answer.body) < 1_000_000


def test_tokens_are_asked_of_runs_but_not_of_probes(servers):
    server = servers(tokens=["secret"])
    server.token = None
    dojo = Dojo(server)
    assert dojo.raw("/alive", "").status == dojo.raw("/dialects/cyber-dojo/ready", "").status == 200
    for path in ("/run_cyber_dojo_sh", "/pull_image", "/sha", "/dialects/cyber-dojo/run_cyber_dojo_sh"):
        assert dojo.raw(path, "{}").status == 401


def test_a_listener_of_its_own_knows_nothing_else(servers):
    port = free_port()
    server = servers(flags=["--listen", f"127.0.0.1:{port},dialect=cyber-dojo"])

    def ask(path, body=""):
        return http.request(port, "GET", path, body.encode(), {})

    assert ask("/alive?").json() == {"alive?": True}
    for path in ("/", "/v1/node", "/dialects/cyber-dojo/alive", "/metrics"):
        answer = ask(path)
        assert answer.status == 400
        assert (answer.json()["exception"]["message"], answer.json()["exception"]["path"]) == ("unknown path", path)
    assert server.get("/v1/node").status == 200


@pytest.mark.parametrize("option", ["dialect=", "dialect=nosuch", "x", ",", "dialect=cyber-dojo,more"])
def test_an_unknown_option_of_a_listener_is_refused_at_the_start(mortal, option):
    server = mortal(listen=f"127.0.0.1:{free_port()},{option}").spawn()
    assert server.wait() == 2 and "listen" in server.log()


# ---- images and lights ----


def test_latest_is_the_same_image(dojo):
    assert dojo.call("pull_image", id="a", image_name="green:latest") == "pulled"
    assert dojo.run("true", image="green:latest")["outcome"] == "green"


def test_the_lambda_of_the_manifest_comes_before_the_images_and_leaves_no_log(dojo):
    result = dojo.run("exit 3", rag_lambda="lambda { |o, e, s| s == 3 ? :amber : :red }")
    assert (result["outcome"], result["status"], result["log"]) == ("amber", "3", None)


@pytest.mark.parametrize("status, colour", [(0, "green"), (1, "red"), (7, "amber")])
def test_the_lambda_of_the_image_sees_the_status(dojo, status, colour):
    result = dojo.run(f"exit {status}", image="by-status")
    assert (result["outcome"], result["status"], result["log"]) == (colour, str(status), {})


def run_in(image, script, **more):
    return {"image": image, "steps": [{"name": "run", "command": ["bash", "-c", script]}], "traffic_light": {}, **more}


@pytest.mark.parametrize("status, colour", [(0, "green"), (1, "red"), (7, "amber")])
def test_a_plain_run_that_brings_no_light_is_judged_by_the_images(dojo, status, colour):
    for _ in range(2):  # read, and then remembered
        result = dojo.server.run(run_in("by-status", f"echo out; exit {status}"))
        assert (result["colour"], result.get("colour_reason"), result["steps"][0]["stdout"]) == (colour, None, "out\n")


@pytest.mark.parametrize(
    "image, reason",
    [
        ("unlit", "there is no light in the image: cat: /usr/local/bin/red_amber_green.rb: No such file or directory"),
        ("broken", "line 2, column 16"),
        ("orange", "line 1, column 1: the lambda gave 'orange'"),
    ],
)
def test_an_image_whose_light_is_missing_or_wrong_is_faulty_with_the_output_there(dojo, image, reason):
    result = dojo.server.run(run_in(image, "echo ok 1 - all; false", traffic_light={"report": "tap"}))
    assert result["colour"] == "faulty" and result["colour_reason"].startswith(reason), result
    assert result["steps"][0]["stdout"] == "ok 1 - all\n" and [one["name"] for one in result["tests_found"]] == ["all"]


def test_a_run_that_was_ended_is_not_judged_by_the_images_light(dojo):
    result = dojo.server.run(run_in("green", "sleep 60", limits={"wall_ms": 300}))
    assert result["colour"] == "faulty" and "wall_time_exceeded" in result["colour_reason"]


def test_a_light_that_the_program_writes_is_not_the_images(dojo):
    script = "(mkdir -p usr/local/bin; echo 'lambda { |a, b, c| :red }' | tee /usr/local/bin/red_amber_green.rb usr/local/bin/red_amber_green.rb) 2>&1"
    assert dojo.server.run(run_in("green", script))["colour"] == "green"


def test_the_lambda_sees_what_is_returned(dojo):
    seen = "lambda { |out, err, s| out.length == 51200 && err == 'ab' ? :green : :red }"
    assert dojo.run(r"head -c 60000 /dev/zero | tr '\0' x; printf 'a\xffb' >&2", rag_lambda=seen)["outcome"] == "green"


@pytest.mark.parametrize("_", range(2))
def test_an_image_without_a_light_is_faulty_but_the_output_is_there(dojo, _):
    result = dojo.run("echo out; echo err >&2; exit 4", image="unlit")
    assert (text(result["stdout"]), text(result["stderr"]), result["status"]) == ("out\n", "err\n", "4")
    assert result["outcome"] == "faulty"
    log = result["log"]
    assert log["call"] == "TrafficLight.colour(image_name,stdout,stderr,status)"
    assert log["args"] == {"image_name": "unlit", "stdout": ["out\n"], "stderr": ["err\n"], "status": "4"}
    assert log["exception"]["context"] == "image_name must have /usr/local/bin/red_amber_green.rb file"


@pytest.mark.parametrize(
    "image, context, place",
    [
        ("broken", "exception when eval'ing lambda source", "line 2, column 16"),
        ("raises", "exception when calling lambda source", "line 2, column 3"),
    ],
)
def test_a_wrong_light_is_faulty_with_place_and_reason(dojo, image, context, place):
    result = dojo.run("echo out", image=image)
    assert (result["outcome"], result["status"], text(result["stdout"])) == ("faulty", "0", "out\n")
    exception = result["log"]["exception"]
    assert exception["context"] == context
    assert exception["lambda_source"] == LIGHTS[image].splitlines(keepends=True)
    assert exception["class"] and exception["message"][0].startswith(place)


def test_a_light_of_another_colour_is_faulty(dojo):
    exception = dojo.run("true", image="orange")["log"]["exception"]
    assert exception["context"] == "illegal colour; must be one of ['red','amber','green']"
    assert exception["illegal_colour"] == "orange"
    exception = dojo.run("true", rag_lambda="lambda { |a, b, c| 42 }")["log"]["exception"]
    assert exception["context"].startswith("illegal colour")


WITH_HASH = "lambda { |out, err, status| { 0 => :green, 1 => 'red', 2 => nil, 3 => out }[status] }"


@pytest.mark.parametrize("status, outcome", [(0, "green"), (1, "red"), (2, "faulty"), (3, "faulty")])
def test_a_light_outside_of_the_small_language_is_judged_by_ruby(ruby, status, outcome):
    result = ruby.run(f"echo out; exit {status}", rag_lambda=WITH_HASH)
    assert (result["outcome"], text(result["stdout"])) == (outcome, "out\n")
    if outcome == "faulty":
        assert result["log"]["exception"]["illegal_colour"] == ("" if status == 2 else "out\n")


@pytest.mark.parametrize(
    "body, context, name",
    [
        ("{}.fetch(1)", "exception when calling lambda source", "KeyError"),
        ("sleep", "exception when calling lambda source", "Timeout::Error"),
        ("exit", "exception when calling lambda source", "SystemExit"),
        ("Process.kill(9, $$)", "exception when calling lambda source", "SystemExit"),
        ("File.read('/etc/shadow')", "exception when calling lambda source", "Errno::"),
        ('raise Class.new(Exception), "\\xff" * 9999', "exception when calling lambda source", ""),
    ],
)
def test_what_goes_wrong_in_ruby_is_told(ruby, body, context, name):
    result = ruby.run("echo out", rag_lambda=f"lambda {{ |out, err, status| x = {{}}; {body}; :red }}")
    assert (result["outcome"], text(result["stdout"])) == ("faulty", "out\n")
    exception = result["log"]["exception"]
    assert exception["context"] == context and exception["class"].startswith(name)


def test_an_image_that_is_not_here_is_pulling(dojo):
    assert dojo.call("pull_image", id="a", image_name="registry.invalid/none") == "pulling"
    result = dojo.run("true", image="registry.invalid/none")
    assert (result["outcome"], result["status"], result["stdout"], result["log"]) == ("pulling", "141", EMPTY, {})


def test_an_image_can_be_mapped_to_another(servers, beside):
    dojo = Dojo(servers(home=beside(), dojo_images=["cyberdojofoundation/gcc_assert=host", "good/img:1=green"]))
    assert dojo.call("pull_image", id="a", image_name="cyberdojofoundation/gcc_assert:latest") == "pulled"
    result = dojo.run("printf $CYBER_DOJO_IMAGE_NAME", image="good/img:1")
    assert (result["outcome"], text(result["stdout"])) == ("green", "good/img:1")


LESSON = """\
id: lesson
name: Lesson
image: green
source_file: main.sh
run: {command: [bash, "{entry}"]}
traffic_light:
  rules:
    - {in: stdout, regex: '^(\\d+) left$', group: 1, is: ">", value: 0, colour: red}
    - {status: 7, colour: amber}
    - {colour: green}
hello: echo "Hello, World!"
"""


@pytest.fixture(scope="module")
def lessons(servers, beside):
    """Names of images that mean languages: a site's own, in an image with a lambda, and one of kiln's."""
    home = beside()
    path = home.write("lesson.yaml", LESSON)
    subprocess.run([KILN, "language", "add", path], env=home.environment(), cwd="/", check=True, timeout=seconds(30), **identity())
    return Dojo(servers(home=home, dojo_images=["lesson=language:lesson", "cyberdojofoundation/python_unittest=language:unittest"]))


@pytest.mark.parametrize("script, outcome", [("echo 3 left", "red"), ("echo 0 left", "green"), ("exit 7", "amber")])
def test_the_light_of_a_language_goes_before_the_image_s(lessons, script, outcome):
    result = lessons.run(script, image="lesson:latest")
    assert (result["outcome"], result["log"]) == (outcome, {})
    assert lessons.run(script, image="green")["outcome"] == "green"


def test_the_light_of_the_manifest_goes_before_the_language_s(lessons):
    result = lessons.run("echo 3 left", image="lesson", rag_lambda="lambda { |o, e, s| :amber }")
    assert (result["outcome"], result["log"]) == ("amber", None)


@pytest.mark.parametrize("source, outcome", [("6 * 7", "green"), ("6 * 9", "red"), ("6 *", "amber")])
def test_a_framework_of_kilns_serves_cyber_dojos_image(lessons, source, outcome):
    test = "import unittest\nclass Test(unittest.TestCase):\n    def test(self):\n        self.assertEqual(42, " + source + ")\n"
    files = {"test_hiker.py": test}
    assert lessons.run("python3 -m unittest", files, image="cyberdojofoundation/python_unittest")["outcome"] == outcome


@pytest.mark.parametrize("entry, why", [("a=language:nosuch", "no such language"), ("a", "not NAME=IMAGE"), ("=host", "not NAME=IMAGE"), ("a=", "not NAME=IMAGE")])
def test_a_mapping_that_cannot_be_is_told_at_the_start(mortal, entry, why):
    server = mortal(dojo_images=[entry]).spawn()
    assert server.wait() != 0 and why in server.log()


# ---- pulls ----

OWN_WAY = {"Entrypoint": ["/bin/false"], "Cmd": ["x"], "WorkingDir": "/etc", "User": "33", "Env": ["LESSON=one", "HOME=/etc"]}


@pytest.fixture(scope="module")
def registry(images):
    with Registry(images) as registry:
        yield registry


@pytest.fixture
def puller(mortal):
    """A server of the test's own, whose images begin with none."""
    return Dojo(mortal().start())


def push(registry, name):
    registry.push(name, oci([rootfs(GREEN, SHELL_PROGRAMS)], **OWN_WAY))
    return f"{registry.address}/{name}"


def pulled(dojo, name):
    return dojo.call("pull_image", id="a", image_name=name) == "pulled"


def test_an_image_that_is_pulled_is_there_and_runs(puller, registry):
    name = push(registry, "lessons/asked:1")
    assert not pulled(puller, name)
    host.wait_until(lambda: pulled(puller, name), 60, lambda: puller.server.get("/v1/images"))
    result = puller.run("pwd; echo $UID; echo $LESSON $HOME", image=name)
    folder, uid, settings = text(result["stdout"]).splitlines()
    assert (result["outcome"], folder, settings) == ("green", "/sandbox", "one /etc"), result
    assert uid == "41966" or ENGINE_DAEMON  # each container has a uid of its own


def test_to_run_in_an_image_that_is_not_here_pulls_it(puller, registry):
    name = push(registry, "lessons/run:1")
    result = puller.run("echo here", image=name)
    assert (result["outcome"], result["status"], result["log"], result["created"]) == ("pulling", "141", {}, {})

    def ran():
        result.update(puller.run("echo here", image=name))
        return result["outcome"] != "pulling"

    host.wait_until(ran, 60, lambda: puller.server.get("/v1/images"))
    assert (result["outcome"], text(result["stdout"])) == ("green", "here\n")


def test_many_who_ask_at_once_are_one_pull(puller):
    with Tarpit() as tarpit, ThreadPoolExecutor(16) as pool:
        name = f"{tarpit.address}/lessons/slow"
        asked = [pool.submit(puller.call, "pull_image", id="a", image_name=name) for _ in range(12)]
        ran = [pool.submit(puller.run, "true", image=name) for _ in range(4)]
        assert {one.result() for one in asked} == {"pulling"} and {one.result()["outcome"] for one in ran} == {"pulling"}
        jobs = puller.server.get("/v1/images").json()["jobs"]
        assert [(job["name"], job["state"]) for job in jobs] in ([(name, "running")], [(name, "waiting")])
        assert puller.server.request("DELETE", f"/v1/images/{name}").json()["state"] == "cancelled"


def test_a_pull_that_fails_is_told_in_the_list_and_can_be_asked_for_again(puller, registry):
    name = f"{registry.address}/lessons/late:1"

    def job():
        return puller.server.get(f"/v1/images/{name}").json()

    assert not pulled(puller, name)
    host.wait_until(lambda: job()["state"] == "failed", 60, job)
    assert job()["job"]["error"]["message"]
    assert puller.run("true", image=name)["outcome"] == "pulling"
    host.wait_until(lambda: job()["state"] == "failed", 60, job)
    push(registry, "lessons/late:1")
    assert not pulled(puller, name)
    host.wait_until(lambda: pulled(puller, name), 60, job)
    assert puller.run("true", image=name)["outcome"] == "green"


def test_a_registry_that_is_not_allowed_is_not_asked(mortal):
    with Tarpit() as tarpit:
        dojo = Dojo(mortal(registries=["docker.io/cyberdojofoundation"]).start())
        assert dojo.call("pull_image", id="a", image_name=f"{tarpit.address}/a") == "pulling"
        assert not tarpit.asked.is_set() and dojo.server.get("/v1/images").json()["jobs"] == []


# ---- how a run ends ----


@pytest.mark.parametrize(
    "script, printed",
    [
        ("echo before; sleep 30", "before\n"),
        ("printf before; sleep 30", "before"),
        ("printf 1; (sleep 0.2; printf 2) & sleep 30", "12"),
        ("echo before; exec >&-; sleep 30", "before\n"),
        ("echo before; trap '' TERM; while :; do sleep 1; done", "before\n"),
    ],
)
def test_a_time_out_returns_what_was_printed(dojo, script, printed):
    result = dojo.run(script, max_seconds=1)
    assert (result["outcome"], result["status"], text(result["stdout"])) == ("timed_out", "142", printed)
    assert result["created"] == result["changed"] == {}
    assert result["log"]["timed_out"] is True
    assert result["log"]["status"].endswith(" SIGTERM (signal 15)")


@pytest.mark.parametrize("script", ["kill -9 $PPID; sleep 1", "kill -9 -1; sleep 1", "kill -TERM $PPID; sleep 1", "rm -rf /tmp/*"])
def test_to_kill_what_runs_it_is_faulty_with_what_was_printed(dojo, script):
    result = dojo.run(f"echo out; echo err >&2; {script}")
    assert (result["outcome"], result["status"]) == ("faulty", "143")
    assert (text(result["stdout"]), text(result["stderr"])) == ("out\n", "err\n")
    assert list(result["log"]) == ["timed_out", "status", "stdout", "stderr"]
    assert result["log"]["timed_out"] is False and " exit " in result["log"]["status"]


def test_to_kill_itself_is_a_status(dojo):
    result = dojo.run("printf partial; kill -9 $$")
    assert (result["outcome"], result["status"], text(result["stdout"]), text(result["stderr"])) == ("green", "137", "partial", "")


def test_a_background_process_is_heard_until_the_end_and_not_waited_for(dojo):
    result = dojo.run("(printf behind; sleep 30) & sleep 0.5; printf done")
    assert (result["status"], text(result["stdout"])) == ("0", "behinddone")


def test_closed_streams_are_no_fault(dojo):
    result = dojo.run("printf a; exec >&- 2>&- <&-; true")
    assert (result["outcome"], result["status"], text(result["stdout"])) == ("green", "0", "a")


def test_without_a_cyber_dojo_sh_the_shell_says_so(dojo):
    result = dojo.run(files={"a": "x"})
    assert (result["status"], result["outcome"]) == ("127", "green")
    assert text(result["stderr"]) == "bash: ./cyber-dojo.sh: No such file or directory\n"


def test_to_change_the_main_script_changes_nothing(dojo):
    script = "echo 'exit 9' > ~/cyber_dojo_main.sh; rm ~/cyber_dojo_main.sh; echo here; exit 5"
    result = dojo.run(script)
    assert (result["status"], text(result["stdout"])) == ("5", "here\n")


def test_stdin_is_at_its_end(dojo):
    assert text(dojo.run("cat; read x || echo end")["stdout"]) == "end\n"


def test_much_more_output_than_is_kept_does_not_end_the_run(dojo):
    result = dojo.run("head -c 40000000 /dev/zero | tr '\\0' a; echo last >&2; exit 3")
    assert (result["status"], len(text(result["stdout"])), result["stdout"]["truncated"]) == ("3", 51200, True)
    assert result["stderr"] == {"content": "last\n", "truncated": False}


def test_memory_that_ran_out_is_told(dojo, enforced):
    enforced("memory_bytes")
    result = dojo.run("dd if=/dev/zero of=/dev/null bs=3G count=1 iflag=fullblock; echo $?", max_seconds=15)
    assert result["outcome"] in ("green", "faulty")  # as the kernel killed the program alone, or all there was
    assert "memory" in result["log"]["limit"]


# ---- what the program sees ----


def test_the_user_is_cyber_dojos(dojo):
    result = dojo.run("id; whoami; echo ~; pwd; umask; stat -c '%U:%G %a %n' . cyber-dojo.sh d d/f", {"d/f": ""})
    assert text(result["stdout"]).splitlines() == [
        "uid=41966(sandbox) gid=51966(sandbox) groups=51966(sandbox)", "sandbox", "/home/sandbox", "/sandbox", "0022",
        "sandbox:sandbox 755 .", "sandbox:sandbox 644 cyber-dojo.sh", "sandbox:sandbox 755 d", "sandbox:sandbox 644 d/f",
    ]  # fmt: skip


def test_the_environment_is_that_of_a_container(dojo):
    names = dict(line.split("=", 1) for line in text(dojo.run("env")["stdout"]).splitlines())
    assert (names["CYBER_DOJO_IMAGE_NAME"], names["CYBER_DOJO_ID"], names["CYBER_DOJO_SANDBOX"]) == ("green", "34de2W", "/sandbox")
    assert names["HOME"] == "/home/sandbox"
    assert set(names) - {"_", "SHLVL", "PWD", "OLDPWD", "PATH", "HOME", "HOSTNAME"} == {
        "CYBER_DOJO_IMAGE_NAME", "CYBER_DOJO_ID", "CYBER_DOJO_SANDBOX",
    }  # fmt: skip


def test_an_id_is_never_run(dojo):
    body = {"id": "$(echo bad)';`id`\n", "files": {"cyber-dojo.sh": "printf %s \"$CYBER_DOJO_ID\""}}
    body["manifest"] = {"image_name": "green", "max_seconds": 5}
    result = dojo.raw("/run_cyber_dojo_sh", json.dumps(body)).json()["run_cyber_dojo_sh"]
    assert text(result["stdout"]) == body["id"]


def test_the_limits_of_the_shell(dojo):
    limits = text(dojo.run("ulimit -c; ulimit -d; ulimit -f; ulimit -n; ulimit -s; ulimit -u; ulimit -x")["stdout"]).split()
    assert limits[:5] == ["0", "4194304", "262144", "1024", "16384"]
    assert limits[6] == ("unlimited" if ENGINE == "gvisor" else "1024")  # of locks, which its kernel does not count


def test_the_cleaners_take_any_name(dojo):
    script = """source ~/cyber_dojo_fs_cleaners.sh
    mkdir -p 'a b' -- -d r/s; touch -- -f 'x y' r/s/t
    cyber_dojo_delete_dirs 'a b' -d none; cyber_dojo_delete_files -f 'x y' none; cyber_dojo_reset_dirs r new/one
    find . | sort"""
    result = dojo.run(script)
    assert result["status"] == "0" and text(result["stderr"]) == ""
    assert text(result["stdout"]).split() == [".", "./cyber-dojo.sh", "./new", "./new/one", "./r"]


# ---- files ----


def test_what_is_text_comes_back_as_text(dojo):
    script = r"""printf 'caf\xe9\n' > latin1; printf '' > empty; printf '\0' > nul; printf '\0\0' > nuls; printf x > one
    head -c 300 /bin/bash > elf; ln -s latin1 link; mkfifo pipe; mkdir folder; printf 'a\r\nb' > crlf; printf '\xf0\x9f\x98\x80' > emoji"""
    created = {name: text(file) for name, file in dojo.run(script)["created"].items()}
    assert created == {"latin1": "caf\n", "empty": "", "nul": "\0", "one": "x", "crlf": "a\r\nb", "emoji": "\U0001f600"}


@pytest.mark.parametrize("name", [" ", "a b", "&", '"', "$HOME", "`id`", "-n", "a\nb", "[a-z]*", "\\", "é", "😀", "a\tb", "'", "%s"])
def test_a_created_file_may_have_any_name(dojo, name):
    result = dojo.run('source ./name; printf x > "./$name"', {"name": "name=" + "$'" + "".join(f"\\x{b:02x}" for b in name.encode()) + "'"})
    assert list(result["created"]) == [name]


@pytest.mark.parametrize("name", ["[a-z]*", "a\nb", "é", "-rf", "d/e/f", "n" * 255, "/".join(["n" * 200] * 15)])
def test_an_incoming_file_may_have_any_name_that_a_file_can_have(dojo, name):
    result = dojo.run("find . -type f ! -name cyber-dojo.sh -exec tee -a {} \\; <<< more", {name: "x"})
    assert result["changed"] == {name: {"content": "xmore\n", "truncated": False}}


def test_a_binary_file_whose_name_is_a_pattern_is_no_text(dojo):
    assert dojo.run("cp /bin/true '[x].*'")["created"] == {}


@pytest.mark.parametrize("name, where", [("/etc/x", "etc/x"), ("./a", "a"), ("a//b", "a/b"), ("a/./b", "a/b")])
def test_a_file_with_another_name_than_it_gets_is_told_as_created(dojo, name, where):
    result = dojo.run(f"cat {where}", {name: "text"})
    assert text(result["stdout"]) == "text"
    assert (result["created"], result["changed"]) == ({where: {"content": "text", "truncated": False}}, {})
    assert dojo.run(f"printf more >> {where}", {name: "text"})["created"] == {where: {"content": "textmore", "truncated": False}}
    assert dojo.run(f"rm {where}", {name: "text"})["created"] == {}


@pytest.mark.parametrize("name", ["../x", "a/../../x", "", "dir/", ".", "a/."])
def test_a_name_that_tar_refuses_is_faulty(dojo, name):
    result = dojo.run("true", {name: "x"})
    assert (result["outcome"], result["status"]) == ("faulty", "143")
    assert result["log"]["status"].endswith(" exit 2") and "tar:" in result["log"]["stderr"]


def test_of_two_names_for_one_file_the_last_is_it(dojo):
    assert text(dojo.run("cat a", {"a": "1", "./a": "2"})["stdout"]) == "2"


def test_a_name_that_is_file_and_folder_is_faulty(dojo):
    assert dojo.run("true", {"a": "1", "a/b": "2"})["outcome"] == "faulty"


def test_sixteen_created_files_by_name_but_any_number_of_changed_ones(dojo):
    files = {f"z{i}": "x" for i in range(40)}
    result = dojo.run("for f in z*; do echo >> $f; done; mkdir a; for i in {10..40}; do echo > a/$i; done; echo > a.txt", files)
    assert sorted(result["changed"]) == sorted(files)
    assert list(result["created"]) == sorted(["a.txt", *(f"a/{i}" for i in range(10, 41))])[:16]


def test_binary_files_do_not_count_among_the_sixteen(dojo):
    result = dojo.run("for i in {10..40}; do printf '\\0\\0' > $i; done; for i in {50..70}; do echo > $i; done")
    assert list(result["created"]) == [str(i) for i in range(50, 66)]


def test_text_is_cut_at_characters_and_says_so(dojo):
    script = r"""x=$(printf '\xe2\x82\xac%.0s' {1..1000}); for i in {1..20}; do printf %s "$x"; done > short
    for i in {1..52}; do printf %s "$x"; done > long; cat long"""
    result = dojo.run(script)
    assert result["created"]["short"] == {"content": "€" * 20000, "truncated": False}
    assert result["created"]["long"] == {"content": "€" * 51200, "truncated": True}
    assert result["stdout"] == {"content": "€" * 51200, "truncated": True}


def test_a_large_incoming_file_that_nobody_touched_has_not_changed(dojo):
    assert dojo.run("true", {"large": "a" * 60000})["changed"] == {}


def test_permissions_times_and_deletions_are_no_changes(dojo):
    result = dojo.run("chmod 755 a; touch b; rm c; cp d e; mv e d", {"a": "1", "b": "2", "c": "3", "d": "4"})
    assert result["created"] == result["changed"] == {}


def test_a_file_that_becomes_binary_is_not_told(dojo):
    assert dojo.run("printf '\\0\\0\\0' > a", {"a": "1"})["changed"] == {}


# ---- load ----


def test_calls_beyond_the_queue_are_told_to_come_back(servers, beside):
    server = servers(home=beside(), parallel=1, queue=0)
    dojo = Dojo(server)
    results = []
    first = threading.Thread(target=lambda: results.append(dojo.run("sleep 2")))
    first.start()
    host.wait_until(lambda: server.sandboxed(), 10, "the first call does not run")
    refused = []

    def is_refused():
        answer = dojo.raw("/run_cyber_dojo_sh", json.dumps({"id": "a", "files": {}, "manifest": {"image_name": "green", "max_seconds": 1}}))
        refused.append(answer)
        return answer.status == 503

    host.wait_until(is_refused, 10, "nobody is refused")
    assert refused[-1].headers["retry-after"] and refused[-1].json()["exception"]["class"] == "Runner"
    first.join()
    assert results[0]["outcome"] == "green"
