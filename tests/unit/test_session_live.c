/* Sessions of a real keeper (suite "engine": needs root). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int open_world(void **state)
{
	static struct world world;

	*state = NULL;
	if (!world_open(&world, -1)) {
		print_message("# no sessions here: the keeper is not root\n");
		return 0;
	}
	session_begin(&world, "kata", 600000);
	*state = &world;
	return 0;
}

static int close_world(void **state)
{
	struct world *w = *state;

	if (!w)
		return 0;
	if (w->session)
		w->engine->v->session_destroy(w->session);
	world_close(w);
	return 0;
}

static struct world *world_of(void **state)
{
	if (!*state)
		skip();
	return *state;
}

static void a_run_is_its_user_at_home(void **state)
{
	struct world *w = world_of(state);
	struct member m;

	run_as(w, &m, 1, "lion",
	       "pwd; id -u; id -g; id -un; stat -c '%a %u:%g' . ../shared; umask; echo ~lion");
	assert_string_equal(
		m.out,
		"/sandboxes/lion\n1001\n1000\nlion\n755 1001:1000\n2775 1000:1000\n0022\n/sandboxes/lion\n");
}

static void what_a_run_leaves_its_user_finds_again_and_nobody_else_what_is_private(void **state)
{
	struct world *w = world_of(state);
	struct member m;

	run_as(w, &m, 1, "lion",
	       "echo secret > private; chmod 600 private; mkdir closed; chmod 700 closed; "
	       "echo s > closed/in; echo hello > public; echo t > /tmp/t");
	assert_int_equal(m.facts.exit_code, 0);
	run_as(w, &m, 2, "bear",
	       "cat /sandboxes/lion/public; cat /sandboxes/lion/private; ls /sandboxes/lion/closed; "
	       "echo x > /sandboxes/lion/mine; rm -f /sandboxes/lion/public; mv /sandboxes/lion "
	       "/sandboxes/l; "
	       "mkdir /sandboxes/other; ln /sandboxes/lion/private stolen; chmod 777 /sandboxes/lion");
	assert_non_null(strstr(m.out, "hello\n"));
	assert_null(strstr(m.out, "secret"));
	run_as(w, &m, 1, "lion", "ls; cat private; cat closed/in; ls /tmp /var/tmp /dev/shm; ls /sandboxes");
	assert_string_equal(
		m.out,
		"closed\nprivate\npublic\nsecret\ns\n/dev/shm:\n\n/tmp:\n\n/var/tmp:\nbear\nlion\nshared\n");
}

static void all_can_write_what_is_shared(void **state)
{
	struct world *w = world_of(state);
	struct member m;

	run_as(w, &m, 1, "lion", "umask 002; echo a > ../shared/a; stat -c %u:%g ../shared/a");
	assert_string_equal(m.out, "1001:1000\n");
	run_as(w, &m, 2, "bear", "echo b >> ../shared/a; cat ../shared/a");
	assert_string_equal(m.out, "a\nb\n");
}

/* Whatever it did to outlive its run; the beat of its heart would be seen in a file. */
static const char clinging[] =
	"beat='while :; do date +%N > /sandboxes/shared/beat.$0; sleep 0.01; done'\n"
	"sh -c \"$beat\" 1 & setsid sh -c \"$beat\" 2 & (setsid sh -c \"$beat\" 3 > /dev/null 2>&1 &)\n"
	"sh -c \"trap '' TERM HUP INT QUIT; $beat\" 4 & sh -c \"trap '' TERM; $beat\" 5 & stopped=$!\n"
	"while [ $(ls /sandboxes/shared/beat.* 2>/dev/null | wc -l) -lt 5 ]; do sleep 0.01; done\n"
	"kill -STOP $stopped; echo done";

