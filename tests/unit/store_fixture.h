/* A store of sessions in a folder of its own. */
#ifndef KILN_TESTS_STORE_FIXTURE_H
#define KILN_TESTS_STORE_FIXTURE_H

#include "session/store.h"

struct store_fixture {
	char dir[32];
	struct session_store *store;
	struct store_options options;
	char seen[1024]; /* what the last look found */
};

/* Opens the store, also again. */
void store_open(struct store_fixture *f);
int store_setup(void **state);
int store_teardown(void **state);
/* The folder with all files that a store makes, which is closed. */
void store_remove(const char *dir);
/* A record of an open session. */
void store_put(struct store_fixture *f, const char *key, const char *id);

#endif
