#include "base/cleanup.h"
#include "run/verdict.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB (1024 * 1024)

/* A step that ended well within everything, by cgroups. */
#define FACTS(...)                                                                                           \
	((struct step_facts){ .started = true,                                                               \
			      .memory_by_cgroup = true,                                                      \
			      .cpu_by_cgroup = true,                                                         \
			      .processes_by_cgroup = true,                                                   \
			      __VA_ARGS__ })

static const struct limits limits = { .value = {
					      [LIMIT_WALL_MS] = 1000,
					      [LIMIT_CPU_MS] = 500,
					      [LIMIT_MEMORY_BYTES] = 256 * MIB,
					      [LIMIT_PROCESSES] = 16,
					      [LIMIT_OUTPUT_BYTES] = 1000,
					      [LIMIT_DISK_BYTES] = 64 * MIB,
					      [LIMIT_FILE_BYTES] = MIB,
				      } };

static void assert_outcome(struct step_facts facts, enum run_outcome outcome)
{
	struct verdict v = verdict_of(&facts, &limits);

	assert_string_equal(run_outcome_name(v.outcome), run_outcome_name(outcome));
	assert_int_equal(v.limit, -1);
}

static void assert_limit(struct step_facts facts, enum run_outcome outcome, enum limit_id limit,
			 uint64_t used, enum enforcer by)
{
	struct verdict v = verdict_of(&facts, &limits);

	assert_string_equal(run_outcome_name(v.outcome), run_outcome_name(outcome));
	assert_int_equal(v.limit, limit);
	assert_int_equal(v.value, limits.value[limit]);
	assert_int_equal(v.used, used);
	assert_string_equal(enforcer_name(v.enforced_by), enforcer_name(by));
}

static void exit_codes_and_signals_are_the_programs_own(void **state)
{
	assert_outcome(FACTS(.exit_code = 0), RUN_OK);
	assert_outcome(FACTS(.exit_code = 3), RUN_FAILED);
	assert_outcome(FACTS(.signaled = true, .signal = SIGSEGV), RUN_SIGNALED);
}

static void a_sigkill_without_an_oom_kill_is_the_programs_own(void **state)
{
	assert_outcome(FACTS(.signaled = true, .signal = SIGKILL), RUN_SIGNALED);
}

static void a_command_that_cannot_be_executed_failed_as_in_the_shell(void **state)
{
	assert_outcome((struct step_facts){ .started = false, .exit_code = 127 }, RUN_FAILED);
	assert_outcome((struct step_facts){ .started = false, .exit_code = 126 }, RUN_FAILED);
}

static void facts_that_say_nothing_are_not_a_success(void **state)
{
	assert_outcome((struct step_facts){ 0 }, RUN_ENGINE_ERROR);
}

static void a_lost_sandbox_is_the_engines_error_whatever_else_was_seen(void **state)
{
	assert_outcome(FACTS(.engine_failed = true, .kill = STEP_KILL_WALL, .oom_kills = 1),
		       RUN_ENGINE_ERROR);
}

static void a_cancelled_step_is_cancelled_even_before_it_started(void **state)
{
	assert_outcome(FACTS(.kill = STEP_KILL_CANCEL, .signaled = true, .signal = SIGKILL), RUN_CANCELLED);
	assert_outcome((struct step_facts){ .kill = STEP_KILL_CANCEL }, RUN_CANCELLED);
}

static void a_kill_at_the_deadline_is_wall_time(void **state)
{
	assert_limit(FACTS(.kill = STEP_KILL_WALL, .signaled = true, .signal = SIGKILL, .wall_us = 1003400,
			   .cpu_us = 900000),
		     RUN_WALL_TIME_EXCEEDED, LIMIT_WALL_MS, 1003, ENFORCER_WATCHDOG);
}

static void a_program_that_ended_by_itself_at_the_deadline_is_ok(void **state)
{
	assert_outcome(FACTS(.wall_us = 1000500), RUN_OK);
}

static void a_kill_for_cpu_time_names_who_counted(void **state)
{
	struct step_facts facts =
		FACTS(.kill = STEP_KILL_CPU, .signaled = true, .signal = SIGKILL, .cpu_us = 501000);

	assert_limit(facts, RUN_CPU_TIME_EXCEEDED, LIMIT_CPU_MS, 501, ENFORCER_CGROUP);
	facts.cpu_by_cgroup = false;
	assert_limit(facts, RUN_CPU_TIME_EXCEEDED, LIMIT_CPU_MS, 501, ENFORCER_WATCHDOG);
}

