/*
 * Sessions of a real keeper: a loop, an engine, and members that run one shell command. Everything waits until what was
 * asked for has come, or fails the test.
 */
#ifndef KILN_TESTS_SESSION_FIXTURE_H
#define KILN_TESTS_SESSION_FIXTURE_H

#include "base/cleanup.h"
#include "engine/native/native.h"

#define FOUND_MAX 64

struct found {
	enum engine_file_change change;
	char name[128], content[64];
	uint32_t mode, owner;
	uint64_t mtime_ns;
	bool is_dir, is_link;
};

/* A member of a session, and what was told of it. */
struct member {
	struct world *world;
	struct engine_sandbox *sb;
	bool ready, uploaded, ended, collected, failed;
	int error; /* of the last of these */
	struct step_facts facts;
	char out[8192];
	size_t out_len;
	struct found found[FOUND_MAX];
	size_t found_count;
};

struct world {
	uv_loop_t loop;
	struct engine *engine;
	struct engine_session *session;
	bool opened, ended, weighed;
	enum engine_session_end why;
	int error;
	struct engine_session_usage usage;
};

/* The engine; false: there are no sessions on this host. */
bool world_open(struct world *w, int keeper_fd);
void world_close(struct world *w);
void session_begin(struct world *w, const char *id, uint64_t ttl_ms);
extern const struct engine_session_events world_events;
extern const struct engine_events member_events;
/* Turns the loop until *flag, or a failure of the member. */
void wait_for(struct world *w, const bool *flag);
void wait_ms(struct world *w, uint64_t ms);

struct engine_sandbox_spec member_spec(struct world *w, enum engine_member kind, uint32_t number,
				       const char *name);
/* Ready, or failed with m->error. */
void member_make(struct world *w, struct member *m, const struct engine_sandbox_spec *spec);
void member_upload(struct member *m, const struct engine_file *files, size_t count);
/* Starts `sh -c command`. */
void member_start(struct member *m, const char *command);
void member_start_with(struct member *m, const char *command, const struct limits *limits);
void member_wait(struct member *m);
void member_collect(struct member *m, enum engine_collect kind);
void member_end(struct member *m);
const struct found *member_find(const struct member *m, const char *name);
/* A whole run of a user; m->out has what it printed. The member is gone. */
void run_as(struct world *w, struct member *m, uint32_t number, const char *name, const char *command);

#endif
