"""Reads what the guest prints: suites of TAP between marked lines."""

import re

RESULT = re.compile(r"^(not )?ok\b[ \t]*\d*[ \t]*-?[ \t]*([^#]*?)[ \t]*(?:#[ \t]*(?i:skip)\S*[ \t]*(.*))?$")
PLAN = re.compile(r"^1\.\.(\d+)")
OUTCOMES = ("passed", "failed", "skipped")


class Suite:
    """One suite, fed line by line: (outcome, name, reason of a skip) for each test. end() has the last word."""

    def __init__(self, role, name, again=None):
        self.title = f"{role} {name}"
        self.again = again == "again"
        self.unsteady = []
        self.results = []
        self.planned = None
        self.ended = False

    def feed(self, line):
        plan, result = PLAN.match(line), RESULT.match(line)
        if plan:
            # A suite may be several programs, each with its own plan.
            self.planned = (self.planned or 0) + int(plan[1])
        elif result:
            bad, name, skip = result.groups()
            # cmocka says `not ok 4 # SKIP name` of a test that skips itself.
            outcome = "skipped" if skip is not None else "failed" if bad else "passed"
            self.results.append((outcome, name or skip, skip if name and skip else ""))

    def fail(self, why):
        self.results.append(("failed", why, ""))

    def end(self, code):
        """The exit code of the suite must agree with what it printed, and it must have run something."""
        self.ended = True
        if self.planned != len(self.results):
            self.fail(f"planned {self.planned} tests, reported {len(self.results)}")
        if code and not self.counts()["failed"]:
            self.fail(f"ended with code {code}, but no test failed")
        if not self.results:
            self.fail("ran no test")

    def take_second(self, second):
        """Tests of this suite that failed, and passed when they were tried once more, have passed."""
        outcomes = {}
        for outcome, name, _ in second.results:
            test = name.partition(", its ")[0]
            outcomes[test] = "failed" if "failed" in (outcome, outcomes.get(test)) else outcome
        for at, (outcome, name, reason) in enumerate(self.results):
            if outcome == "failed" and outcomes.get(name.partition(", its ")[0]) == "passed":
                self.results[at] = ("passed", name, reason)
                self.unsteady.append(name)

    def counts(self):
        outcomes = [outcome for outcome, _, _ in self.results]
        return {outcome: outcomes.count(outcome) for outcome in OUTCOMES}


class Report:
    """All suites of a machine. The guest's own lines begin with a word that no program under test knows."""

    def __init__(self, word):
        self.word = word
        self.mark = f"::{word} "
        self.suites = []
        self.ready = self.done = self.broken = False

    def running(self):
        """The suite that is on, or None."""
        return self.suites[-1] if self.suites and not self.suites[-1].ended else None

    def feed(self, line):
        """True when the line is for people; marked lines are not."""
        if not line.startswith(self.mark):
            if self.running():
                self.running().feed(line)
            return True
        verb, *words = line[len(self.mark) :].split()
        if verb == "ready":
            self.ready = True
        elif verb == "done":
            self.done = True
        elif verb == "suite":
            self.suites.append(Suite(*words))
        elif verb == "end":
            self.suites[-1].end(int(words[0]))
            if self.suites[-1].again and len(self.suites) > 1:
                second = self.suites.pop()
                self.suites[-1].take_second(second)
        return False

    def close(self, why):
        """`why` the machine ended before it was done, or None."""
        if not why:
            return
        self.broken = True
        if not self.running():
            self.suites.append(Suite("the", "machine"))
        self.suites[-1].fail(why)
        self.suites[-1].ended = True

    def complete(self):
        """Whether it is known how the machine ended."""
        return self.done or self.broken

    def total(self):
        return {outcome: sum(suite.counts()[outcome] for suite in self.suites) for outcome in OUTCOMES}

    def all_results(self):
        for suite in self.suites:
            for outcome, name, reason in suite.results:
                yield outcome, f"{suite.title}: {name}", reason

    def lines(self):
        """The summary; the last line is the one that runners of tests look for."""
        for wanted in ("skipped", "failed"):
            for outcome, name, reason in self.all_results():
                if outcome == wanted:
                    yield f"{wanted.upper()} {name}" + (f": {reason}" if reason else "")
        for suite in self.suites:
            yield from (f"UNSTEADY {suite.title}: {name}: failed once, passed when tried again" for name in suite.unsteady)
        for suite in self.suites:
            yield f"{suite.title}: {counted(suite.counts())}"
        yield counted(self.total())

    def tap(self):
        for outcome, name, reason in self.all_results():
            directive = f" # SKIP {reason}" if outcome == "skipped" else ""
            yield f"{'not ok' if outcome == 'failed' else 'ok'} - {name}{directive}\n"


def counted(counts):
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES)
