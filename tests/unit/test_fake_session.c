/* Sessions of the fake engine: what is above is tested with them, so they must be as the real ones. */
#include "engine/fake/fake.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	uv_loop_t loop;
	struct engine *engine;
	struct engine_session *session;
	struct engine_sandbox *sb;
	int opened, ended, ready, uploaded, step_ended, failed, collected;
	enum engine_session_end why;
	char names[8][64];
	enum engine_file_change changes[8];
	uint32_t owners[8];
	size_t files;
};

static void on_opened(void *user)
{
	((struct fixture *)user)->opened++;
}

static void on_ended(void *user, enum engine_session_end why, const struct err *err)
{
	struct fixture *f = user;

	f->ended++;
	f->why = why;
}

static const struct engine_session_events session_events = { .opened = on_opened, .ended = on_ended };

static void on_ready(void *user)
{
	((struct fixture *)user)->ready++;
}

static void on_uploaded(void *user, const struct err *err)
{
	((struct fixture *)user)->uploaded++;
}

static void on_step_ended(void *user, const struct step_facts *facts, const struct err *err)
{
	((struct fixture *)user)->step_ended++;
}

static void on_file(void *user, const struct engine_collected *file)
{
	struct fixture *f = user;

	assert_true(f->files < 8);
	snprintf(f->names[f->files], sizeof(f->names[0]), "%s", file->name);
	f->owners[f->files] = file->owner;
	f->changes[f->files++] = file->change;
}

static void on_file_data(void *user, const uint8_t *data, size_t len)
{
}

static void on_collected(void *user, const struct err *err)
{
	((struct fixture *)user)->collected++;
}

static void on_failed(void *user, const struct err *err)
{
	((struct fixture *)user)->failed++;
}

static const struct engine_events events = { .ready = on_ready,
					     .uploaded = on_uploaded,
					     .step_ended = on_step_ended,
					     .file = on_file,
					     .file_data = on_file_data,
					     .collected = on_collected,
					     .failed = on_failed };

static void leave_a_note(struct fake_process *process)
{
	fake_process_write(process, "note", "hello", 5, 0644);
	fake_process_exit(process, 0);
}

static void serve(struct fake_process *process)
{
}

static const struct fake_program programs[] = { { .name = "leave", .start = leave_a_note },
						{ .name = "serve", .start = serve },
						{ 0 } };

static const struct engine_session_spec plain = { .id = "one", .disk_bytes = 1 << 20, .ttl_ms = 1000 };

static void open_engine(struct fixture *f)
{
	const struct fake_options options = { .programs = programs };

	*f = (struct fixture){ 0 };
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(engine_fake_create(&f->loop, &options, &f->engine, NULL), 0);
}

static void open_session(struct fixture *f)
{
	open_engine(f);
	assert_int_equal(f->engine->v->session_open(f->engine, &plain, &session_events, f, &f->session, NULL),
			 0);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(f->opened, 1);
}

static void close_engine(struct fixture *f)
{
	f->engine->v->destroy(f->engine);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
}

static void make_member(struct fixture *f, enum engine_member kind, const char *name, uint32_t number)
{
	struct engine_sandbox_spec spec = { .image = "host",
					    .session = f->session,
					    .member = kind,
					    .user = { .number = number },
					    .service = number };

	snprintf(spec.user.name, sizeof(spec.user.name), "%s", name);
	spec.limits.value[LIMIT_DISK_BYTES] = 1 << 20;
	f->ready = 0;
	f->files = 0;
	assert_int_equal(f->engine->v->sandbox_create(f->engine, &spec, &events, f, &f->sb, NULL), 0);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(f->ready, 1);
}

static void run_step(struct fixture *f, const char *name)
{
	char *const argv[] = { (char *)name, NULL }, *const none[] = { NULL };
	const struct engine_step step = { .argv = argv, .envp = none };

	assert_int_equal(f->engine->v->step_start(f->sb, &step, NULL), 0);
	uv_run(&f->loop, UV_RUN_DEFAULT);
}

static void collect(struct fixture *f, enum engine_collect kind)
{
	const struct engine_collect_spec spec = {
		.kind = kind, .file_bytes = 1000, .total_bytes = 1000, .files = 8
	};

	f->files = 0;
	f->engine->v->collect(f->sb, &spec);
	uv_run(&f->loop, UV_RUN_DEFAULT);
}

static void give_back(struct fixture *f)
{
	f->engine->v->sandbox_destroy(f->sb);
	f->sb = NULL;
}

