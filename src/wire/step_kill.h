#ifndef KILN_WIRE_STEP_KILL_H
#define KILN_WIRE_STEP_KILL_H

/* Why kiln ended a step before it ended by itself. */
enum step_kill {
	STEP_KILL_NONE,
	STEP_KILL_WALL,
	STEP_KILL_CPU,
	STEP_KILL_MEMORY, /* by the watchdog where no cgroup holds the limit */
	STEP_KILL_OUTPUT,
	STEP_KILL_CANCEL,
	STEP_KILL_DISK, /* by the watchdog where one tmpfs does not hold all that can be written */
	STEP_KILL_COUNT,
};

#endif