static void nothing_of_a_run_outlives_it_and_other_runs_go_on(void **state)
{
	struct world *w = world_of(state);
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_RUN, 2, "bear");
	struct member lion, bear;

	member_make(w, &bear, &spec);
	member_start(&bear, "while [ ! -e ../shared/go ]; do sleep 0.02; done; echo on");
	run_as(w, &lion, 1, "lion", clinging);
	assert_string_equal(lion.out, "done\n");
	w->engine->v->session_weigh(w->session);
	wait_for(w, &w->weighed);
	run_as(w, &lion, 3, "wolf",
	       "cd ../shared; cat beat.* > ~/before 2>/dev/null || cat beat.* > /tmp/before; sleep 0.3; "
	       "cat beat.* > /tmp/after; cmp /tmp/before /tmp/after 2>&1 || cmp ~/before /tmp/after; echo "
	       "$?");
	assert_string_equal(lion.out + strlen(lion.out) - 2, "0\n");
	assert_false(bear.ended);
	run_as(w, &lion, 1, "lion", "touch ../shared/go");
	member_wait(&bear);
	assert_string_equal(bear.out, "on\n");
	assert_int_equal(bear.facts.exit_code, 0);
	member_end(&bear);
}

static void runs_neither_see_nor_reach_each_other(void **state)
{
	struct world *w = world_of(state);
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_RUN, 1, "lion");
	struct member lion, bear;

	member_make(w, &lion, &spec);
	member_start(&lion, "while [ ! -e ../shared/go ]; do sleep 0.02; done; echo unharmed");
	run_as(w, &bear, 2, "bear",
	       "ls -d /proc/[0-9]* | wc -l; ipcmk -M 4096 > /dev/null; ipcs -m | grep -c 0x; "
	       "kill -9 -1; echo");
	run_as(w, &bear, 2, "bear",
	       "for p in $(seq 1 300); do kill -9 $p 2>/dev/null; done; ipcs -m | grep -c 0x");
	run_as(w, &bear, 1, "lion", "touch ../shared/go");
	member_wait(&lion);
	assert_string_equal(lion.out, "unharmed\n");
	member_end(&lion);
	run_as(w, &bear, 2, "bear",
	       "test $(ls -d /proc/[0-9]* | wc -l) -lt 8 && echo alone; ipcs -m | grep -c 0x");
	assert_string_equal(bear.out, "alone\n0\n");
}

static void changes_are_told_against_what_was_there(void **state)
{
	static const uint8_t one[] = "one", two[] = "two";
	const struct engine_file files[] = {
		{ .name = "kept", .data = one, .len = 3, .mode = 0644 },
		{ .name = "edited", .data = two, .len = 3, .mode = 0644 },
		{ .name = "dropped", .remove = true },
		{ .name = "not/there", .remove = true },
		{ .name = "tree", .remove = true, .is_dir = true },
	};
	struct world *w = world_of(state);
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_RUN, 1, "lion");
	struct member m;

	run_as(w, &m, 1, "lion",
	       "echo old > old; echo gone > gone; echo x > edited; echo x > dropped; "
	       "mkdir -p tree/a/b sub; echo x > tree/a/b/c; echo x > sub/same; echo y > sub/touched");
	member_make(w, &m, &spec);
	member_upload(&m, files, 5);
	assert_int_equal(m.error, 0);
	member_start(&m, "cat kept edited; ls; rm gone; echo new > sub/new; echo more >> old; cp sub/touched "
			 "t; cat t > sub/touched; rm t");
	member_wait(&m);
	assert_string_equal(m.out, "onetwoedited\ngone\nkept\nold\nsub\n");
	member_collect(&m, ENGINE_COLLECT_CHANGES);
	assert_int_equal(m.found_count, 3);
	assert_int_equal(member_find(&m, "old")->change, ENGINE_FILE_CHANGED);
	assert_string_equal(member_find(&m, "old")->content, "old\nmore\n");
	assert_int_equal(member_find(&m, "sub/new")->change, ENGINE_FILE_CREATED);
	assert_int_equal(member_find(&m, "gone")->change, ENGINE_FILE_DELETED);
	member_end(&m);
}