static void sigxcpu_at_the_limit_is_the_rlimits(void **state)
{
	assert_limit(FACTS(.signaled = true, .signal = SIGXCPU, .cpu_us = 500000), RUN_CPU_TIME_EXCEEDED,
		     LIMIT_CPU_MS, 500, ENFORCER_RLIMIT);
}

static void sigxcpu_before_the_limit_is_the_programs_own(void **state)
{
	assert_outcome(FACTS(.signaled = true, .signal = SIGXCPU, .cpu_us = 499999), RUN_SIGNALED);
}

static void cpu_time_over_the_limit_counts_however_it_ended(void **state)
{
	assert_limit(FACTS(.cpu_us = 500000), RUN_CPU_TIME_EXCEEDED, LIMIT_CPU_MS, 500, ENFORCER_CGROUP);
	assert_limit(FACTS(.cpu_us = 700000, .signaled = true, .signal = SIGKILL), RUN_CPU_TIME_EXCEEDED,
		     LIMIT_CPU_MS, 700, ENFORCER_CGROUP);
	assert_outcome(FACTS(.cpu_us = 499999, .exit_code = 1), RUN_FAILED);
}

static void an_oom_kill_is_memory_whether_of_the_program_or_of_its_child(void **state)
{
	struct step_facts killed =
		FACTS(.oom_kills = 1, .signaled = true, .signal = SIGKILL, .memory_peak_bytes = 256 * MIB);

	assert_limit(killed, RUN_MEMORY_EXCEEDED, LIMIT_MEMORY_BYTES, 256 * MIB, ENFORCER_CGROUP);
	assert_limit(FACTS(.oom_kills = 2, .exit_code = 137, .memory_peak_bytes = 256 * MIB),
		     RUN_MEMORY_EXCEEDED, LIMIT_MEMORY_BYTES, 256 * MIB, ENFORCER_CGROUP);
	/* Behind a watchdog too. */
	killed.memory_by_cgroup = false;
	assert_limit(killed, RUN_MEMORY_EXCEEDED, LIMIT_MEMORY_BYTES, 256 * MIB, ENFORCER_CGROUP);
}

static void a_program_that_outlives_an_oom_kill_is_ok(void **state)
{
	assert_outcome(FACTS(.oom_kills = 1), RUN_OK);
}

static void a_kill_by_the_memory_watchdog_says_so(void **state)
{
	struct step_facts facts = FACTS(.kill = STEP_KILL_MEMORY, .signaled = true, .signal = SIGKILL,
					.memory_peak_bytes = 300 * MIB);

	facts.memory_by_cgroup = false;
	assert_limit(facts, RUN_MEMORY_EXCEEDED, LIMIT_MEMORY_BYTES, 300 * MIB, ENFORCER_WATCHDOG);
}

static void output_counts_on_either_stream_and_after_a_good_end_too(void **state)
{
	assert_limit(FACTS(.stdout_bytes = 1001), RUN_OUTPUT_EXCEEDED, LIMIT_OUTPUT_BYTES, 1001,
		     ENFORCER_WATCHDOG);
	assert_limit(FACTS(.stderr_bytes = 5000, .stdout_bytes = 3), RUN_OUTPUT_EXCEEDED, LIMIT_OUTPUT_BYTES,
		     5000, ENFORCER_WATCHDOG);
	assert_limit(
		FACTS(.kill = STEP_KILL_OUTPUT, .stdout_bytes = 4096, .signaled = true, .signal = SIGKILL),
		RUN_OUTPUT_EXCEEDED, LIMIT_OUTPUT_BYTES, 4096, ENFORCER_WATCHDOG);
	assert_outcome(FACTS(.stdout_bytes = 1000, .stderr_bytes = 1000), RUN_OK);
}

static void an_oom_kill_comes_before_too_much_output(void **state)
{
	assert_limit(FACTS(.oom_kills = 1, .exit_code = 1, .stdout_bytes = 1001, .memory_peak_bytes = 1),
		     RUN_MEMORY_EXCEEDED, LIMIT_MEMORY_BYTES, 1, ENFORCER_CGROUP);
}

static void sigxfsz_is_the_file_size_limit(void **state)
{
	assert_limit(FACTS(.signaled = true, .signal = SIGXFSZ), RUN_DISK_EXCEEDED, LIMIT_FILE_BYTES, MIB,
		     ENFORCER_RLIMIT);
}

