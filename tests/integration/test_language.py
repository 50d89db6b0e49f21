"""kiln language: its tests of languages, and languages of a site's own."""

import json
import os
from pathlib import Path

import pytest

from kilntest.settings import seconds
from test_cli import Cli

# What every machine of the tests has, and nothing that takes long.
QUICK = ["bash", "perl", "c"]
OWN = """\
id: shout
name: Shout
aliases: [loud]
version: "1.2"
image: host
source_file: main.shout
extensions: [shout]
requires: [/bin/sh]
run: {command: [sh, "{entry}"]}
hello: |
  echo "Hello, World!"
"""


@pytest.fixture()
def cli():
    one = Cli()
    yield one
    one.home.cleanup()


def results_of(cli, *names):
    done = cli.run("language", "test", "--json", *names, timeout=seconds(120))
    return done, json.loads(done.stdout)["languages"]


def test_proves_the_host_s_languages(cli):
    done, languages = results_of(cli, *(name + "@*" for name in QUICK))
    assert (done.returncode, [one["problems"] for one in languages if not one["ok"]]) == (0, [])
    assert {one["id"] for one in languages} == set(QUICK)
    for one in languages:
        assert all(value is True for value in one["checks"].values()) and one["hello_ms"] >= 0
        assert {"hello", "echo", "compile_error", "runtime_error", "endless_loop", "memory_hog"} <= set(one["checks"])


def test_prints_a_table(cli):
    done = cli.run("language", "test", "sh")
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0 and lines[0].split() == ["LANGUAGE", "VERSION", "IMAGE", "RESULT", "CHECKS", "HELLO"]
    assert lines[1].split()[:3] == ["sh", "host", "ok"]


def test_says_which_check_failed_and_how(cli):
    cli.run("language", "add", cli.write("shout.yaml", OWN.replace("Hello", "Goodbye")))
    done, (shout,) = results_of(cli, "loud")
    assert (done.returncode, shout["ok"], shout["checks"]) == (1, False, {"hello": False})
    assert shout["problems"] == ["hello: printed something else: the outcome is ok in step run: Goodbye, World!"]


def test_a_name_that_is_no_language_is_told(cli):
    done = cli.run("language", "test", "klingon")
    assert done.returncode == 1 and b"klingon: there is no such language" in done.stdout


def test_a_language_that_is_not_here_is_told(cli):
    done = cli.run("language", "test", "vbnet")
    assert done.returncode == 1 and b"vbnet: is not installed on this node, nor is its image" in done.stdout


def test_a_language_of_the_site_s_own_runs(cli):
    done = cli.run("language", "add", cli.write("shout.yaml", OWN))
    assert (done.returncode, done.stdout) == (0, b"shout 1.2: added, image host\n")
    assert cli.run("run", "-l", "loud@1", cli.write("main.shout", "echo own\n")).stdout == b"own\n"
    listed = {one["id"]: one for one in json.loads(cli.run("languages", "--json").stdout)["languages"]}
    assert listed["shout"]["available"] and listed["shout"]["aliases"] == ["loud"]


def test_a_language_of_the_site_s_own_takes_the_place_of_kiln_s(cli):
    done = cli.run("language", "add", cli.write("x.yaml", OWN.replace("id: shout", "id: bash")))
    assert (done.returncode, done.stdout) == (0, b"bash 1.2: replaced, image host\n")
    assert cli.run("run", "-l", "bash@1.2", cli.write("main.shout", "echo own\n")).stdout == b"own\n"


def test_a_wrong_file_is_refused_and_changes_nothing(cli):
    done = cli.run("language", "add", cli.write("shout.yaml", OWN.replace("version:", "vershun:")))
    assert done.returncode == 2 and b"shout.yaml:4: vershun: there is no such key" in done.stderr
    assert b"shout" not in cli.run("languages").stdout


@pytest.mark.parametrize("args", [[], ["prove"], ["add"], ["add", "a", "b"], ["add", "/nowhere.yaml"], ["test", "c@@"]])
def test_misuse_is_refused(cli, args):
    done = cli.run("language", *args)
    assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith(b"kiln: ") and not done.stdout


def test_what_another_writes_into_the_folder_is_read_at_the_next_start(cli):
    cli.run("language", "add", cli.write("shout.yaml", OWN))
    path = next(Path(cli.home.home.parent).rglob("languages/shout.yaml"))
    assert os.listdir(path.parent) == ["shout.yaml"]
    path.unlink()
    assert b"shout" not in cli.run("languages").stdout