static void uploads_are_newer_than_all_and_in_order(void **state)
{
	static const uint8_t x[] = "x";
	struct engine_file files[20];
	char names[20][8], command[1024] = "test a01 -nt object";
	struct world *w = world_of(state);
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_RUN, 1, "lion");
	struct member m;

	for (int i = 0; i < 20; i++) {
		snprintf(names[i], sizeof(names[i]), "a%02d", i);
		files[i] = (struct engine_file){ .name = names[i], .data = x, .len = 1, .mode = 0644 };
		if (i)
			snprintf(command + strlen(command), sizeof(command) - strlen(command),
				 " && test a%02d -nt a%02d", i, i - 1);
	}
	for (int round = 0; round < 3; round++) {
		member_make(w, &m, &spec);
		member_upload(&m, files, 20);
		assert_int_equal(m.error, 0);
		member_start(&m, round ? command : "true");
		member_wait(&m);
		assert_int_equal(m.facts.exit_code, 0);
		member_end(&m);
		run_as(w, &m, 1, "lion", "touch object; test object -nt a19");
		assert_int_equal(m.facts.exit_code, 0);
	}
}

static void an_upload_takes_the_place_of_whatever_has_its_name(void **state)
{
	static const uint8_t x[] = "new";
	const struct engine_file files[] = {
		{ .name = "link", .data = x, .len = 3, .mode = 0644 },
		{ .name = "pipe", .data = x, .len = 3, .mode = 0644 },
		{ .name = "closed", .data = x, .len = 3, .mode = 0644 },
		{ .name = "hard", .data = x, .len = 3, .mode = 0644 },
	};
	const struct engine_file outside = { .name = "away/file", .data = x, .len = 3, .mode = 0644 };
	struct world *w = world_of(state);
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_RUN, 1, "lion");
	struct member m;

	run_as(w, &m, 2, "bear", "umask 0; echo bear > file; mkdir open; chmod 777 open");
	run_as(w, &m, 1, "lion",
	       "ln -s /sandboxes/bear/file link; mkfifo pipe; echo x > closed; chmod 0 closed; "
	       "echo same > other; ln other hard; ln -s /sandboxes/bear/open away");
	member_make(w, &m, &spec);
	member_upload(&m, files, 4);
	assert_int_equal(m.error, 0);
	member_upload(&m, &outside, 1);
	assert_int_equal(m.error, -ELOOP);
	member_start(&m, "stat -c '%F %s' link pipe closed hard; cat other /sandboxes/bear/file; ls "
			 "/sandboxes/bear/open");
	member_wait(&m);
	assert_string_equal(m.out,
			    "regular file 3\nregular file 3\nregular file 3\nregular file 3\nsame\nbear\n");
	member_end(&m);
}

static void make_tree(struct world *w)
{
	struct member m;

	run_as(w, &m, 1, "lion",
	       "mkdir -p d/e; echo x > d/e/f; chmod 700 d; touch -d 2001-02-03T04:05:06.789 d/e/f; "
	       "ln -s d/e/f link; chmod 750 d/e/f; echo s > ../shared/lions");
	run_as(w, &m, 2, "bear", "echo b > b; chmod 400 b; mkfifo pipe; echo t > ../shared/bears");
}

static void assert_tree(const struct member *m)
{
	const struct found *f = member_find(m, "lion/d/e/f");

	assert_non_null(f);
	assert_int_equal(f->mode, 0750);
	assert_int_equal(f->owner, 1);
	assert_int_equal(f->mtime_ns, 981173106789000000ull);
	assert_string_equal(f->content, "x\n");
	f = member_find(m, "lion/link");
	assert_true(f && f->is_link && f->owner == 1);
	assert_string_equal(f->content, "d/e/f");
	f = member_find(m, "lion/d");
	assert_true(f && f->is_dir && f->mode == 0700 && f->owner == 1);
	f = member_find(m, "bear/b");
	assert_true(f && f->mode == 0400 && f->owner == 2);
	assert_int_equal(member_find(m, "shared/bears")->owner, 2);
	f = member_find(m, "shared");
	assert_true(f && f->is_dir && f->mode == 02775 && f->owner == 0);
}

