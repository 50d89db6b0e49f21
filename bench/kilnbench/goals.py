"""The goals and how each is measured: a function a row, which returns what it found or raises Unmeasured."""

import time

from kilnbench import proc, sessions
from kilnbench.program import Server, Unmeasured, command_request, languages, measure, request_file, setting_exists, subject

BITS = """// KILN-BENCH-RUN-NUMBER
#include <bits/stdc++.h>
int main()
{
	std::map<std::string, int> words;
	for (std::string word : {"one", "two", "two"})
		words[word]++;
	std::cout << words["two"] << "\\n";
}
"""
HUNDRED_FILES = "i=0; while [ $i -lt 100 ]; do echo $i > f$i; i=$((i+1)); done"
MANY = 1000
MIB = 1 << 20


class Plan:
    """How much is measured: everything times `scale`, at least 2 rounds and 1 run."""

    def __init__(self, scale):
        self.scale = scale

    def singles(self, rounds, runs):
        return ["--rounds", max(2, round(rounds * self.scale)), "--runs", max(1, round(runs * min(1, self.scale * 2)))]

    def rates(self):
        return ["--rate-rounds", max(2, round(10 * self.scale)), "--rate-ms", 1000]


def us(value):
    if value >= 1e6:
        return f"{value / 1e6:.2f} s"
    return f"{value / 1000:.2f} ms" if value >= 1000 else f"{value:.0f} µs"


def at_most(ratio, goal, words, **more):
    """A row whose ratio, with its interval, must not pass the goal."""
    return {"measured": words, "ratio": ratio["value"], "low": ratio["low"], "high": ratio["high"],
            "met": ratio["value"] <= goal, **more}


def against_bare(report, percentile, goal):
    kiln, bare = subject(report, "kiln"), subject(report, "bare")
    words = f"{us(kiln[percentile + '_us'])}; bare {us(bare[percentile + '_us'])}"
    return at_most(kiln[f"{percentile}_to_bare"], goal, words, report=report)


# Rows


def warm_true(plan):
    return measure("--connections", 0, *plan.singles(40, 50))


def warm_p50(plan, shared):
    shared["true"] = warm_true(plan)
    return against_bare(shared["true"], "p50", 1.5)


def warm_p99(plan, shared):
    if "true" not in shared:
        shared["true"] = warm_true(plan)
    row = against_bare(shared["true"], "p99", 3)
    row.pop("report")
    return row


def warm_without_rest(plan, shared):
    row = against_bare(measure("--connections", 0, "--rest-us", 0, *plan.singles(40, 50)), "p50", 1.5)
    row["met"] = None
    return row


def rate(plan, shared):
    report = measure("--rounds", 0, *plan.rates())
    ratio = report["rate"]["to_bare"]
    words = f"{report['rate']['runs_per_second']:.0f}/s; bare {report['rate']['bare_per_second']:.0f}/s"
    return {"measured": words, "ratio": ratio["value"], "low": ratio["low"], "high": ratio["high"],
            "met": ratio["value"] >= 0.6, "report": report}


def cold(plan, shared):
    off = ["--pool=false"] if setting_exists("pool") else []
    report = measure("--connections", 0, "--no-bare", *plan.singles(20, 20), *off)
    acquire = report["phases"]["acquire"]["p50_us"]
    return {"measured": f"{us(acquire)} (phase acquire)", "ratio": acquire / 3000, "met": acquire <= 3000, "report": report}


def hot(language, goal):
    def row(plan, shared):
        report = measure("--connections", 0, *plan.singles(10, 10), "-l", language)
        return against_bare(report, "p50", goal)

    return row


def bits(cached, goal):
    def row(plan, shared):
        source = BITS.replace("KILN-BENCH-RUN-NUMBER", "always the same") if cached else BITS
        patient = {"wall_ms": 120000, "cpu_ms": 120000}
        with request_file({"language": "cpp", "files": {"main.cpp": source}, "limits": patient}) as path:
            report = measure("--connections", 0, *plan.singles(6, 1), "--warm-up", 1, "--request", path)
        return against_bare(report, "p50", goal)

    return row


def every_language(plan, shared):
    """The worst of them decides; those that cannot be compared are named."""
    rows, missing = {}, {}
    for language in languages():
        name = language["id"]
        if not language["available"]:
            missing[name] = "not available here"
            continue
        try:
            report = measure("--connections", 0, *plan.singles(6, 3), "--warm-up", 2, "-l", name)
            kiln, bare = subject(report, "kiln"), subject(report, "bare")
            rows[name] = {"kiln_us": kiln["p50_us"], "bare_us": bare["p50_us"], **kiln["p50_to_bare"]}
        except Unmeasured as why:
            missing[name] = str(why)
    if not rows:
        raise Unmeasured("; ".join(f"{name}: {why}" for name, why in missing.items()))
    worst = max(rows, key=lambda name: rows[name]["value"])
    above = [name for name in rows if rows[name]["value"] > 1.15]
    words = f"{len(rows) - len(above)} of {len(rows)} within 1.15; worst: {worst}"
    return {"measured": words, "ratio": rows[worst]["value"], "low": rows[worst]["low"], "high": rows[worst]["high"],
            "met": not above, "languages": rows, "missing": missing}


