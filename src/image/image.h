/*
 * An image: a root file system with a digest, and what its maker said about how to run it.
 *
 * The digest is SHA-256 over a canonical listing of all that a run can see of it (digest.h), so that two
 * images with one digest are the same for every program. `struct image` is the description; the files stand in
 * the store (store.h).
 */
#ifndef KILN_IMAGE_IMAGE_H
#define KILN_IMAGE_IMAGE_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define IMAGE_DIGEST_LEN 71 /* "sha256:" and 64 hexadecimal digits */
#define IMAGE_NAME_MAX	 200

/* Whom its programs run as (account.h). */
struct image_account {
	uint32_t uid, gid; /* uid 0: nobody of its own, so the user of all sandboxes */
	char *name, *home; /* with another uid: never NULL */
};

struct image {
	char *name; /* canonical; NULL: of an image that has none */
	char digest[IMAGE_DIGEST_LEN + 1];
	char *source;	   /* where it came from, for people */
	int64_t created_s; /* when it was stored, seconds since 1970 */
	uint64_t size_bytes, files;
	/* As in an OCI configuration. NULL: not said. */
	char *user, *workdir;
	struct image_account account; /* that `user` is in its files */
	char **env;		      /* "NAME=value" */
	char **entrypoint, **command;
	char **labels; /* "name=value" */
	char *damage;  /* in lists: why nothing but the name is known; else NULL */
};

/*
 * The canonical form of a name that a person wrote ("docker://" in front and ":latest" behind are dropped; the
 * result is the caller's). Refused (422, "image_name_bad"): the empty name, "host", and whatever is not made
 * of letters, digits and "._-/:@" with a letter or digit in front, is longer than IMAGE_NAME_MAX, or holds
 * "..".
 */
[[nodiscard]] int image_name_canonical(const char *text, char **ret, struct err *err);

/* True for "sha256:" and 64 digits of lower-case hexadecimal. */
bool image_digest_valid(const char *text);

/* The digest of "name@sha256:…" or "sha256:…", or NULL when `text` names none. */
const char *image_digest_in(const char *text);

/* A new reference, or NULL when out of memory. */
json_t *image_to_json(const struct image *image);

/* Reads what image_to_json() wrote. -EINVAL when it is something else. *ret is to be finished in any case. */
[[nodiscard]] int image_from_json(const json_t *json, struct image *ret, struct err *err);

void image_finish(struct image *image);
void image_account_finish(struct image_account *account);

#define AUTO_IMAGE __attribute__((cleanup(image_finish)))

#endif