static void a_tree_is_taken_out_whole_and_put_into_another_session(void **state)
{
	struct world *w = world_of(state);
	struct engine_session *first = w->session;
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_FILES, 0, "");
	struct engine_file files[FOUND_MAX];
	struct member out, in;
	size_t count = 0;

	make_tree(w);
	member_make(w, &out, &spec);
	member_collect(&out, ENGINE_COLLECT_TREE);
	assert_int_equal(out.error, 0);
	assert_tree(&out);
	assert_int_equal(member_find(&out, "bear/pipe")->change, ENGINE_FILE_OMITTED);
	for (size_t i = 0; i < out.found_count; i++) {
		const struct found *f = &out.found[i];

		if (f->change == ENGINE_FILE_CREATED)
			files[count++] = (struct engine_file){ .name = f->name,
							       .data = (const uint8_t *)f->content,
							       .len = strlen(f->content),
							       .mode = f->mode,
							       .is_dir = f->is_dir,
							       .is_link = f->is_link,
							       .owner = f->owner,
							       .mtime_ns = f->mtime_ns };
	}
	session_begin(w, "fork", 600000);
	spec.session = w->session;
	member_make(w, &in, &spec);
	member_upload(&in, files, count);
	assert_int_equal(in.error, 0);
	member_collect(&in, ENGINE_COLLECT_TREE);
	assert_tree(&in);
	member_end(&in);
	member_end(&out);
	run_as(w, &in, 1, "lion",
	       "cat d/e/f link; stat -c '%U %a' . d; cat ../bear/b; ls ../shared; rm d/e/f");
	assert_non_null(strstr(in.out, "x\nx\nlion 755\nlion 700\n"));
	assert_non_null(strstr(in.out, "Permission denied"));
	w->engine->v->session_destroy(first);
}

static void a_user_is_removed_with_all_that_he_had(void **state)
{
	const struct engine_file gone = { .name = "lion", .remove = true, .is_dir = true };
	struct world *w = world_of(state);
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_FILES, 0, "");
	struct member m;

	run_as(w, &m, 1, "lion",
	       "for i in $(seq 1 300); do mkdir d && cd d || exit 1; done; echo x > x; cd /sandboxes/lion; "
	       "ln -s /sandboxes/bear bear; chmod 0 d/d; echo y > y");
	assert_int_equal(m.facts.exit_code, 0);
	run_as(w, &m, 2, "bear", "echo b > b");
	member_make(w, &m, &spec);
	member_upload(&m, &gone, 1);
	assert_int_equal(m.error, 0);
	member_end(&m);
	run_as(w, &m, 2, "bear", "ls /sandboxes; cat b");
	assert_string_equal(m.out, "bear\nshared\nb\n");
}

static void a_finished_session_can_be_read_and_no_more(void **state)
{
	const struct engine_file file = {
		.name = "lion/x", .data = (const uint8_t *)"x", .len = 1, .mode = 0644
	};
	struct world *w = world_of(state);
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_RUN, 2, "bear");
	struct member bear, m;

	run_as(w, &m, 1, "lion", "echo a > a");
	member_make(w, &bear, &spec);
	member_start(&bear, "sleep 600");
	w->engine->v->session_finish(w->session);
	member_wait(&bear);
	assert_true(bear.failed || bear.facts.signaled);
	member_end(&bear);
	member_make(w, &m, &spec);
	assert_true(m.failed);
	assert_int_equal(m.error, -ESTALE);
	spec.member = ENGINE_MEMBER_FILES;
	member_make(w, &m, &spec);
	assert_true(m.ready);
	member_collect(&m, ENGINE_COLLECT_TREE);
	assert_string_equal(member_find(&m, "lion/a")->content, "a\n");
	member_upload(&m, &file, 1);
	assert_int_equal(m.error, -EROFS);
	member_end(&m);
}

static void no_step_is_started_where_all_files_are(void **state)
{
	struct world *w = world_of(state);
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_FILES, 0, "");
	struct member m;

	member_make(w, &m, &spec);
	member_start(&m, "true");
	member_wait(&m);
	assert_true(m.failed);
	member_end(&m);
}