static void a_file_as_large_as_allowed_counts_only_when_the_program_failed(void **state)
{
	assert_limit(FACTS(.file_full = true, .exit_code = 153), RUN_DISK_EXCEEDED, LIMIT_FILE_BYTES, MIB,
		     ENFORCER_RLIMIT);
	assert_limit(FACTS(.file_full = true, .disk_full = true, .exit_code = 1), RUN_DISK_EXCEEDED,
		     LIMIT_DISK_BYTES, 0, ENFORCER_TMPFS);
	assert_outcome(FACTS(.exit_code = 153), RUN_FAILED);
	assert_outcome(FACTS(.file_full = true), RUN_OK);
}

static void a_full_disk_counts_only_when_the_program_failed(void **state)
{
	assert_limit(FACTS(.disk_full = true, .exit_code = 1, .disk_used_bytes = 64 * MIB), RUN_DISK_EXCEEDED,
		     LIMIT_DISK_BYTES, 64 * MIB, ENFORCER_TMPFS);
	assert_limit(
		FACTS(.disk_full = true, .signaled = true, .signal = SIGBUS, .disk_used_bytes = 64 * MIB),
		RUN_DISK_EXCEEDED, LIMIT_DISK_BYTES, 64 * MIB, ENFORCER_TMPFS);
	assert_outcome(FACTS(.disk_full = true), RUN_OK);
}

static void a_refused_fork_counts_only_when_the_program_failed(void **state)
{
	struct step_facts facts = FACTS(.forks_refused = 1, .exit_code = 1, .processes_peak = 16);

	assert_limit(facts, RUN_PROCESSES_EXCEEDED, LIMIT_PROCESSES, 16, ENFORCER_CGROUP);
	facts.processes_by_cgroup = false;
	assert_limit(facts, RUN_PROCESSES_EXCEEDED, LIMIT_PROCESSES, 16, ENFORCER_RLIMIT);
	assert_outcome(FACTS(.forks_refused = 9), RUN_OK);
}

static void a_limit_that_is_not_set_is_never_exceeded(void **state)
{
	struct step_facts facts = FACTS(.cpu_us = 1000000, .stdout_bytes = 1000000);
	struct limits none = { 0 };

	assert_int_equal(verdict_of(&facts, &none).outcome, RUN_OK);
}

