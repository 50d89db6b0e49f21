"""What tests of the suites cannot hold when sandboxes are containers, and why. docs/engines.md says the same to users."""

from fnmatch import fnmatchcase

OWN_STORE = "in containers: its images are made in kiln's own store"
NATIVE = "in containers: sessions are the native engine's"

# Shell patterns for what follows tests/, the first that fits; everything else holds as it does natively.
DIFFERENT = {
    "api/test_cyber_dojo*.py::*": OWN_STORE,
    "api/test_sessions*.py::*": NATIVE,
    "attacks/test_between_users.py::*": NATIVE,
    "api/test_environment.py::test_loopback_does_not_work_unasked": "in containers: the loopback interface is always up",
    "api/test_environment.py::test_folders_of_the_host_are_absent_or_empty[[]/sys]": "in containers: /sys is there, masked",
    "api/test_environment.py::test_dev_holds_only_harmless_nodes": "in containers: /dev has what the daemon makes",
}


def why_different(test):
    """Of a test by pytest's name for it; None: it holds."""
    name = test.rpartition("tests/")[2]
    return next((why for pattern, why in DIFFERENT.items() if fnmatchcase(name, pattern)), None)
