#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

void store_open(struct store_fixture *f)
{
	struct err err = ERR_INIT;

	if (session_store_open(&f->options, &f->store, &err) < 0)
		fail_msg("%s", err.text);
}

int store_setup(void **state)
{
	struct store_fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/kiln-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->options = (struct store_options){ .dir = f->dir, .bytes_max = 4 << 20 };
	store_open(f);
	*state = f;
	return 0;
}

void store_remove(const char *dir)
{
	static const char *const files[] = { "sessions.db", "sessions.db-wal", "sessions.db-shm", "lock",
					     "runs.log" };
	char path[256];

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(dir), 0);
}

int store_teardown(void **state)
{
	struct store_fixture *f = *state;

	session_store_close(f->store);
	store_remove(f->dir);
	free(f);
	return 0;
}

void store_put(struct store_fixture *f, const char *key, const char *id)
{
	const struct store_session session = {
		.key = key, .tenant = "", .id = id, .spec = "{}", .state = "open", .reason = "", .kept = true
	};

	assert_int_equal(session_store_put(f->store, &session, NULL), 0);
}
