"""What tests of the suites cannot hold when sandboxes are containers, and why. docs/engines.md says the same to users."""

from fnmatch import fnmatchcase

from kilntest.settings import ENGINE

FOLDERS = "in containers: each folder has the limit, and that all together keep to it is watched"
GROUPS = "in containers: /sys is there, masked, and in it the container's own control groups, read-only"
PROC = "in containers: /proc shows what anybody may read of init, and the namespaces that all containers share"
HOST_RULES = "in containers: the programs of the host are an image, which may have rules of its own"
DEVICES = "in containers: /dev has what the daemon makes, ptmx and mqueue among it"
HOST = "in containers: the engine and its image of the host have other names"

# Shell patterns for what follows tests/, the first that fits; everything else holds as it does natively.
DIFFERENT = {
    "api/test_environment.py::test_loopback_does_not_work_unasked": "in containers: the loopback interface is always up",
    "api/test_environment.py::test_folders_of_the_host_are_absent_or_empty[[]/sys]": "in containers: /sys is there, masked",
    "api/test_limits.py::test_a_full_disk_that_fails_the_program_is_disk_exceeded*": FOLDERS,
    "api/test_limits.py::test_all_places_together_share_one_disk_budget": FOLDERS,
    "api/test_cyber_dojo.py::test_the_user_is_cyber_dojos": "in containers: each has a uid of its own",
    "api/test_sessions_large.py::test_large_sessions_hold_nobody_up": "in containers: who waits for a container waits for the daemon",
    "api/test_sessions_survival.py::test_a_session_expires_while_no_front_knows": "in containers: a session is no descriptor of the keeper's",
    "api/test_node.py::test_images_name_the_host_with_its_digest": HOST,
    "api/test_node.py::test_the_image_of_a_run_is_the_one_listed": HOST,
    "api/test_node.py::test_the_node_says_version_engine_and_what_it_enforces": HOST,
    "attacks/test_after.py::test_sockets_left_in_flight_are_not_met_by_later_runs": "in containers: the runtime has a socket in each network too",
    "attacks/test_attacks.py::test_holds_against[[]cgroup_left]": GROUPS,
    "attacks/test_attacks.py::test_holds_against[[]settings_of_the_kernel]": GROUPS,
    "attacks/test_attacks.py::test_holds_against[[]init_seen_through_proc]": PROC,
    "attacks/test_attacks.py::test_holds_against[[]spared_by_the_oom_killer]": PROC,
    "attacks/test_attacks.py::test_holds_against[[]locks_across]": PROC,
    "attacks/test_attacks.py::test_holds_against[[]memory_in_tcp_sockets]": "in containers: with cgroup version 1 nothing bounds the buffers of TCP",
    "attacks/test_attacks.py::test_holds_against[[]raw_devices]": DEVICES,
    "attacks/test_attacks.py::test_holds_against[[]stdout_by_name]": DEVICES,
    "api/test_environment.py::test_dev_holds_only_harmless_nodes": DEVICES,
    "api/test_openapi.py::test_example_gives_what_the_page_says[[]traffic_light_missing]": HOST_RULES,
    "api/test_traffic_light.py::test_a_light_that_nobody_brings_is_refused*": HOST_RULES,
    "api/test_ws_tty.py::test_without_one_nothing_is_a_terminal": DEVICES,
}

# The same of Podman, beside all of the above: KILN_TEST_ENGINE=podman.
NO_COUNT = "under Podman: a tmpfs has no limit of files, and memory ends the program"
PODMAN_DIFFERENT = {
    "attacks/test_attacks.py::test_holds_against[[]hundred_thousand_files]": NO_COUNT,
    "api/test_limits.py::test_files_without_bytes_are_bounded_too": NO_COUNT,
}