def idle_memory(plan, shared):
    """What all processes of the sandboxes hold, and by how much the kernel's own memory grew, for each sandbox."""
    if not setting_exists("pool-min"):
        raise Unmeasured("there is no pool yet")
    count = 500
    with Server(pool_min=1, pool_max=1, hot="false") as server:
        server.wait_ready(1)
        time.sleep(2)
        before = proc.kernel_memory()
    with Server(pool_min=count, pool_max=count, pool_memory_bytes="8GiB", hot="false") as server:
        server.wait_ready(count, 300)
        time.sleep(2)
        after = proc.kernel_memory()
        grown = {name: (after[name] - before[name]) / count for name in after}
        inits = [pid for pid in proc.descendants(server.pid) if proc.is_init(pid)]
        pss = sum(proc.pss_bytes(pid) for pid in inits) / count
    total = (sum(grown.values()) + pss) / MIB
    parts = ", ".join(f"{name} {size / 1024:.0f}" for name, size in grown.items())
    words = f"{total:.2f} MiB, in KiB: its init {pss / 1024:.0f}, the kernel's {parts}"
    return {"measured": words, "ratio": total / 0.5, "met": total <= 0.5, "inits": len(inits), "kernel_bytes": grown}


def collecting(plan, shared):
    """The same program, whose files are asked for or not, in turns on one server."""
    command = ("/bin/sh", "-c", HUNDRED_FILES)
    with Server() as server, request_file(command_request(*command, collect="all")) as asked, \
            request_file(command_request(*command)) as silent:
        report = measure("--connections", 0, "--no-bare", "--url", server.url, "--request", asked, *plan.singles(20, 10),
                         "--post", f"without={silent}={server.url}/v1/runs", "--expect", '"outcome":"ok"')
        created = len(server.post(command_request(*command, collect="all"))["files"]["created"])
    if created != 100:
        raise Unmeasured(f"{created} files came back, not 100")
    more = subject(report, "kiln")["p50_us"] - subject(report, "without")["p50_us"]
    return {"measured": f"+{us(max(0, more))}", "ratio": more / 2000, "met": more <= 2000, "report": report}


DOJO_C = {
    "cyber-dojo.sh": "gcc -Wall -Wextra -O0 *.c -o test && ./test",
    "hiker.c": "int answer(void)\n{\n    return 6 * 7;\n}\n",
    "hiker.tests.c": "#include <assert.h>\n#include <stdio.h>\nint answer(void);\n"
                     "int main(void)\n{\n    assert(answer() == 42);\n    puts(\"All tests passed\");\n}\n",
}


def dojo(files, goal_ms):
    """The whole call of cyber-dojo's clients; the original takes 250 to 500 ms beyond the program itself."""

    def row(plan, shared):
        manifest = {"image_name": "host", "max_seconds": 10}
        manifest["rag_lambda"] = "lambda { |stdout, stderr, status| status == 0 ? :green : :red }"
        asked = {"id": "KILN-BENCH-RUN-NUMBER", "files": files, "manifest": manifest}
        with Server() as server, request_file(asked) as call, request_file(command_request("/bin/true")) as idle:
            report = measure("--connections", 0, "--no-bare", "--url", server.url, "--request", idle, *plan.singles(10, 10),
                             "--post", f"dojo={call}={server.url}/run_cyber_dojo_sh", "--expect", '"outcome":"green"')
        took = subject(report, "dojo")["p50_us"]
        return {"measured": us(took), "ratio": took / (goal_ms * 1000), "met": took <= goal_ms * 1000, "report": report}

    return row


def crowd(plan, shared):
    """Two servers, one with a single waiting sandbox and one with a thousand, in turns."""
    if not setting_exists("pool-min"):
        raise Unmeasured("there is no pool yet")
    both = {"hot": "false", "sessions": 0}  # with sessions a state folder is one server's
    few = {"pool_min": 2, "pool_max": 2, **both}
    many = {"pool_min": MANY, "pool_max": MANY, "pool_memory_bytes": "8GiB", **both}
    with Server(**few) as one, Server(**many) as other, request_file(command_request("/bin/true")) as request:
        other.wait_ready(MANY, 600)
        report = measure("--connections", 0, "--no-bare", "--url", other.url, *plan.singles(30, 20), "--request", request,
                         "--post", f"one={request}={one.url}/v1/runs", "--expect", '"outcome":"ok"')
    ratio = subject(report, "kiln")["p50_us"] / subject(report, "one")["p50_us"]
    words = f"{us(subject(report, 'one')['p50_us'])} with 2, {us(subject(report, 'kiln')['p50_us'])} with {MANY}"
    return {"measured": words, "ratio": ratio, "met": ratio <= 1.1, "report": report}