static void assert_explained(struct step_facts facts, const char *expected)
{
	struct verdict v = verdict_of(&facts, &limits);
	char text[256];

	verdict_explain(&v, &facts, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void explains_every_outcome_in_a_sentence(void **state)
{
	assert_explained(FACTS(.exit_code = 0), "ended with exit code 0");
	assert_explained(FACTS(.exit_code = 3), "ended with exit code 3");
	assert_explained((struct step_facts){ .exit_code = 127 }, "could not be started (exit code 127)");
	assert_explained(FACTS(.signaled = true, .signal = SIGSEGV),
			 "killed by signal 11 (SIGSEGV, Segmentation fault)");
	assert_explained(FACTS(.signaled = true, .signal = 40), "killed by signal 40");
	assert_explained(FACTS(.kill = STEP_KILL_CANCEL), "cancelled before it had ended");
	assert_explained(FACTS(.engine_failed = true),
			 "kiln could not run it or lost it: not the program's fault");
	assert_explained(
		FACTS(.kill = STEP_KILL_WALL, .signaled = true, .signal = SIGKILL, .wall_us = 1003000),
		"killed at its wall time limit: 1000 ms allowed, 1003 ms used (watchdog)");
	assert_explained(FACTS(.cpu_us = 600000),
			 "ended over its CPU time limit: 500 ms allowed, 600 ms used (cgroup)");
	assert_explained(
		FACTS(.oom_kills = 1, .signaled = true, .signal = SIGKILL, .memory_peak_bytes = 256 * MIB),
		"killed at its memory limit: 256 MiB allowed, 256.0 MiB used (cgroup)");
	assert_explained(FACTS(.oom_kills = 1, .exit_code = 1, .memory_peak_bytes = 256 * MIB),
			 "failed after one of its processes was killed at its memory limit: 256 MiB allowed, "
			 "256.0 MiB used (cgroup)");
	assert_explained(FACTS(.stdout_bytes = 1536),
			 "ended over its output limit: 1000 bytes allowed, 1.5 KiB printed (watchdog)");
	/* It had ended by itself when it was to be killed. */
	assert_explained(FACTS(.kill = STEP_KILL_OUTPUT, .exit_code = 0, .stderr_bytes = 1001),
			 "ended over its output limit: 1000 bytes allowed, 1001 bytes printed (watchdog)");
	assert_explained(FACTS(.signaled = true, .signal = SIGXFSZ),
			 "killed at its file size limit: 1 MiB allowed, 1.0 MiB written (rlimit)");
	assert_explained(FACTS(.file_full = true, .exit_code = 1),
			 "failed at its file size limit: 1 MiB allowed, 1.0 MiB written (rlimit)");
	assert_explained(FACTS(.disk_full = true, .exit_code = 1, .disk_used_bytes = 64 * MIB),
			 "failed at its disk limit: 64 MiB allowed, 64.0 MiB seen in use (tmpfs)");
	assert_explained(FACTS(.forks_refused = 1, .exit_code = 1, .processes_peak = 16),
			 "failed at its process limit: 16 allowed, 16 at one time (cgroup)");
}

static void one_byte_is_one_byte(void **state)
{
	struct limits one = limits;
	struct step_facts facts = FACTS(.stdout_bytes = 2);
	struct verdict v;
	char text[256];

	one.value[LIMIT_OUTPUT_BYTES] = 1;
	v = verdict_of(&facts, &one);
	verdict_explain(&v, &facts, text, sizeof(text));
	assert_string_equal(text, "ended over its output limit: 1 byte allowed, 2 bytes printed (watchdog)");
}

static void an_explanation_is_cut_to_its_buffer(void **state)
{
	struct step_facts facts = FACTS(.exit_code = 3);
	struct verdict v = verdict_of(&facts, &limits);
	char text[6];

	verdict_explain(&v, &facts, text, sizeof(text));
	assert_string_equal(text, "ended");
}

static void outcomes_have_the_names_of_the_api(void **state)
{
	static const char *const names[] = { "ok",
					     "failed",
					     "signaled",
					     "wall_time_exceeded",
					     "cpu_time_exceeded",
					     "memory_exceeded",
					     "output_exceeded",
					     "disk_exceeded",
					     "processes_exceeded",
					     "cancelled",
					     "compile_failed",
					     "engine_error" };

	assert_int_equal(ARRAY_LEN(names), RUN_OUTCOME_COUNT);
	for (int i = 0; i < RUN_OUTCOME_COUNT; i++)
		assert_string_equal(run_outcome_name((enum run_outcome)i), names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_codes_and_signals_are_the_programs_own),
		cmocka_unit_test(a_sigkill_without_an_oom_kill_is_the_programs_own),
		cmocka_unit_test(a_command_that_cannot_be_executed_failed_as_in_the_shell),
		cmocka_unit_test(facts_that_say_nothing_are_not_a_success),
		cmocka_unit_test(a_lost_sandbox_is_the_engines_error_whatever_else_was_seen),
		cmocka_unit_test(a_cancelled_step_is_cancelled_even_before_it_started),
		cmocka_unit_test(a_kill_at_the_deadline_is_wall_time),
		cmocka_unit_test(a_program_that_ended_by_itself_at_the_deadline_is_ok),
		cmocka_unit_test(a_kill_for_cpu_time_names_who_counted),
		cmocka_unit_test(sigxcpu_at_the_limit_is_the_rlimits),
		cmocka_unit_test(sigxcpu_before_the_limit_is_the_programs_own),
		cmocka_unit_test(cpu_time_over_the_limit_counts_however_it_ended),
		cmocka_unit_test(an_oom_kill_is_memory_whether_of_the_program_or_of_its_child),
		cmocka_unit_test(a_program_that_outlives_an_oom_kill_is_ok),
		cmocka_unit_test(a_kill_by_the_memory_watchdog_says_so),
		cmocka_unit_test(output_counts_on_either_stream_and_after_a_good_end_too),
		cmocka_unit_test(an_oom_kill_comes_before_too_much_output),
		cmocka_unit_test(sigxfsz_is_the_file_size_limit),
		cmocka_unit_test(a_file_as_large_as_allowed_counts_only_when_the_program_failed),
		cmocka_unit_test(a_full_disk_counts_only_when_the_program_failed),
		cmocka_unit_test(a_refused_fork_counts_only_when_the_program_failed),
		cmocka_unit_test(a_limit_that_is_not_set_is_never_exceeded),
		cmocka_unit_test(explains_every_outcome_in_a_sentence),
		cmocka_unit_test(one_byte_is_one_byte),
		cmocka_unit_test(an_explanation_is_cut_to_its_buffer),
		cmocka_unit_test(outcomes_have_the_names_of_the_api),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
