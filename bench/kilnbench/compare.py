"""kiln beside other sandboxes: the same jobs, in turns, and what came of it as text and picture."""

import contextlib
import dataclasses
import tempfile
from pathlib import Path

from kilnbench import peers as peers_of
from kilnbench import picture, table
from kilnbench.program import Unmeasured, command_request, measure, request_file

# With a mark, so that no cache of a server knows it (kiln bench puts a number there).
HELLO_C = '/* KILN-BENCH-RUN-NUMBER */\n#include <stdio.h>\nint main(void)\n{\n\tputs("Hello, World!");\n}\n'


@dataclasses.dataclass
class Job:
    """`command` runs in a folder with the files; `folder` is where they are for those who mount one."""

    name: str
    what: str
    command: list
    files: dict
    language: str = ""
    folder: str = ""


def jobs():
    return [
        Job("true", "/bin/true", ["/bin/true"], {}),
        Job("python", "a Python hello", ["/usr/bin/python3", "main.py"], {"main.py": 'print("Hello, World!")\n'}, "python"),
        Job("c", "compiling and running a C hello", ["/bin/sh", "-c", "gcc -O2 -pipe -o /tmp/main main.c && /tmp/main"],
            {"main.c": HELLO_C}, "c"),
    ]


@dataclasses.dataclass
class Options:
    rounds: int = 10
    runs: int = 5
    rest_us: int = 2000
    jobs: list = dataclasses.field(default_factory=lambda: ["true", "python", "c"])
    only: list = dataclasses.field(default_factory=list)
    go_judge: str = ""
    piston: str = ""


def kiln_request(job):
    """By its language where kiln knows one, as a client would ask; else the command."""
    if job.language:
        return {"language": job.language, "files": job.files}
    return command_request(*job.command, files=job.files)


def job_measure(job, ready, options):
    """Peers that fail at a trial are left out before anything is measured."""
    words, left_out = [], {}
    for peer in ready:
        try:
            how = peer.command(job)
            if isinstance(how, list):
                peers_of.quiet(*how)
            words += peers_of.as_option(peer.name, how)
        except (Unmeasured, OSError) as why:
            left_out[peer.name] = str(why)
    with request_file(kiln_request(job)) as path:
        report = measure("--connections", 0, "--rounds", options.rounds, "--runs", options.runs, "--warm-up", 2,
                         "--rest-us", options.rest_us, "--request", path, *words)
    return {"name": job.name, "what": job.what, "report": report, "left_out": left_out}


def run(options):
    """Measures. {"machine", "jobs": […], "missing": {peer: why}}"""
    missing, results = {}, []
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kiln-bench-compare-", ignore_cleanup_errors=True)))
        work.chmod(0o755)
        ready = []
        for peer in peers_of.all_peers(options.go_judge, options.piston, options.runs):
            if options.only and peer.name not in options.only:
                continue
            folder = work / peer.name.replace(" ", "-")
            folder.mkdir()
            try:
                peer.prepare(stack, folder)
                ready.append(peer)
            except (Unmeasured, OSError) as why:
                missing[peer.name] = str(why)
        for job in jobs():
            if job.name not in options.jobs:
                continue
            job.folder = str(work / f"job-{job.name}")
            Path(job.folder).mkdir()
            for name, text in job.files.items():
                Path(job.folder, name).write_text(text)
            results.append(job_measure(job, ready, options))
    return {"machine": table.machine(), "rounds": options.rounds, "runs": options.runs, "jobs": results, "missing": missing}


def measured(job):
    """The subjects that did not fail, fastest first."""
    return sorted((one for one in job["report"]["subjects"] if "failed" not in one), key=lambda one: one["p50_us"])


def kiln_of(job):
    return next(one for one in job["report"]["subjects"] if one["name"] == "kiln")


def text(results):
    lines = []
    for job in results["jobs"]:
        own = kiln_of(job)["p50_us"]
        lines += [f"{job['what']}: {results['rounds']} rounds of {results['runs']} runs, in turns", ""]
        lines.append(f"  {'':16}{'p50':>12}{'p99':>12}  {'× bare (95 %)':24}× kiln")
        for one in measured(job):
            ratio = one.get("p50_to_bare")
            words = f"{ratio['value']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})" if ratio else ""
            lines.append(f"  {one['name']:16}{picture.time_words(one['p50_us']):>12}{picture.time_words(one['p99_us']):>12}  "
                         f"{words:24}{one['p50_us'] / own:.2f}")
        for one in job["report"]["subjects"]:
            if "failed" in one:
                lines.append(f"  {one['name']:16}failed: {one['failed']}")
        lines += [f"  {name:16}left out: {why}" for name, why in job["left_out"].items()] + [""]
    lines += [f"{name}: {why}" for name, why in results["missing"].items()]
    return "\n".join(lines)


def picture_of(job, machine):
    own = kiln_of(job)["p50_us"]
    rows = [(one["name"], one["p50_us"], one["p99_us"], f"{one['p50_us'] / own:.2f} × kiln", one["name"] == "kiln")
            for one in measured(job)]
    subtitle = (f"from the request to the result: p50, line to p99, logarithmic; {machine['processor']}, "
                f"{machine['processors']} processors, {machine['date']}")
    return picture.bars(job["what"], subtitle, rows)
