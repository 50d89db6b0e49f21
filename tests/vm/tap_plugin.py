"""A plugin of pytest (-p tap_plugin): TAP instead of its own output, each failure told when it happens.

KILN_VM_FAILED names a file that gets the ids of the tests that failed, a line each.
"""

import os


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = set()

    def result(self, good, name, skip=None):
        self.count += 1
        directive = f" # SKIP {' '.join(skip.split())}" if skip is not None else ""
        print(f"{'ok' if good else 'not ok'} {self.count} - {name.replace('#', '')}{directive}", flush=True)

    def details(self, report):
        sections = [report.longreprtext, *(f"{title}:\n{text}" for title, text in report.sections)]
        for line in "\n".join(sections).splitlines():
            print(f"#   {line}", flush=True)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.add(report.nodeid)
            self.result(False, report.nodeid if report.when == "call" else f"{report.nodeid}, its {report.when}")
            self.details(report)
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", "")
            self.result(True, report.nodeid, reason.removeprefix("Skipped: "))
        elif report.when == "call":
            self.result(True, report.nodeid)

    def pytest_collectreport(self, report):
        if report.failed:
            self.failed.add(report.nodeid)
            self.result(False, f"{report.nodeid}, reading it")
            self.details(report)
        elif report.skipped:
            self.result(True, report.nodeid, report.longrepr[2].removeprefix("Skipped: "))

    def pytest_sessionfinish(self):
        print(f"1..{self.count}", flush=True)
        if "KILN_VM_FAILED" in os.environ:
            with open(os.environ["KILN_VM_FAILED"], "w") as file:
                file.writelines(f"{test}\n" for test in sorted(self.failed))

    def pytest_report_teststatus(self, report):
        """No dots between the lines."""
        return ("error" if report.failed else report.outcome), "", ""


def pytest_configure(config):
    config.pluginmanager.register(Tap(), "tap")