static void what_one_run_leaves_the_next_one_of_that_user_finds(void **state)
{
	struct fixture f;

	open_session(&f);
	make_member(&f, ENGINE_MEMBER_RUN, "lion", 1);
	run_step(&f, "leave");
	collect(&f, ENGINE_COLLECT_CHANGES);
	assert_int_equal(f.files, 1);
	assert_int_equal(f.changes[0], ENGINE_FILE_CREATED);
	give_back(&f);

	make_member(&f, ENGINE_MEMBER_RUN, "lion", 1);
	run_step(&f, "leave");
	collect(&f, ENGINE_COLLECT_CHANGES);
	assert_int_equal(f.files, 1);
	assert_int_equal(f.changes[0], ENGINE_FILE_CHANGED);
	give_back(&f);

	make_member(&f, ENGINE_MEMBER_RUN, "bear", 2);
	collect(&f, ENGINE_COLLECT_KEEP);
	assert_int_equal(f.files, 0);
	give_back(&f);
	close_engine(&f);
}

static void a_tree_tells_names_and_owners_and_can_be_put_back(void **state)
{
	const struct engine_file files[] = {
		{ .name = "bear/a", .data = (const uint8_t *)"x", .len = 1, .owner = 2, .mtime_ns = 5 },
		{ .name = "lion/note", .remove = true },
	};
	struct fixture f;

	open_session(&f);
	make_member(&f, ENGINE_MEMBER_RUN, "lion", 1);
	run_step(&f, "leave");
	give_back(&f);
	make_member(&f, ENGINE_MEMBER_FILES, "", 0);
	collect(&f, ENGINE_COLLECT_TREE);
	assert_int_equal(f.files, 1);
	assert_string_equal(f.names[0], "lion/note");
	assert_int_equal(f.owners[0], 1);
	f.engine->v->upload(f.sb, files, 2);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	give_back(&f);

	make_member(&f, ENGINE_MEMBER_FILES, "", 0);
	collect(&f, ENGINE_COLLECT_TREE);
	assert_int_equal(f.files, 1);
	assert_string_equal(f.names[0], "bear/a");
	assert_int_equal(f.owners[0], 2);
	give_back(&f);
	close_engine(&f);
}

static void an_id_is_given_once(void **state)
{
	struct engine_session *other;
	struct fixture f;

	open_session(&f);
	assert_int_equal(f.engine->v->session_open(f.engine, &plain, &session_events, &f, &other, NULL),
			 -EEXIST);
	f.engine->v->session_destroy(f.session);
	assert_int_equal(f.engine->v->session_open(f.engine, &plain, &session_events, &f, &other, NULL), 0);
	close_engine(&f);
}

static void expiry_takes_members_first(void **state)
{
	struct fixture f;

	open_session(&f);
	make_member(&f, ENGINE_MEMBER_RUN, "lion", 1);
	engine_fake_expire(f.engine, plain.id);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	assert_int_equal(f.failed, 1);
	assert_int_equal(f.ended, 1);
	assert_int_equal(f.why, ENGINE_SESSION_EXPIRED);
	give_back(&f);
	f.engine->v->session_destroy(f.session);
	close_engine(&f);
}

static void the_next_front_finds_sessions_and_running_services(void **state)
{
	struct engine_session_record record;
	struct fixture f;

	open_session(&f);
	make_member(&f, ENGINE_MEMBER_SERVICE, "", 3);
	run_step(&f, "serve");
	make_member(&f, ENGINE_MEMBER_RUN, "lion", 1);
	assert_false(f.engine->v->session_found(f.engine, 0, &record));
	engine_fake_change_front(f.engine);
	assert_true(f.engine->v->session_found(f.engine, 0, &record));
	assert_false(f.engine->v->session_found(f.engine, 1, &record));
	assert_memory_equal(record.id, plain.id, sizeof(record.id));
	assert_int_equal(f.engine->v->session_take(f.engine, plain.id, &session_events, &f, &f.session, NULL),
			 0);
	assert_int_equal(f.engine->v->service_take(f.session, 1, &events, &f, &f.sb, NULL), -ENOENT);
	assert_int_equal(f.engine->v->service_take(f.session, 3, &events, &f, &f.sb, NULL), 0);
	f.engine->v->step_kill(f.sb, STEP_KILL_CANCEL);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	assert_int_equal(f.step_ended, 1);
	close_engine(&f);
}

static void a_finished_session_has_files_only(void **state)
{
	struct engine_sandbox_spec spec = { .image = "host", .user = { 1, "lion" } };
	struct fixture f;

	open_session(&f);
	f.engine->v->session_finish(f.session);
	spec.session = f.session;
	assert_int_equal(f.engine->v->sandbox_create(f.engine, &spec, &events, &f, &f.sb, NULL), -ESTALE);
	make_member(&f, ENGINE_MEMBER_FILES, "", 0);
	give_back(&f);
	close_engine(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_run_leaves_the_next_one_of_that_user_finds),
		cmocka_unit_test(a_tree_tells_names_and_owners_and_can_be_put_back),
		cmocka_unit_test(an_id_is_given_once),
		cmocka_unit_test(expiry_takes_members_first),
		cmocka_unit_test(the_next_front_finds_sessions_and_running_services),
		cmocka_unit_test(a_finished_session_has_files_only),
	};

	return cmocka_run_group_tests_name("fake_session", tests, NULL, NULL);
}