# The same of gVisor's kernel, beside all of the above: KILN_TEST_ENGINE=gvisor.
STATUS = "under gVisor: /proc/self/status has fewer lines"
APART = "under gVisor: containers share neither files nor a network, and sessions are refused"
NO_FILES = "under gVisor: a tmpfs has no limit of files"
ALLOWS = "under gVisor: its kernel allows what means nothing to it, and reaches nothing of this machine"
NO_NUMBERS = "under gVisor: the call numbers of int 0x80 are those of 64 bits"
OF_INIT = "under gVisor: init's environment can be opened, and is empty"
OWN_PROC = "under gVisor: /proc/cmdline is one that it makes up"
EXEC = "under gVisor: execve(2) in a thread whose first one has ended does not return"
SIZES = "under gVisor: a size beyond file_bytes is refused before whose file it is"
IN_FLIGHT = "under gVisor: descriptors in flight are memory of its own, and not counted"
UNSEEN = "under gVisor: programs are no processes of this machine that a test could look for"
GVISOR_DIFFERENT = {
    "api/test_clients.py::test_a_vanished_client_s_run_is_cancelled*": UNSEEN,
    "api/test_clients.py::test_a_client_that_vanishes_while_it_waits_frees_its_place": UNSEEN,
    "api/test_clients.py::test_no_more_than_parallel_runs_run_at_once": UNSEEN,
    "api/test_ws.py::test_a_client_that_vanishes_takes_its_runs_along": UNSEEN,
    "api/test_ws_protocol.py::test_a_client_that_does_not_answer_pings_is_gone": UNSEEN,
    "api/test_ws_protocol.py::test_a_half_closed_connection_is_closed_with_a_reason_and_its_runs_end": UNSEEN,
    "api/test_ws_protocol.py::test_runs_of_a_connection_that_is_closed_for_a_fault_are_cancelled": UNSEEN,
    "attacks/test_attacks.py::test_holds_against[[]calls_of_32_bits]": NO_NUMBERS,
    "attacks/test_attacks.py::test_holds_against[[]environment_of_wrappers]": OF_INIT,
    "attacks/test_attacks.py::test_holds_against[[]exit_after_leader_gone]": EXEC,
    "attacks/test_attacks.py::test_holds_against[[]fd_exhaustion]": IN_FLIGHT,
    "attacks/test_attacks.py::test_holds_against[[]filters_on_sockets]": ALLOWS,
    "attacks/test_attacks.py::test_holds_against[[]hundred_thousand_files]": NO_FILES,
    "attacks/test_attacks.py::test_holds_against[[]init_attacked_by_calls]": ALLOWS,
    "attacks/test_attacks.py::test_holds_against[[]masks_of_proc_lifted]": OWN_PROC,
    "attacks/test_attacks.py::test_holds_against[[]memory_locked]": ALLOWS,
    "attacks/test_attacks.py::test_holds_against[[]priorities_raised]": ALLOWS,
    "attacks/test_attacks.py::test_holds_against[[]process_controls_undone]": ALLOWS,
    "attacks/test_attacks.py::test_holds_against[[]programs_overwritten]": SIZES,
    "attacks/test_attacks.py::test_holds_against[[]setuid_binaries]": STATUS,
    "attacks/test_attacks.py::test_holds_against[[]sockets_of_every_family]": "under gVisor: /dev has its own net/tun and fuse",
    "attacks/test_attacks.py::test_holds_against[[]status_check]": STATUS,
    "attacks/test_attacks.py::test_holds_against[[]terminal_and_session]": DEVICES,
    "attacks/test_terminals.py::test_a_terminal_cannot_be_typed_into_or_made_to_load_modules": "under gVisor: /dev/tty cannot be opened",
    "api/test_sessions*.py::*": APART,
    "api/test_cyber_dojo_stateful.py::*": APART,
    "api/test_cyber_dojo_golden.py::test_a_recorded_call_is_answered_as_it_was[[]created_51K]": "under gVisor: stat of coreutils 9 fails",
    "attacks/test_between_users.py::*": APART,
    "api/test_environment.py::test_the_program_has_no_capability[[]CapAmb]": STATUS,
    "api/test_environment.py::test_the_program_is_locked_in[[]NoNewPrivs-1]": STATUS,
    "api/test_environment.py::test_no_signal_is_blocked_or_ignored": STATUS,
    "api/test_environment.py::test_the_init_cannot_be_looked_into": "under gVisor: anybody sees at which addresses another process has what",
    "api/test_ws_tty.py::*": "under gVisor: terminals are not to be relied on",
    "api/test_limits.py::test_files_without_bytes_are_bounded_too": NO_FILES,
}


def why_different(test):
    """Of a test by pytest's name for it; None: it holds."""
    name = test.rpartition("tests/")[2]
    different = {**DIFFERENT, **{"podman": PODMAN_DIFFERENT, "gvisor": GVISOR_DIFFERENT}.get(ENGINE, {})}
    return next((why for pattern, why in different.items() if fnmatchcase(name, pattern)), None)
