/*
 * Podman answers Docker's API, but of what a container is made with it takes some things in other words, does others
 * unasked, and passes some over in silence. Here a document for Docker is made into one that says the same to Podman.
 */
#include "engine/docker/docker_priv.h"
#include "engine/docker/spec.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INODES	 "nr_inodes="
#define SIZE	 "size="
#define BLOCKS	 "nr_blocks="
#define NO_COPY	 "notmpcopyup" /* unasked a tmpfs has a copy of what the image has there */
#define CLOSED	 "ro,nosuid,nodev,noexec,size=4096,mode=555," NO_COPY
#define MASK	 "mask="
#define MASK_MAX 4096

/* Podman refuses an option of a tmpfs that it does not know: without a number of its own it has the kernel's. */
static json_t *tmpfs_options(const char *docker)
{
	AUTO_FREE char *options = NULL;
	const char *from = strstr(docker, INODES), *behind;

	if (!from)
		return json_sprintf("%s,%s", docker, NO_COPY);
	behind = from + strcspn(from, ",");
	if (*behind)
		behind++;
	if (asprintf(&options, "%.*s%s", (int)(from - docker), docker, behind) < 0) {
		options = NULL;
		return NULL;
	}
	return json_sprintf("%s,%s", options, NO_COPY);
}

static int adapt_tmpfs(json_t *config)
{
	json_t *tmpfs = json_object_get(config, "Tmpfs"), *value;
	const char *path;
	void *next;
	int r = 0;

	json_object_foreach_safe(tmpfs, next, path, value) r |=
		json_object_set_new(tmpfs, path, tmpfs_options(json_string_value(value)));
	/* Where the root is read-only Podman makes this one writable. */
	return r | json_object_set_new(tmpfs, "/run", json_string(CLOSED));
}

/* The field of this name is passed over; the option adds to the paths that are masked anyway. */
static int adapt_masks(json_t *config)
{
	char text[MASK_MAX] = MASK;
	size_t used = sizeof(MASK) - 1, i;
	json_t *path;

	json_array_foreach(json_object_get(config, "MaskedPaths"), i, path)
	{
		const char *name = json_string_value(path);
		int n = 0;

		/* What separates them cannot be in one. */
		if (!strchr(name, ':'))
			n = snprintf(text + used, sizeof(text) - used, "%s%s",
				     used > sizeof(MASK) - 1 ? ":" : "", name);
		if (n < 0 || (size_t)n >= sizeof(text) - used)
			return -1;
		used += (size_t)n;
	}
	json_object_del(config, "MaskedPaths");
	return json_array_append_new(json_object_get(config, "SecurityOpt"), json_string(text));
}

json_t *podman_container(json_t *container)
{
	json_t *config = json_object_get(container, "HostConfig");

	if (config && adapt_tmpfs(config) == 0 && adapt_masks(config) == 0)
		return container;
	json_decref(container);
	return NULL;
}

/*
 * What is called size it takes for a quota of a file system that has some, whatever the volume is of: in pages it is
 * the kernel's word alone. They are as large as ours, but on another machine of another kind.
 */
json_t *podman_volume(json_t *volume)
{
	json_t *options = json_object_get(volume, "DriverOpts");
	const char *text = json_string_value(json_object_get(options, "o"));
	const char *from = text ? strstr(text, SIZE) : NULL;
	long long size = from ? strtoll(from + strlen(SIZE), NULL, 10) : 0;

	if (!from)
		return volume;
	if (json_object_set_new(options, "o",
				json_sprintf("%.*s" BLOCKS "%lld%s", (int)(from - text), text,
					     size / sysconf(_SC_PAGESIZE), from + strcspn(from, ","))) == 0)
		return volume;
	json_decref(volume);
	return NULL;
}

/* As the runtime specification of the Open Container Initiative has it, which is what Podman's own call takes. */
json_t *podman_update(json_t *update)
{
	const json_t *quota = json_object_get(update, "CpuQuota"),
		     *period = json_object_get(update, "CpuPeriod");
	const json_t *memory = json_object_get(update, "Memory"),
		     *swap = json_object_get(update, "MemorySwap");
	const json_t *pids = json_object_get(update, "PidsLimit");
	json_t *cpu = quota ? json_pack("{s:O, s:O}", "quota", quota, "period", period) : NULL;
	json_t *processes = pids ? json_pack("{s:O}", "limit", pids) : NULL;
	json_t *resources = json_pack("{s:{s:O*, s:O*}, s:o*, s:o*}", "memory", "limit", memory, "swap", swap,
				      "cpu", cpu, "pids", processes);

	json_decref(update);
	return resources;
}
