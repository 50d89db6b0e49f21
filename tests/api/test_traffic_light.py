"""The colour of a run: by rules, by a lambda, and what makes it faulty."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kilntest.http import connect, post_bytes
from kilntest.requests import shell, text

GREEN_IF_OK = "lambda { |stdout, stderr, status|\n  (stdout + stderr) =~ /^OK$/ && status == 0 ? :green : :red\n}\n"


def light(server, script, traffic_light, **more):
    return server.run(shell(script, traffic_light=traffic_light, **more))


@pytest.mark.parametrize("script, colour", [("echo OK", "green"), ("echo OK >&2", "green"), ("echo OK; exit 1", "red"), ("echo", "red")])
def test_a_lambda_sees_both_streams_and_the_status(server, script, colour):
    assert light(server, script, {"ruby": GREEN_IF_OK})["colour"] == colour


def test_without_a_traffic_light_there_is_no_colour(server):
    assert "colour" not in server.run(shell("echo OK"))


def test_a_signal_is_128_and_its_number(server):
    result = light(server, "kill -TERM $$", {"rules": [{"status": 143, "colour": "red"}, {"colour": "amber"}]})
    assert result["outcome"] == "signaled" and result["colour"] == "red"


def test_the_step_that_failed_is_judged(server):
    steps = [{"name": "one", "command": ["bash", "-c", "echo broken; exit 2"]}, {"name": "two", "command": ["echo", "OK"]}]
    request = {"image": "host", "steps": steps, "traffic_light": {"rules": [{"literal": "broken", "colour": "amber"}, {"colour": "green"}]}}
    assert server.run(request)["colour"] == "amber"


def test_a_wrong_lambda_is_faulty_with_its_place_and_the_output_is_there(server):
    result = light(server, "echo OK", {"ruby": "lambda { |a, b, c|\n  a.match(/(/)\n}"})
    assert result["colour"] == "faulty" and result["colour_reason"].startswith("line 2, column 11: ")
    assert text(result) == "OK\n"


KATA = {
    "hiker.py": "def answer():\n    return 6 * 7\n",
    "test_hiker.py": "import unittest, hiker\n\nclass Test(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(42, hiker.answer())\n",
}


@pytest.mark.parametrize("source, colour", [("6 * 7", "green"), ("6 * 9", "red"), ("6 *", "amber"), ("nobody", "amber")])
def test_a_language_may_have_a_light_of_its_own(server, source, colour):
    files = {**KATA, "hiker.py": f"def answer():\n    return {source}\n"}
    result = server.run({"language": "python-unittest", "files": files, "traffic_light": {}})
    assert (result["colour"], result.get("colour_reason")) == (colour, None)


def test_the_request_s_light_goes_before_the_language_s_and_none_is_asked_without_a_word(server):
    run = {"language": "python-unittest", "files": KATA}
    assert server.run({**run, "traffic_light": {"rules": [{"colour": "red"}]}})["colour"] == "red"
    assert server.run({**run, "traffic_light": {"ruby": "lambda { |a, b, c| :amber }"}})["colour"] == "amber"
    assert "colour" not in server.run(run)


def test_a_report_goes_with_the_language_s_light(server):
    result = server.run({"language": "python-unittest", "files": KATA, "traffic_light": {"report": "junit"}})
    assert (result["colour"], result["tests_found"]) == ("green", [])


def test_it_is_told_which_languages_have_a_light(server):
    lit = {one["id"] for one in server.get("/v1/languages").json()["languages"] if one["traffic_light"]}
    assert {"python-unittest", "python-pytest", "java-junit", "ruby-rspec", "c-assert"} <= lit and "python" not in lit


@pytest.mark.parametrize("run, why", [({"language": "python", "files": {"main.py": ""}}, "language 'python' has none"), (shell("true"), "names no language")])
@pytest.mark.parametrize("wanted", [{}, {"report": "tap"}])
def test_a_light_that_nobody_brings_is_refused(server, run, why, wanted):
    error = server.refuse({**run, "traffic_light": wanted}, 400)
    assert error["field"] == "traffic_light" and why in error["message"]


OUTSIDE = "lambda { |out, err, status| File.exist?('main.sh') ? :red : { 0 => :green, 1 => out }[status] }"


def has_ruby(server):
    return any(one["id"] == "ruby" and one["available"] for one in server.get("/v1/languages").json()["languages"])


@pytest.mark.parametrize("script, colour, reason", [("true", "green", None), ("echo no; exit 1", "faulty", "the lambda gave no colour: no")])
def test_what_is_no_lambda_for_kiln_is_judged_by_ruby_where_that_is_installed(server, script, colour, reason):
    result = light(server, script, {"ruby": OUTSIDE})
    if not has_ruby(server):
        colour, reason = "faulty", result["colour_reason"]
        assert "not supported" in reason
    assert (result["colour"], result.get("colour_reason")) == (colour, reason)


def test_what_reaches_for_the_host_finds_a_sandbox(server):
    result = light(server, "echo OK", {"ruby": "lambda { |a, b, c| File.read('/etc/shadow'); :green }"})
    assert result["colour"] == "faulty" and ("Errno::" in result["colour_reason"]) == has_ruby(server)


def test_a_run_that_was_ended_at_a_limit_is_not_judged(server):
    result = light(server, "echo OK; sleep 60", {"ruby": GREEN_IF_OK}, limits={"wall_ms": 300})
    assert result["colour"] == "faulty" and "wall_time_exceeded" in result["colour_reason"]


def test_a_runaway_light_is_faulty_and_holds_nobody_up(server):
    runaway = {"ruby": "lambda { |a, b, c| a =~ /(x|a|aa)+[!z]/ || 9999999999.times { |i| i }; :red }"}
    with ThreadPoolExecutor() as pool:
        slow = [pool.submit(light, server, "printf 'a%.0s' {1..20000}", runaway) for _ in range(2)]
        answers = 0
        while not all(run.done() for run in slow):
            assert server.get("/alive").status == 200
            answers += 1
            time.sleep(0.01)
    assert answers > 0
    assert all(run.result()["colour"] == "faulty" for run in slow)


def test_the_same_lambda_gives_the_same_colour_again(server):
    assert [light(server, "echo OK", {"ruby": GREEN_IF_OK})["colour"] for _ in range(3)] == ["green"] * 3


def test_output_that_is_not_utf8_is_judged_without_the_rest(server):
    result = light(server, r"printf 'O\xffK\n'", {"ruby": GREEN_IF_OK})
    assert result["colour"] == "green"
    assert result["steps"][0]["stdout_encoding"] == "base64"


def test_tests_are_found_in_tap(server):
    result = light(server, "printf '1..2\\nok 1 - a\\nnot ok 2 - b\\n# why\\n'", {"rules": [{"colour": "red"}], "report": "tap"})
    assert result["tests_found"] == [{"name": "a", "passed": True, "message": None}, {"name": "b", "passed": False, "message": "why"}]


def test_tests_are_found_in_a_collected_junit_file(server):
    xml = '<testsuite><testcase classname="H" name="a"/><testcase name="b"><failure message="no"/></testcase></testsuite>'
    result = light(server, f"echo '{xml}' > report.xml", {"rules": [{"colour": "green"}], "report": "junit"}, collect="text")
    assert result["tests_found"] == [
        {"name": "H.a", "passed": True, "message": None},
        {"name": "b", "passed": False, "message": "no"},
    ]


def test_a_report_that_is_not_there_is_an_empty_list(server):
    assert light(server, "echo hello", {"rules": [{"colour": "green"}], "report": "junit"})["tests_found"] == []


def test_a_client_that_leaves_while_its_light_is_judged_harms_nobody(server):
    born = server.front_pid()
    runaway = shell("echo", traffic_light={"ruby": "lambda { |a, b, c| 9999999999.times { |i| i } }"})
    leaving = [connect(server.port) for _ in range(6)]
    for connection in leaving:
        connection.sendall(post_bytes(json.dumps(runaway).encode()))
    time.sleep(0.3)
    for connection in leaving:
        connection.close()
    assert light(server, "echo OK", {"ruby": GREEN_IF_OK})["colour"] == "green"
    assert server.front_pid() == born
