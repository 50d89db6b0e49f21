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
	FAKE_EVENT_OPENED, /* of a session, as the next two */
	FAKE_EVENT_ENDED,
	FAKE_EVENT_WEIGHED,
	FAKE_EVENT_KINDS,
};

struct fake_event {
	struct fake_event *next;
	struct engine_sandbox *sb; /* NULL: of a session, or dropped */
	struct fake_session *session;
	enum engine_session_end end;
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
	uint32_t mode, owner;
	uint64_t mtime_ns;
	bool is_dir, is_link, uploaded, touched, removed;
};

struct fake_process {
	struct engine_sandbox *sb;
	const struct fake_program *program;
	char **argv;
	char **envp;
	struct limits limits;
	size_t stdin_credit;
	struct engine_tty tty;
	int signal;
	bool ending; /* its end is queued: what it does from now on does not happen */
	bool stdin_closed, held;
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
	bool ready, busy, failed, warm, tty;
	/* Of a member of a session: its files are copies of the session's, put back after each change. */
	struct fake_session *session;
	enum engine_member member;
	struct engine_session_user member_user;
	uint32_t service;
	bool orphan; /* its front died: nobody hears its events */
};

struct fake_session {
	struct engine_session base;
	struct fake_engine *engine;
	struct fake_session *next;
	struct engine_session_spec spec;
	struct engine_session_events events;
	void *user;
	bool taken, open, finished, ended;
	struct fake_file *files; /* names from /sandboxes on */
	size_t files_count;
};

struct fake_engine {
	struct engine engine;
	struct fake_options options;
	uv_idle_t idle;
	bool idle_active, stopped;
	struct fake_event *first, **last;
	struct engine_sandbox *sandboxes;
	struct fake_session *sessions;
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
struct fake_event *fake_post_session(struct fake_session *session, enum fake_event_kind kind);
void fake_post_err(struct engine_sandbox *sb, enum fake_event_kind kind, const struct err *err);

/* True, and one occasion less, when this fault is due. */
bool fake_fault_due(struct fake_engine *engine, enum fake_fault fault, int *ret_code);

struct fake_file *fake_file_find(struct engine_sandbox *sb, const char *name);
void fake_file_put(struct engine_sandbox *sb, const struct engine_file *file, bool upload);

void fake_process_destroy(struct fake_process *process);
void fake_sandbox_destroy(struct engine_sandbox *sb);

/* fake_session.c */
[[nodiscard]] int fake_session_open(struct engine *e, const struct engine_session_spec *spec,
				    const struct engine_session_events *events, void *user,
				    struct engine_session **ret, struct err *err);
bool fake_session_found(struct engine *e, size_t index, struct engine_session_record *ret);
[[nodiscard]] int fake_session_take(struct engine *e, const uint8_t id[ENGINE_SESSION_ID_SIZE],
				    const struct engine_session_events *events, void *user,
				    struct engine_session **ret, struct err *err);
[[nodiscard]] int fake_service_take(struct engine_session *session, uint32_t number,
				    const struct engine_events *events, void *user,
				    struct engine_sandbox **ret, struct err *err);
void fake_session_prolong(struct engine_session *session, uint64_t ttl_ms);
void fake_session_finish(struct engine_session *session);
void fake_session_weigh(struct engine_session *session);
void fake_session_destroy(struct engine_session *session);
void fake_session_deliver(struct fake_session *session, struct fake_event *event);
/* Whether a member can be made; and what it finds. */
[[nodiscard]] int fake_member_join(struct engine_sandbox *sb, const struct engine_sandbox_spec *spec,
				   struct err *err);
/* A member that waited sees what is there now. */
void fake_member_look(struct engine_sandbox *sb);
/* What it has changed is the session's. */
void fake_member_leave_files(struct engine_sandbox *sb);

extern const struct engine_vtable fake_vtable;

#endif
