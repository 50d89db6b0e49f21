/*
 * What the tests of images share: a folder that goes away again, and tars with whatever members.
 */
#ifndef KILN_TEST_IMAGE_FIXTURE_H
#define KILN_TEST_IMAGE_FIXTURE_H

#include "image/layer.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct folder {
	char path[64];
	int fd;
};

void folder_make(struct folder *folder);
void folder_remove(struct folder *folder);

/* The content of a file in a folder, or NULL when there is no regular file; links are not followed. Static room. */
const char *file_text(int dir_fd, const char *name);
void write_text(int dir_fd, const char *name, const char *text);

struct member {
	const char *name;
	mode_t type;	  /* S_IFREG, … ; 0: a hard link */
	const char *text; /* content, or where a link leads */
	mode_t mode;	  /* 0: 0644 */
};

/* A tar of the members, up to one without a name, in a memfd at its beginning. */
int tar_make(const struct member *members);

/* Makes the first member of a tar, an empty file, say that it has eight gigabytes. */
void tar_exaggerate(int fd);

/* layer_apply() to a folder, with bounds that are in nobody's way. */
int apply(int root_fd, const struct member *members, bool whiteouts, struct err *err);

#endif
