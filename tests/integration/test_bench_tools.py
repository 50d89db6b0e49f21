"""bench/: its pictures, its table and its verdicts; what they measure is tested with kiln bench."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from kilntest.server import Home
from kilntest.settings import KILN, seconds

BENCH = Path(__file__).resolve().parent.parent.parent / "bench"
sys.path.insert(0, str(BENCH))

from kilnbench import goals, picture, table  # noqa: E402


def script(name):
    loader = SourceFileLoader(f"bench_{name}", str(BENCH / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def texts(svg):
    return [element.text for element in xml.etree.ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_bars_name_everybody_and_escape_what_they_say():
    svg = picture.bars("a <job>", "here & now", [("kiln", 900.0, 1500.0, "1.00 × kiln", True), ("other", 2e6, 3e6, "2 ×", False)])
    words = texts(svg)
    assert "a <job>" in words and "here & now" in words
    assert {"kiln", "other"} <= set(words)
    assert any("2.00 s" in word for word in words)
    assert "prefers-color-scheme: dark" in svg


def test_a_flame_is_as_wide_as_its_share():
    svg = picture.flame("time", "all", {("front", "main", "read"): 3, ("front", "main", "write_[k]"): 1})
    widths = {}
    for group in xml.etree.ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect"):
        if len(group):
            widths[group[0].text.rpartition(":")[0]] = float(group.get("width"))
    assert widths["main"] == pytest.approx(4 * widths["write_[k]"], rel=0.01)
    assert widths["read"] == pytest.approx(3 * widths["write_[k]"], rel=0.01)


def test_perfs_samples_become_stacks():
    text = (
        "kiln    42 \n\tffffffff81 do_fork+0x10 ([kernel.kallsyms])\n\t      55aa run_start+0x5 (/usr/bin/kiln)\n\n"
        "two words   7 \n\t      55aa main+0x5 (/usr/bin/two)\n\n"
    )
    stacks = script("flame").stacks_read(text, {42: "front"})
    assert stacks == {("front", "run_start", "do_fork_[k]"): 1, ("sandboxes: two words", "main"): 1}


MINUTE = {"runs": 1, "p99_us": 1000.0, "keeper_bytes": 1 << 20, "front_bytes": 1 << 20, "keeper_fds": 10, "front_fds": 10, "processes": 10,
          "mounts": 20, "cgroups": 10, "kernel_bytes": 100 << 20, "memory_cgroups": 50, "refused": 0}


def test_a_soak_that_stays_flat_has_no_fault_and_one_that_grows_names_it():
    soak = script("soak")
    assert soak.faults([MINUTE, MINUTE, MINUTE]) == []
    grown = dict(MINUTE, front_fds=400)
    assert soak.faults([MINUTE, MINUTE, grown]) == ["front_fds grew from 10 to 400"]
    assert soak.faults([MINUTE, MINUTE, dict(MINUTE, refused=1)]) == ["runs were refused"]


def test_a_row_says_whether_it_is_met_or_why_it_was_not_measured():
    row = {"name": "x", "what": "a|b", "goal": "≤ 1.5", "measured": "2 ms", "ratio": 2.0, "low": 1.9, "high": 2.1, "met": False}
    missing = {"name": "y", "what": "c", "goal": "≤ 1", "measured": None, "ratio": None, "met": None, "why": "no such thing"}
    assert re.search(r"NOT MET +2.00 \(1.90 to 2.10\) +2 ms", table.line(row))
    assert "not measured: no such thing" in table.line(missing)
    words = table.markdown({"machine": table.machine(), "rows": [row, missing]})
    assert "| a\\|b | ≤ 1.5 | 2 ms | 2.00 (1.90 to 2.10) | NOT MET |" in words.splitlines()


def test_the_table_has_a_place_in_the_documentation(tmp_path, monkeypatch):
    page = tmp_path / "performance.md"
    page.write_text((BENCH.parent / "docs" / "performance.md").read_text())
    monkeypatch.setattr(table, "DOCS", page)
    row = {"name": "x", "what": "what", "goal": "≤ 1", "measured": "1", "ratio": None, "met": True}
    table.docs_update({"machine": table.machine(), "rows": [row]})
    table.docs_update({"machine": table.machine(), "rows": [row]})
    assert page.read_text().count("| what | ≤ 1 | 1 |  | met |") == 1


def test_rows_are_measured_and_those_that_cannot_be_say_why(tmp_path):
    output = tmp_path / "results.json"
    home = Home()
    done = subprocess.run([BENCH / "run", "--scale", "0.02", "--only", "warm-p50,collect,hot-java", "--output", output],
                          env={**os.environ, "KILN_BIN": str(KILN), "KILN_STATE_DIR": str(home.path / "state")}, capture_output=True,
                          text=True, timeout=seconds(120))
    home.cleanup()
    assert done.returncode in (0, 1), done
    rows = {row["name"]: row for row in json.loads(output.read_text())["rows"]}
    assert rows["warm-p50"]["ratio"] > 0 and rows["warm-p50"]["low"] <= rows["warm-p50"]["high"]
    assert rows["collect"]["measured"].startswith("+")
    assert rows["hot-java"]["measured"] or rows["hot-java"]["why"]


def test_an_unknown_row_is_refused_with_those_that_there_are():
    done = subprocess.run([BENCH / "run", "--only", "nonsense"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "nonsense" in done.stderr and goals.ROWS[0][0] in done.stderr
