/*
 * What a session outlives (suite "engine": needs root). The test makes a server's keeper, which starts this program
 * again as its front, and again each time it has killed itself. Each front does its part, and looks at what the last
 * one left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRONT_FD  3
#define SERVICE	  3
#define SHORT_MS  300
#define PORT_TEXT "5433"
#define BEAT	  "while :; do date +%N > /sandboxes/shared/beat; sleep 0.01; done"
#define BEAT_STILL                                                                                           \
	"cat /sandboxes/shared/beat > /tmp/1; sleep 0.3; cmp /sandboxes/shared/beat /tmp/1 && echo still"

/* Says what it is, and prints all the time: its next reader comes in the middle of a frame. */
static const char serve[] = "exec python3 -u -c \"\n"
			    "import socket,threading,os,time\n"
			    "def chat():\n"
			    "  while True: os.write(1, b'x'*60000); time.sleep(.001)\n"
			    "threading.Thread(target=chat, daemon=True).start()\n"
			    "s=socket.socket(); s.bind(('127.0.0.1'," PORT_TEXT ")); s.listen()\n"
			    "t=str(time.time_ns()).encode()\n"
			    "while True:\n"
			    " c,_=s.accept(); c.sendall(t); c.close()\n\"";

static const char ask[] = "python3 -c \"\n"
			  "import socket,time\n"
			  "for i in range(400):\n"
			  " try:\n"
			  "  s=socket.create_connection(('127.0.0.1'," PORT_TEXT ")); break\n"
			  " except OSError: time.sleep(.05)\n"
			  "print(s.recv(99).decode())\n\"";

static void id_of(const char *name, uint8_t id[ENGINE_SESSION_ID_SIZE])
{
	memset(id, 0, ENGINE_SESSION_ID_SIZE);
	memcpy(id, name, strlen(name));
}

static void take_session(struct world *w, const char *name)
{
	uint8_t id[ENGINE_SESSION_ID_SIZE];

	id_of(name, id);
	w->ended = false;
	assert_int_equal(w->engine->v->session_take(w->engine, id, &world_events, w, &w->session, NULL), 0);
}

static unsigned count_left(struct world *w)
{
	struct engine_session_record record;
	unsigned count = 0;

	while (w->engine->v->session_found(w->engine, count, &record))
		count++;
	return count;
}

/* Leaves files, a service, a run under way, and a session that will not last. */
static void first(struct world *w)
{
	struct engine_sandbox_spec service = member_spec(w, ENGINE_MEMBER_SERVICE, SERVICE, "");
	static struct member served, beating, m;
	struct engine_sandbox_spec spec;
	char command[128];

	assert_int_equal(count_left(w), 0);
	session_begin(w, "kata", 600000);
	service.session = w->session;
	service.limits.value[LIMIT_OUTPUT_BYTES] = (int64_t)1 << 40;
	service.limits.value[LIMIT_WALL_MS] = (int64_t)1 << 40;
	member_make(w, &served, &service);
	member_start_with(&served, serve, &service.limits);
	run_as(w, &m, 1, "lion", ask);
	assert_int_equal(m.facts.exit_code, 0);
	snprintf(command, sizeof(command), "echo %.*s > token", (int)strcspn(m.out, "\n"), m.out);
	run_as(w, &m, 1, "lion", command);
	assert_int_equal(m.facts.exit_code, 0);
	spec = member_spec(w, ENGINE_MEMBER_RUN, 2, "bear");
	member_make(w, &beating, &spec);
	member_start(&beating, BEAT);
	run_as(w, &m, 1, "lion", "while [ ! -e ../shared/beat ]; do sleep 0.02; done");
	session_begin(w, "short", SHORT_MS);
	raise(SIGKILL);
}

/* Finds all of it but the run, and ends the service. */
static void second(struct world *w)
{
	static struct member served, m;
	char command[1024];

	assert_in_range(engine_native_host(w->engine)->lost, 1,
			4); /* runs that had just ended may be among them */
	take_session(w, "kata");
	run_as(w, &m, 3, "wolf", BEAT_STILL);
	assert_string_equal(m.out, "still\n");
	served.world = w;
	assert_int_equal(w->engine->v->service_take(w->session, 1, &member_events, &served, &served.sb, NULL),
			 -ENOENT);
	assert_int_equal(
		w->engine->v->service_take(w->session, SERVICE, &member_events, &served, &served.sb, NULL),
		0);
	snprintf(command, sizeof(command), "%s | grep -q $(cat token) && echo same", ask);
	run_as(w, &m, 1, "lion", command);
	assert_string_equal(m.out, "same\n");
	/* It is heard again. */
	while (!served.out_len && !served.failed)
		uv_run(&w->loop, UV_RUN_ONCE);
	assert_false(served.failed);
	w->engine->v->step_kill(served.sb, STEP_KILL_CANCEL);
	member_wait(&served);
	assert_true(served.ended);
	assert_int_equal(served.facts.signal, SIGKILL);
	member_end(&served);
	/* Nobody took the other one, and its time was up long ago. */
	assert_int_equal(count_left(w), 0);
	raise(SIGKILL);
}

static void third(struct world *w)
{
	static struct member served, m;

	assert_int_equal(count_left(w), 1);
	take_session(w, "kata");
	assert_int_equal(
		w->engine->v->service_take(w->session, SERVICE, &member_events, &served, &served.sb, NULL),
		-ENOENT);
	run_as(w, &m, 1, "lion", "test -s token && echo kept");
	assert_string_equal(m.out, "kept\n");
	w->engine->v->session_destroy(w->session);
}

/* Which front this is. */
static int number_of(const char *folder)
{
	char path[256];

	for (int number = 1; number < 10; number++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%d", folder, number);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			continue;
		close(fd);
		return number;
	}
	return 0;
}

static int be_front(const char *folder)
{
	static void (*const parts[])(struct world * w) = { first, second, third };
	static struct world world;
	int number = number_of(folder);

	if (number < 1 || number > 3)
		return 99;
	if (!world_open(&world, FRONT_FD))
		return 98;
	parts[number - 1](&world);
	world_close(&world);
	return 0;
}

static void files_and_services_outlive_fronts_and_deadlines_too(void **state)
{
	char folder[] = "/tmp/kiln-test-survival-XXXXXX", path[256];
	char *argv[] = { (char *)"test_session_survival", folder, NULL };
	const struct native_options options = { .keeper_fd = -1, .lock_fd = -1 };
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("# no sessions here: we are not root\n");
		skip();
	}
	assert_non_null(mkdtemp(folder));
	pid = fork();
	if (pid == 0) {
		_exit(engine_native_serve_exec(&options, argv, NULL) < 0 ? 97 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	for (int number = 1; number <= 3; number++) {
		snprintf(path, sizeof(path), "%s/%d", folder, number);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_and_services_outlive_fronts_and_deadlines_too),
	};

	if (getenv("KILN_KEEPER_FD") && argc == 2)
		return be_front(argv[1]);
	return cmocka_run_group_tests_name("session_survival", tests, NULL, NULL);
}
