"""kiln bench: what it measures is plausible, what it prints is well formed, and nothing of it stays."""

import json
import signal
import time
from pathlib import Path

import pytest

from kilntest import host
from kilntest.server import Server
from kilntest.settings import seconds

from test_cli import Cli, one_line

FEW = ["--rounds", "3", "--runs", "4", "--warm-up", "2", "--rest-us", "0"]
RATES = ["--connections", "4", "--rate-rounds", "2", "--rate-ms", str(int(seconds(200)))]
NO_RATES = ["--connections", "0"]


@pytest.fixture(scope="module")
def cli():
    one = Cli()
    yield one
    one.home.cleanup()


def report(cli, *args):
    done = cli.run("bench", "--json", *args, timeout=120)
    assert done.returncode == 0, done
    assert done.stderr == b"", done
    return json.loads(done.stdout)


def subject(document, name):
    return next(one for one in document["subjects"] if one["name"] == name)


def folders():
    return {path.name for place in ("/dev/shm", "/tmp") for path in Path(place).glob("kiln-bench-*")}


def assert_percentiles(one, runs):
    assert one["runs"] == runs
    assert 0 < one["min_us"] <= one["p50_us"] <= one["p90_us"] <= one["p99_us"] <= one["max_us"]
    assert one["min_us"] <= one["mean_us"] <= one["max_us"]


def test_single_runs_and_rates_come_with_ratios_and_their_spread(cli):
    document = report(cli, *FEW, *RATES)
    kiln, bare = subject(document, "kiln"), subject(document, "bare")
    assert document["job"] == "/bin/true"
    assert document["machine"]["processors"] >= 1 and document["machine"]["kernel"]
    for one in (kiln, bare):
        assert_percentiles(one, 12)
    ratio = kiln["p50_to_bare"]
    assert 0 < ratio["low"] <= ratio["value"] <= ratio["high"]
    assert ratio["value"] == pytest.approx(kiln["p50_us"] / bare["p50_us"], abs=0.01)
    assert 0 < document["phases"]["total"]["p50_us"] <= kiln["p50_us"]
    rate = document["rate"]
    assert rate["runs_per_second"] > 0 and rate["bare_per_second"] > 0 and rate["refused"] == 0
    assert rate["to_bare"]["value"] == pytest.approx(rate["runs_per_second"] / rate["bare_per_second"], abs=0.01)
    assert_percentiles(rate["answers"], rate["answers"]["runs"])


def test_a_language_runs_its_hello_program_and_its_folder_goes_away(cli):
    before = folders()
    document = report(cli, *FEW, *NO_RATES, "-l", "sh")
    assert document["job"] == "sh"
    assert_percentiles(subject(document, "bare"), 12)
    assert "rate" not in document
    assert folders() <= before


def test_peers_are_measured_beside_it_and_one_that_fails_is_named(cli):
    document = report(cli, *FEW, *NO_RATES, "--peer", "sleeper=sleep 0.05", "--peer", "broken=sh -c 'exit 3'")
    assert subject(document, "sleeper")["min_us"] >= 50000
    assert subject(document, "sleeper")["p50_to_bare"]["value"] > 1
    assert "exit code 3" in subject(document, "broken")["failed"]


def test_a_marked_request_is_another_one_each_time(cli):
    program = "import sys\nnumber = 'KILN-BENCH-RUN-NUMBER'\nsys.exit(not number.isdigit())\n"
    request = cli.write("marked.json", json.dumps({"language": "python", "files": {"main.py": program}}))
    document = report(cli, *FEW, *NO_RATES, "--no-bare", "--request", request)
    assert_percentiles(subject(document, "kiln"), 12)


def test_its_own_server_has_the_settings_given_and_is_asked_with_its_token(cli):
    document = report(cli, *FEW, *NO_RATES, "--tokens", "me=a-long-enough-secret")
    assert_percentiles(subject(document, "kiln"), 12)


def test_another_server_is_measured_by_its_address(cli):
    server = Server().start()
    try:
        document = report(cli, *FEW, *RATES, "--no-bare", "--url", f"http://127.0.0.1:{server.port}")
    finally:
        server.stop()
    assert [one["name"] for one in document["subjects"]] == ["kiln"]
    assert document["rate"]["runs_per_second"] > 0 and "bare_per_second" not in document["rate"]


def test_a_refusal_of_the_server_is_told(cli):
    server = Server(tokens=["a-long-enough-secret"]).start()
    try:
        done = cli.run("bench", *FEW, *NO_RATES, "--url", f"http://127.0.0.1:{server.port}")
    finally:
        server.stop()
    assert done.returncode == 1
    one_line(done, "401")


def test_a_job_that_fails_is_no_measurement(cli):
    done = cli.run("bench", *FEW, *NO_RATES, "--no-bare", "--", "false")
    assert done.returncode == 1
    one_line(done, "kiln", "outcome failed")
    assert done.stdout == b""


def test_bad_usage_is_said_in_one_line(cli):
    for args, words in (
        (["--runs", "0"], ["0", "number"]),
        (["--peer", "nothing"], ["NAME=COMMAND"]),
        (["--expect", "x"], ["--post"]),
        (["-l", "sh", "--", "true"], ["one of"]),
        (["-l", "no-such-language"], ["no-such-language"]),
        (["--bare", "no-such-program-of-kiln"], ["no-such-program-of-kiln"]),
        (["true"], ["true"]),
    ):
        done = cli.run("bench", *args)
        assert done.returncode == 2, done
        one_line(done, *words)


def test_an_interrupted_measurement_leaves_nothing(cli):
    before = folders()
    with cli.popen("bench", "--rounds", "100000", *NO_RATES) as process:
        host.wait_until(lambda: host.sandboxed_below(process.pid), 20, "it runs nothing")
        began = host.descendants(process.pid)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=seconds(30))
        assert process.returncode == 1
        assert b"interrupted" in err
    host.wait_until(lambda: not any(host.is_alive(pid) for pid in began), 20, "processes are left")
    assert folders() <= before