static void the_deadline_ends_it_and_can_be_moved(void **state)
{
	struct world *w = world_of(state);
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_RUN, 1, "lion");
	struct member m;

	member_make(w, &m, &spec);
	member_start(&m, "sleep 600");
	w->engine->v->session_prolong(w->session, 600);
	w->engine->v->session_prolong(w->session, 60000);
	wait_ms(w, 900);
	assert_false(w->ended);
	w->engine->v->session_prolong(w->session, 100);
	wait_for(w, &w->ended);
	assert_int_equal(w->why, ENGINE_SESSION_EXPIRED);
	assert_true(m.failed || m.ended);
	member_end(&m);
	w->engine->v->session_destroy(w->session);
	session_begin(w, "kata", 600000);
	run_as(w, &m, 1, "lion", "ls");
	assert_string_equal(m.out, "");
}

static void the_files_of_all_are_bounded_together(void **state)
{
	struct world *w = world_of(state);
	struct member m;

	run_as(w, &m, 1, "lion", "head -c 40000000 /dev/zero > a; echo $?");
	assert_string_equal(m.out, "0\n");
	run_as(w, &m, 2, "bear", "head -c 40000000 /dev/zero > a; echo $?");
	assert_non_null(strstr(m.out, "No space left"));
	assert_true(m.facts.disk_full);
	run_as(w, &m, 1, "lion", "rm a");
	run_as(w, &m, 2, "bear", "head -c 40000000 /dev/zero > a; echo $?");
	assert_string_equal(m.out, "0\n");
	w->engine->v->session_weigh(w->session);
	wait_for(w, &w->weighed);
	assert_in_range(w->usage.disk_used_bytes, 40000000, 45000000);
	assert_true(w->usage.memory_bytes >= 40000000);
}

static void what_one_left_does_not_count_for_the_next(void **state)
{
	struct world *w = world_of(state);
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_RUN, 1, "lion");
	struct member m;

	run_as(w, &m, 1, "lion", "head -c 50000000 /dev/zero > a");
	spec.limits.value[LIMIT_MEMORY_BYTES] = 32 << 20;
	member_make(w, &m, &spec);
	member_start(&m, "cat a > /dev/null; echo fine");
	member_wait(&m);
	assert_string_equal(m.out, "fine\n");
	assert_in_range(m.facts.memory_peak_bytes, 1, 32 << 20);
	member_end(&m);
}

static void users_reach_a_service_on_their_loopback_and_nobody_outside(void **state)
{
	static const char serve[] =
		"import socket\ns=socket.socket(); s.bind(('127.0.0.1',5432)); s.listen()\n"
		"while True:\n c,_=s.accept(); c.sendall(b'served'); c.close()\n";
	static const char ask[] = "import socket,time\nfor i in range(200):\n try:\n  "
				  "s=socket.create_connection(('127.0.0.1',5432));break\n"
				  " except OSError: time.sleep(.05)\nprint(s.recv(9).decode())\n";
	struct world *w = world_of(state);
	char *folders[] = { (char *)"/var/lib/db", (char *)"/run/db", NULL };
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_SERVICE, 3, "");
	char command[1024];
	struct member service, m;

	spec.folders = folders;
	member_make(w, &service, &spec);
	if (service.failed)
		fail_msg("no service: %s", strerror(-service.error));
	snprintf(command, sizeof(command),
		 "ls -d /sandboxes; touch /var/lib/db/a /run/db/b && echo made; exec python3 -c \"%s\"",
		 serve);
	member_start(&service, command);
	snprintf(command, sizeof(command), "python3 -c \"%s\"", ask);
	run_as(w, &m, 1, "lion", command);
	assert_string_equal(m.out, "served\n");
	assert_non_null(strstr(service.out, "made\n"));
	assert_non_null(strstr(service.out, "No such file"));
	w->engine->v->step_kill(service.sb, STEP_KILL_CANCEL);
	member_wait(&service);
	assert_int_equal(service.facts.signal, 9);
	member_end(&service);
}

