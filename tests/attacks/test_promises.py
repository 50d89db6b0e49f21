"""The page that says how each promise of SECURITY.md is tested names tests that exist, for every promise."""

import re

import battery
import pytest

from kilntest.settings import ROOT

HEADING = "## How each promise is tested\n"


def rows():
    """The table's rows: what each is about, and the names in it."""
    part = (ROOT / "docs" / "security.md").read_text().partition(HEADING)[2].partition("\n## ")[0]
    found = re.findall(r"^\| (.*?) \| (.*) \|$", part, re.MULTILINE)
    return {about: re.findall(r"`(.*?)`", text) for about, text in found if about != "promise"}


def is_there(name):
    path, _, test = name.partition("::")
    if "/" not in path:
        return path in battery.names()
    return (ROOT / path).exists() and f"def {test}(" in (ROOT / path).read_text() + "def ("


def test_every_promise_has_its_tests():
    text = (ROOT / "SECURITY.md").read_text().partition("## What is promised")[2].partition("\n## ")[0]
    promises = re.findall(r"^(\d+)\.", text, re.MULTILINE)
    assert len(promises) >= 13
    assert [about.split()[0] for about in rows() if about[0].isdigit()] == promises


@pytest.mark.parametrize("about", rows())
def test_the_named_tests_exist(about):
    assert rows()[about]
    assert not [name for name in rows()[about] if not is_there(name)]
