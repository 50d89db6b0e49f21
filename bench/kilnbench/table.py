"""Rows of goals as lines for a terminal and as the table of docs/performance.md; the machine that they hold for."""

import os
import shutil
import subprocess

from kilnbench import proc
from kilnbench.program import TOP, kiln

DOCS = TOP / "docs" / "performance.md"
BEGIN, END = "<!-- bench/run: begin -->", "<!-- bench/run: end -->"


def commit():
    """What git calls this tree; empty where there is no git, or this is no clone."""
    words = ["git", "-C", TOP, "describe", "--always", "--dirty", "--abbrev=7"]
    return subprocess.run(words, capture_output=True, text=True).stdout.strip() if shutil.which("git") else ""


def machine():
    processor = next((line.partition(":")[2].strip() for line in proc.read("/proc/cpuinfo").splitlines()
                      if line.startswith("model name")), "?")
    version2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    date = subprocess.run(["date", "-u", "+%Y-%m-%d %H:%M UTC"], capture_output=True, text=True)
    return {"date": date.stdout.strip(), "processor": processor, "processors": os.cpu_count(),
            "memory_bytes": proc.memory().get("MemTotal", 0), "kernel": os.uname().release,
            "cgroup_version": 2 if version2 else 1, "commit": commit(), "program": kiln(),
            "load": os.getloadavg()[0]}


def verdict(row):
    return {True: "met", False: "NOT MET", None: "-"}[row["met"]]


def ratio_words(row):
    if row["ratio"] is None:
        return ""
    spread = f" ({row['low']:.2f} to {row['high']:.2f})" if "low" in row else ""
    return f"{row['ratio']:.2f}{spread}"


def line(row):
    measured = row["measured"] if row["measured"] is not None else f"not measured: {row['why']}"
    return f"{row['name']:12} {row['goal']:14} {verdict(row):8} {ratio_words(row):22} {measured}"


def cell(words):
    return str(words).replace("|", "\\|").replace("\n", " ")


def markdown(results):
    m = results["machine"]
    lines = [f"{m['date']}, commit {m['commit']}: {m['processor']}, {m['processors']} processors, "
             f"{m['memory_bytes'] / (1 << 30):.0f} GiB, Linux {m['kernel']}, cgroup version {m['cgroup_version']}; "
             f"load average {m['load']:.1f} "
             f"when it was measured{', and what was measured came first (--first)' if results.get('first') else ''}.", "",
             "| what | goal | measured | ratio (95 %) | |", "|---|---|---|---|---|"]
    for row in results["rows"]:
        measured = row["measured"] if row["measured"] is not None else f"not measured: {row['why']}"
        lines.append(f"| {cell(row['what'])} | {row['goal']} | {cell(measured)} | {ratio_words(row)} | {verdict(row)} |")
    return "\n".join(lines)


def docs_update(results):
    """Puts the table between the two marks of docs/performance.md."""
    words = DOCS.read_text()
    before, begin, rest = words.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{DOCS} lacks the marks {BEGIN} and {END}")
    DOCS.write_text(f"{before}{begin}\n{markdown(results)}\n{end}{after}")