def session_run(plan, shared):
    """/bin/true in a session and by itself, in turns on one server."""
    report = sessions.beside_single(plan.singles(40, 20))
    ratio = sessions.ratio(report, "session", "kiln")
    words = f"{us(subject(report, 'session')['p50_us'])}; a single run {us(subject(report, 'kiln')['p50_us'])}"
    return {"measured": words, "ratio": ratio, "met": ratio <= 1, "report": report}


def sessions_flat(plan, shared):
    """Two servers, one with a single open session and one with a thousand, in turns; and what each of these took."""
    report, cost = sessions.flat(MANY, plan.singles(30, 20))
    shared["session-cost"] = cost
    ratio = sessions.ratio(report, "many", "one")
    words = f"{us(subject(report, 'one')['p50_us'])} with 1, {us(subject(report, 'many')['p50_us'])} with {MANY}"
    return {"measured": words, "ratio": ratio, "met": ratio <= 1.1, "report": report}


def session_memory(plan, shared):
    if "session-cost" not in shared:
        with sessions.crowded(MANY) as (_, _, cost):
            shared["session-cost"] = cost
    each = shared["session-cost"]["each_bytes"]
    total = sum(each.values()) / MIB
    parts = ", ".join(f"{name} {size / 1024:.1f}" for name, size in each.items())
    return {"measured": f"{total:.2f} MiB, in KiB: {parts}", "ratio": total / 0.5, "met": total <= 0.5, "each_bytes": each}


def peers(plan, shared):
    """Ahead of each peer that is here: the same job, kiln's median against theirs."""
    from kilnbench import compare

    rounds = max(3, round(10 * plan.scale))
    results = compare.run(compare.Options(rounds=rounds, runs=5, jobs=["true", "python"]))
    behind, ahead = [], []
    for job in results["jobs"]:
        kiln = subject(job["report"], "kiln")["p50_us"]
        for one in job["report"]["subjects"]:
            if one["name"] not in ("kiln", "bare") and "failed" not in one:
                (ahead if kiln < one["p50_us"] else behind).append(f"{one['name']} ({job['name']}, {one['p50_us'] / kiln:.1f} ×)")
    if not ahead and not behind:
        raise Unmeasured("no peer is installed")
    words = f"ahead in {len(ahead)} of {len(ahead) + len(behind)}" + (f"; behind {', '.join(behind)}" if behind else "")
    return {"measured": words, "ratio": None, "met": not behind, "ahead": ahead, "behind": behind,
            "comparison": results}


ROWS = (
    ("warm-p50", "warm run of `/bin/true` over kept-alive HTTP, p50 / bare p50", "≤ 1.5", warm_p50),
    ("warm-p99", "the same, p99 / bare p99", "≤ 3", warm_p99),
    ("warm-busy", "the same p50 without rest between the runs", "(no goal)", warm_without_rest),
    ("rate", "trivial runs a second at 32 connections / bare spawns a second", "≥ 0.6", rate),
    ("cold", "a sandbox made without the pool, p50", "≤ 3 ms", cold),
    ("hot-python", "Python hello over HTTP / bare", "≤ 0.5", hot("python", 0.5)),
    ("hot-node", "Node hello over HTTP / bare", "≤ 0.5", hot("javascript", 0.5)),
    ("hot-java", "Java hello over HTTP / bare", "≤ 0.3", hot("java", 0.3)),
    ("cpp-cold", "C++ with bits/stdc++.h, compile and run / bare", "≤ 0.5", bits(False, 0.5)),
    ("cpp-cached", "the same, compiled before", "≤ 0.05", bits(True, 0.05)),
    ("languages", "every language's hello, warm / bare", "≤ 1.15", every_language),
    ("idle-memory", "an idle warm sandbox without a runtime", "≤ 0.5 MiB", idle_memory),
    ("collect", "collecting 100 changed files", "≤ +2 ms", collecting),
    ("dojo-bash", "the cyber-dojo runner's whole call, `echo`, p50; theirs takes 250 to 500 ms", "≤ 25 ms",
     dojo({"cyber-dojo.sh": "echo hello"}, 25)),
    ("dojo-c", "the same, gcc and assert", "≤ 250 ms", dojo(DOJO_C, 250)),
    ("crowd", f"p50 from 2 to {MANY} idle sandboxes", "≤ 1.1 ×", crowd),
    ("session-run", "a run of `/bin/true` in a session, p50 / a warm single run", "≤ 1.0", session_run),
    ("sessions", f"p50 from 1 to {MANY} open sessions", "≤ 1.1 ×", sessions_flat),
    ("session-idle", "an open idle session", "≤ 0.5 MiB", session_memory),
    ("peers", "against other sandboxes, the same job", "ahead of each", peers),
)
