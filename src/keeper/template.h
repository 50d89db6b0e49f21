/* The templates of the keeper's two mount plans (sandbox/mounts.h). */
#ifndef KILN_KEEPER_TEMPLATE_H
#define KILN_KEEPER_TEMPLATE_H

#include "sandbox/mounts.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct keeper;

#define TEMPLATE_SOURCES_MAX 20

/* By which one sees that a file or a folder of the host is another one than it was. */
struct template_source {
	uint64_t device, inode;
	int64_t size;
	struct timespec changed;
};

struct plan_template {
	bool tried;
	struct mount_template namespaces; /* a negative descriptor: there is none */
	struct template_source made_of[TEMPLATE_SOURCES_MAX];
};

/* NULL: plans are applied without. Made when it is first worth it, and anew when it is stale. */
const struct mount_template *template_for(struct keeper *k, bool stored_image);

#endif
