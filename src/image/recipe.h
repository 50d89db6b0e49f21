/*
 * A recipe: which Debian packages make an image, and what is done to them; one YAML file in images/.
 *
 *   name: go                      the image's name; also the file's name, without .yaml
 *   description: Go 1.24          one line for people
 *   suite: trixie                 bullseye, bookworm, bookworm-backports, trixie or sid
 *   packages: [golang-go]         beside Debian's smallest root file system; no recommended ones
 *   npm: [typescript@5]           installed below /opt/npm, without their scripts
 *   files:                        from beside the recipe, or "runtime:NAME": one of kiln's own programs
 *     - {from: sample.go, to: /opt/sample.go, mode: "0644"}
 *   setup: ["command", …]         shell scripts, run inside as its root, in order, after all of the above
 *   env: {GOCACHE: /opt/gocache}  of every run in the image
 */
#ifndef KILN_IMAGE_RECIPE_H
#define KILN_IMAGE_RECIPE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct recipe_file {
	char *from, *to;
	uint32_t mode;
};

struct recipe {
	char *name, *description, *suite;
	char **packages, **npm, **setup;
	char **env; /* "NAME=value" */
	struct recipe_file *files;
	size_t files_count;
};

/* -EINVAL with file, line and key when it is wrong. *ret is to be finished in any case. */
[[nodiscard]] int recipe_load(const char *path, struct recipe *ret, struct err *err);

void recipe_finish(struct recipe *recipe);

#endif
