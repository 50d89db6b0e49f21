#include "cmd/cmd.h"
#include "cmd/run_session.h"

#include <signal.h>

/* Where the program has no status of its own to give, 1. */
static int own_status(const struct step_facts *facts)
{
	return !facts->signaled && facts->exit_code != 0 ? facts->exit_code : 1;
}

static int step_status(const struct step_result *step, enum run_outcome outcome, int signal)
{
	const struct step_facts *facts = &step->facts;

	switch (outcome) {
	case RUN_OK:
		return CMD_OK;
	case RUN_FAILED:
	case RUN_OUTPUT_EXCEEDED:
	case RUN_DISK_EXCEEDED:
	case RUN_PROCESSES_EXCEEDED:
		return own_status(facts);
	case RUN_SIGNALED:
		return CMD_SIGNAL_BASE + facts->signal;
	case RUN_WALL_TIME_EXCEEDED:
	case RUN_CPU_TIME_EXCEEDED:
		return CMD_TIME;
	case RUN_MEMORY_EXCEEDED:
		return CMD_MEMORY;
	case RUN_CANCELLED:
		return CMD_SIGNAL_BASE + (signal ? signal : SIGTERM);
	case RUN_COMPILE_FAILED:
	case RUN_ENGINE_ERROR:
	case RUN_OUTCOME_COUNT:
		break;
	}
	return CMD_KILN;
}

int run_exit_status(const struct run_result *result, int signal)
{
	const struct step_result *last;

	if (result->outcome == RUN_ENGINE_ERROR)
		return CMD_KILN;
	if (result->steps_count == 0)
		return result->outcome == RUN_CANCELLED ? CMD_SIGNAL_BASE + (signal ? signal : SIGTERM)
							: CMD_KILN;
	last = &result->steps[result->steps_count - 1];
	if (result->outcome == RUN_COMPILE_FAILED)
		return step_status(last, last->verdict.outcome, signal);
	return step_status(last, result->outcome, signal);
}