static void a_bomb_of_one_leaves_the_others_right(void **state)
{
	struct world *w = world_of(state);
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_RUN, 1, "lion");
	struct member bomb, m;

	member_make(w, &bomb, &spec);
	member_start(&bomb, "f() { f | f & }; f; sleep 600");
	for (uint32_t i = 2; i < 5; i++) {
		run_as(w, &m, i, "bear", "i=0; while [ $i -lt 200 ]; do i=$((i+1)); (exit 3); done; echo $i");
		assert_string_equal(m.out, "200\n");
		assert_int_equal(m.facts.exit_code, 0);
	}
	w->engine->v->step_kill(bomb.sb, STEP_KILL_CANCEL);
	member_wait(&bomb);
	assert_true(bomb.facts.forks_refused > 0);
	member_end(&bomb);
}

static void what_is_not_a_member_is_refused(void **state)
{
	static const char *const bad[] = { "", "Lion", "../x", "a/b", "shared", ".x", "-x", "lion\n" };
	struct world *w = world_of(state);
	struct member m;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_RUN, 1, bad[i]);

		member_make(w, &m, &spec);
		assert_int_equal(m.error, -EINVAL);
		if (m.sb)
			member_end(&m);
	}
	for (uint32_t number = 0; number < 200; number += ENGINE_SESSION_USERS_MAX + 1) {
		struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_RUN, number, "lion");

		member_make(w, &m, &spec);
		assert_int_equal(m.error, -EINVAL);
		if (m.sb)
			member_end(&m);
	}
}

static void a_member_that_waited_sees_what_came_meanwhile(void **state)
{
	const struct engine_file file = {
		.name = "now", .data = (const uint8_t *)"now", .len = 3, .mode = 0644
	};
	struct world *w = world_of(state);
	struct engine_sandbox_spec spec = member_spec(w, ENGINE_MEMBER_RUN, 1, "lion");
	struct member waiting, m;

	spec.waits = true;
	member_make(w, &waiting, &spec);
	run_as(w, &m, 1, "lion", "echo early > early; echo kept > kept");
	spec.waits = false;
	waiting.ready = false;
	w->engine->v->sandbox_adopt(waiting.sb, &spec, &member_events, &waiting);
	wait_for(w, &waiting.ready);
	member_upload(&waiting, &file, 1);
	member_start(&waiting, "pwd; id -un; cat early now; echo late >> early");
	member_wait(&waiting);
	assert_string_equal(waiting.out, "/sandboxes/lion\nlion\nearly\nnow");
	member_collect(&waiting, ENGINE_COLLECT_CHANGES);
	assert_int_equal(waiting.found_count, 1);
	assert_string_equal(waiting.found[0].name, "early");
	assert_int_equal(waiting.found[0].change, ENGINE_FILE_CHANGED);
	member_end(&waiting);
}

#define with_session(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_session(a_run_is_its_user_at_home),
		with_session(what_a_run_leaves_its_user_finds_again_and_nobody_else_what_is_private),
		with_session(all_can_write_what_is_shared),
		with_session(nothing_of_a_run_outlives_it_and_other_runs_go_on),
		with_session(runs_neither_see_nor_reach_each_other),
		with_session(changes_are_told_against_what_was_there),
		with_session(uploads_are_newer_than_all_and_in_order),
		with_session(an_upload_takes_the_place_of_whatever_has_its_name),
		with_session(a_tree_is_taken_out_whole_and_put_into_another_session),
		with_session(a_user_is_removed_with_all_that_he_had),
		with_session(a_finished_session_can_be_read_and_no_more),
		with_session(no_step_is_started_where_all_files_are),
		with_session(the_deadline_ends_it_and_can_be_moved),
		with_session(the_files_of_all_are_bounded_together),
		with_session(what_one_left_does_not_count_for_the_next),
		with_session(users_reach_a_service_on_their_loopback_and_nobody_outside),
		with_session(a_bomb_of_one_leaves_the_others_right),
		with_session(what_is_not_a_member_is_refused),
		with_session(a_member_that_waited_sees_what_came_meanwhile),
	};

	return cmocka_run_group_tests_name("session_live", tests, NULL, NULL);
}
