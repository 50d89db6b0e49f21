/*
 * The fake engine's own types. An engine owns its sandboxes, a sandbox its files, its process and its queued
 * events.
 */
#ifndef KILN_ENGINE_FAKE_FAKE_PRIV_H
#define KILN_ENGINE_FAKE_FAKE_PRIV_H

#include "engine/fake/fake.h"

enum fake_event_kind {
	FAKE_EVENT_READY,
	FAKE_EVENT_UPLOADED,
	FAKE_EVENT_START, /* internal: the program's `start` */
	FAKE_EVENT_INPUT, /* internal: the program's `input` */
	FAKE_EVENT_OUTPUT,
	FAKE_EVENT_STDIN_WANTED,
	FAKE_EVENT_STEP_ENDED,
	FAKE_EVENT_FILE,
	FAKE_EVENT_FILE_DATA,
	FAKE_EVENT_COLLECTED,
	FAKE_EVENT_FAILED,
	FAKE_EVENT_KINDS,
};

struct fake_event {
	struct fake_event *next;
	struct engine_sandbox *sb;
	enum fake_event_kind kind;
	bool has_err;
	struct err err;
	int stream;
	struct step_facts facts;
	struct engine_collected file;
	char *name;
	uint8_t *data;
	size_t len;
};

struct fake_file {
	char *name;
	uint8_t *data;
	size_t len;
	uint32_t mode;
	bool is_dir, uploaded, touched, removed;
};

struct fake_process {
	struct engine_sandbox *sb;
	const struct fake_program *program;
	char **argv;
	char **envp;
	struct limits limits;
	size_t stdin_credit;
	bool ending; /* its end is queued: what it does from now on does not happen */
	bool stdin_closed;
	bool lost; /* FAKE_STEP_LOST strikes after `start` */
	int lost_code;
	struct step_facts facts;
};

struct engine_sandbox {
	struct fake_engine *engine;
	struct engine_sandbox *next;
	struct engine_events events;
	void *user;
	int64_t disk_bytes;
	uint64_t disk_used;
	struct fake_file *files;
	size_t files_count;
	struct fake_process *process; /* NULL between steps */
	bool ready, busy, failed, warm;
};

struct fake_engine {
	struct engine engine;
	struct fake_options options;
	uv_idle_t idle;
	bool idle_active, stopped;
	struct fake_event *first, **last;
	struct engine_sandbox *sandboxes;
	const char *sick;
	struct fake_counts counts;
	struct {
		unsigned times;
		int code;
	} faults[FAKE_FAULT_COUNT];
	void (*on_collect)(struct engine_sandbox *sb);
};

/* Out of memory is the end of a test program: these never fail. */
void *fake_alloc(size_t count, size_t size);
void *fake_copy(const void *data, size_t len);

/* Queues an event for a later turn of the loop; the caller fills in the rest. */
struct fake_event *fake_post(struct engine_sandbox *sb, enum fake_event_kind kind);
void fake_post_err(struct engine_sandbox *sb, enum fake_event_kind kind, const struct err *err);

/* True, and one occasion less, when this fault is due. */
bool fake_fault_due(struct fake_engine *engine, enum fake_fault fault, int *ret_code);

struct fake_file *fake_file_find(struct engine_sandbox *sb, const char *name);
void fake_file_put(struct engine_sandbox *sb, const struct engine_file *file, bool upload);

void fake_process_destroy(struct fake_process *process);

extern const struct engine_vtable fake_vtable;

#endif
