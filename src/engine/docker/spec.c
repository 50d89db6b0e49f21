/*
 * What a container is made with, as "Create a container" of the Docker Engine API has it.
 */
#include "engine/docker/spec.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "engine/docker/sessions.h"
#include "wire/init_config.h"
#include "wire/writable.h"

#include <stdio.h>
#include <string.h>

#define CPU_PERIOD_US	100000
#define SPARE_PROCESSES 2	     /* init, and a step's process that is not reaped yet */
#define SENTRY_BYTES	(64ll << 20) /* what gVisor itself is given: some 20 MiB when nothing runs */
#define INODES_MAX	1000000
#define BYTES_PER_INODE 4096
#define OOM_SCORE	500 /* a step's processes go before init, and init before the host's */

void hex_encode(const uint8_t *data, size_t len, char *ret)
{
	for (size_t i = 0; i < len; i++)
		snprintf(ret + 2 * i, 3, "%02x", data[i]);
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(const char *text, uint8_t *ret, size_t len)
{
	if (strlen(text) != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool container_id_valid(const char *text)
{
	uint8_t id[CONTAINER_ID_MAX / 2];

	return text && hex_decode(text, id, sizeof(id));
}

bool spec_same_disk(const struct limits *a, const struct limits *b)
{
	return a->value[LIMIT_DISK_BYTES] == b->value[LIMIT_DISK_BYTES];
}

bool spec_same_groups(const struct limits *a, const struct limits *b)
{
	return a->value[LIMIT_MEMORY_BYTES] == b->value[LIMIT_MEMORY_BYTES] &&
	       a->value[LIMIT_PROCESSES] == b->value[LIMIT_PROCESSES] &&
	       a->value[LIMIT_CPU_PERCENT] == b->value[LIMIT_CPU_PERCENT];
}

bool spec_groups_will_do(const struct limits *have, const struct limits *wanted)
{
	return have->value[LIMIT_MEMORY_BYTES] >= wanted->value[LIMIT_MEMORY_BYTES] &&
	       have->value[LIMIT_CPU_PERCENT] == wanted->value[LIMIT_CPU_PERCENT];
}

/* The control groups' part of HostConfig, which an update has at its top. */
static int add_groups(json_t *to, const struct spec *spec)
{
	const int64_t *limit = spec->limits->value;
	int64_t memory = limit[LIMIT_MEMORY_BYTES] + (spec->sentry ? SENTRY_BYTES : 0);
	int r = json_object_set_new(to, "Memory", json_integer(memory));

	/* The same as memory: no swap. */
	if (spec->swap)
		r |= json_object_set_new(to, "MemorySwap", json_integer(memory));
	if (spec->cpu) {
		r |= json_object_set_new(to, "CpuPeriod", json_integer(CPU_PERIOD_US));
		r |= json_object_set_new(to, "CpuQuota",
					 json_integer(limit[LIMIT_CPU_PERCENT] * (CPU_PERIOD_US / 100)));
	}
	if (spec->pids)
		r |= json_object_set_new(to, "PidsLimit",
					 json_integer(limit[LIMIT_PROCESSES] + SPARE_PROCESSES));
	return r;
}

static int64_t inodes_of(int64_t size)
{
	int64_t inodes = size / BYTES_PER_INODE;

	return inodes > INODES_MAX ? INODES_MAX : inodes < 64 ? 64 : inodes;
}

static char *tmpfs_options(const struct limits *limits, unsigned mode, bool programs)
{
	int64_t size = limits->value[LIMIT_DISK_BYTES];
	char *text;

	if (asprintf(&text, "rw,nosuid,nodev,%s,size=%lld,nr_inodes=%lld,mode=%o",
		     programs ? "exec" : "noexec", (long long)size, (long long)inodes_of(size), mode) < 0)
		return NULL;
	return text;
}

static int add_tmpfs(json_t *to, const char *path, const struct limits *limits, unsigned mode, bool programs)
{
	AUTO_FREE char *options = tmpfs_options(limits, mode, programs);

	return options ? json_object_set_new(to, path, json_string(options)) : -1;
}

static bool is_path(const char *path)
{
	return path[0] == '/' && path[1] && strlen(path) < 256 && !strstr(path, "..") && !strchr(path, ':');
}

static bool has_files(const struct spec *spec)
{
	return spec->member && spec->member->volume;
}

/* In which nothing runs: it has all files of a session. */
static bool is_of_files(const struct spec *spec)
{
	return has_files(spec) && !spec->member->home;
}

static int add_closed(json_t *to, char *const *volumes)
{
	int r = 0;

	for (; r == 0 && volumes && *volumes; volumes++) {
		if (is_path(*volumes))
			r = json_object_set_new(to, *volumes,
						json_string("ro,nosuid,nodev,noexec,size=4096,mode=555"));
	}
	return r;
}

/*
 * What can be written. A volume that the image declares would be one more, on the host's disk: it is empty and
 * closed.
 */
static json_t *tmpfs(const struct spec *spec)
{
	const char *folder = spec->member && spec->member->folders ? spec->member->folders : "";
	json_t *all = json_object();
	int r = all ? add_closed(all, spec->volumes) : -1;

	if (r == 0 && !has_files(spec))
		r = add_tmpfs(all, "/sandbox", spec->limits, 0755, true);
	if (r == 0 && !is_of_files(spec))
		r = add_tmpfs(all, "/home/sandbox", spec->limits, 0755, true) |
		    add_tmpfs(all, "/tmp", spec->limits, 01777, true) |
		    add_tmpfs(all, "/var/tmp", spec->limits, 01777, false);
	for (; r == 0 && *folder; folder += strlen(folder) + 1)
		r = add_tmpfs(all, folder, spec->limits, 0755, true);
	if (r == 0)
		return all;
	json_decref(all);
	return NULL;
}

static int add_volume(json_t *to, const char *volume, const char *target, bool read_only)
{
	return json_array_append_new(to, json_pack("{s:s, s:s, s:s, s:b, s:{s:b}}", "Type", "volume",
						   "Source", volume, "Target", target, "ReadOnly", read_only,
						   "VolumeOptions", "NoCopy", 1));
}

/*
 * The home of a user is a folder of the volume, which the daemon can mount only by where it has that; what is below its
 * own folder it mounts as a slave or not at all.
 */
static int add_home(json_t *to, const struct spec_member *member)
{
	AUTO_FREE char *source = NULL;

	if (asprintf(&source, "%s/%s", member->mountpoint, member->home) < 0) {
		source = NULL;
		return -1;
	}
	return json_array_append_new(to, json_pack("{s:s, s:s, s:s, s:b, s:{s:s}}", "Type", "bind", "Source",
						   source, "Target", "/sandbox", "ReadOnly", 0, "BindOptions",
						   "Propagation", "rslave"));
}

static int add_table(json_t *to, const char *source, const char *target)
{
	if (!source || !source[0])
		return 0;
	return json_array_append_new(to, json_pack("{s:s, s:s, s:s, s:b}", "Type", "bind", "Source", source,
						   "Target", target, "ReadOnly", 1));
}

static json_t *mounts(const struct spec *spec)
{
	const struct spec_member *member = spec->member;
	json_t *list = json_array();
	int r = list ? add_volume(list, spec->volume, INIT_CONTAINER_DIR, true) : -1;

	if (r == 0 && is_of_files(spec))
		r = add_volume(list, member->volume, "/sandbox", member->read_only);
	else if (r == 0 && has_files(spec))
		r = add_volume(list, member->volume, "/sandboxes", false) | add_home(list, member);
	if (r == 0)
		r = add_table(list, spec->passwd, "/etc/passwd") | add_table(list, spec->group, "/etc/group");
	if (r == 0)
		return list;
	json_decref(list);
	return NULL;
}

static char *network_of(const struct spec *spec)
{
	char *mode;

	if (!spec->member || !spec->member->network)
		return strdup("none");
	return asprintf(&mode, "container:%s", spec->member->network) < 0 ? NULL : mode;
}

/* What the wall list of the native engine hides beside what Docker does by itself. */
static json_t *hidden(void)
{
	static const char *const paths[] = {
		"/proc/acpi",
		"/proc/asound",
		"/proc/buddyinfo",
		"/proc/bus",
		"/proc/cmdline",
		"/proc/config.gz",
		"/proc/driver",
		"/proc/fs",
		"/proc/interrupts",
		"/proc/iomem",
		"/proc/ioports",
		"/proc/irq",
		"/proc/kallsyms",
		"/proc/kcore",
		"/proc/key-users",
		"/proc/keys",
		"/proc/kmsg",
		"/proc/latency_stats",
		"/proc/locks",
		"/proc/modules",
		"/proc/pagetypeinfo",
		"/proc/sched_debug",
		"/proc/scsi",
		"/proc/slabinfo",
		"/proc/softirqs",
		"/proc/sysrq-trigger",
		"/proc/timer_list",
		"/proc/timer_stats",
		"/proc/vmallocinfo",
		"/sys/block",
		"/sys/bus",
		"/sys/class",
		"/sys/dev",
		"/sys/devices/pci0000:00",
		"/sys/devices/virtual",
		"/sys/firmware",
		"/sys/fs/bpf",
		"/sys/kernel",
		"/sys/module",
		"/sys/power",
	};
	json_t *list = json_array();

	for (size_t i = 0; list && i < ARRAY_LEN(paths); i++) {
		if (json_array_append_new(list, json_string(paths[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/*
 * What init needs: to give /sandbox to the user, to become the user, to kill what the user started, and to collect
 * files that the user made unreadable. It gives up the
 * first at once, and each process of a step gives up all of them for good before anything of the user's is executed.
 * Where it has the files of all users of a session, and starts nothing: to give them away.
 */
static json_t *capabilities(const struct spec *spec)
{
	return is_of_files(spec)
		       ? json_pack("[s,s,s,s,s]", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID")
		       : json_pack("[s,s,s,s,s,s]", "CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETPCAP",
				   "SETUID");
}

static json_t *host_config(const struct spec *spec)
{
	AUTO_FREE char *network = network_of(spec);
	json_t *config = json_pack("{s:s*, s:b, s:[s], s:o, s:[s], s:s, s:s, s:o, s:o, s:I, s:i,"
				   " s:{s:s}, s:{s:s}, s:b, s:b, s:o}",
				   "NetworkMode", network, "ReadonlyRootfs", 1, "CapDrop", "ALL", "CapAdd",
				   capabilities(spec), "SecurityOpt", "no-new-privileges", "IpcMode",
				   "private", "CgroupnsMode", "private", "Tmpfs", tmpfs(spec), "MaskedPaths",
				   hidden(), "ShmSize", (json_int_t)spec->limits->value[LIMIT_DISK_BYTES],
				   "OomScoreAdj", OOM_SCORE, "LogConfig", "Type", "none", "RestartPolicy",
				   "Name", "no", "AutoRemove", 0, "Init", 0, "Mounts", mounts(spec));

	if (!config || !network || add_groups(config, spec) < 0 ||
	    (spec->runtime && spec->runtime[0] &&
	     json_object_set_new(config, "Runtime", json_string(spec->runtime)) < 0)) {
		json_decref(config);
		return NULL;
	}
	return config;
}

static void image_id(const uint8_t *digest, char ret[7 + 2 * KEEPER_DIGEST_SIZE + 1])
{
	memcpy(ret, "sha256:", 7);
	hex_encode(digest, KEEPER_DIGEST_SIZE, ret + 7);
}

static int add_word(json_t *to, const char *word)
{
	return json_array_append_new(to, json_string(word));
}

static int add_number(json_t *to, uint32_t number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	return add_word(to, text);
}

/* Behind the word: the user's id, and of a member the rest of enum init_arg. */
static int add_member_words(json_t *to, const struct spec_member *member)
{
	const char *folder = member->folders ? member->folders : "";
	char home[16 + KEEPER_NAME_SIZE];
	int r;

	snprintf(home, sizeof(home), "%s%s%s", member->volume ? "/sandboxes" : "/sandbox",
		 member->home ? "/" : "", member->home ? member->home : "");
	r = add_number(to, member->gid) | add_word(to, home) | add_word(to, member->role);
	for (; r == 0 && *folder; folder += strlen(folder) + 1)
		r = add_word(to, folder);
	return r;
}

static json_t *entrypoint(const struct spec *spec)
{
	json_t *words = json_array();
	int r = words ? add_word(words, INIT_CONTAINER_DIR "/init") | add_word(words, INIT_CONTAINER_WORD) |
				add_number(words, spec->uid)
		      : -1;

	if (r == 0 && spec->member)
		r = add_member_words(words, spec->member);
	if (r == 0)
		return words;
	json_decref(words);
	return NULL;
}

json_t *spec_create(const struct spec *spec)
{
	/* The name of the host is the network's. */
	const char *hostname = spec->member && spec->member->network ? NULL : "kiln";
	char id[7 + 2 * KEEPER_DIGEST_SIZE + 1];
	json_t *config = host_config(spec);

	if (!config)
		return NULL;
	image_id(spec->digest, id);
	return json_pack("{s:s, s:s, s:s*, s:s, s:o, s:[], s:[], s:b, s:b, s:b, s:b, s:b, s:b, "
			 "s:{s:[s]}, s:{s:s}, s:o}",
			 "Image", id, "User", "0:0", "Hostname", hostname, "WorkingDir", "/", "Entrypoint",
			 entrypoint(spec), "Cmd", "Env", "AttachStdin", 1, "AttachStdout", 1, "AttachStderr",
			 1, "OpenStdin", 1, "StdinOnce", 1, "Tty", 0, "Healthcheck", "Test", "NONE", "Labels",
			 OWNER_LABEL, spec->owner, "HostConfig", config);
}

json_t *spec_volume(const char *name, const char *owner, const struct limits *limits)
{
	int64_t size = limits->value[LIMIT_DISK_BYTES];
	char options[128];

	snprintf(options, sizeof(options), "nosuid,nodev,mode=755,size=%lld,nr_inodes=%lld", (long long)size,
		 (long long)inodes_of(size));
	return json_pack("{s:s, s:s, s:{s:s, s:s, s:s}, s:{s:s, s:s}}", "Name", name, "Driver", "local",
			 "DriverOpts", "type", "tmpfs", "device", "tmpfs", "o", options, "Labels",
			 OWNER_LABEL, owner, SESSION_LABEL, "files");
}

json_t *spec_helper(const struct spec *spec)
{
	char id[7 + 2 * KEEPER_DIGEST_SIZE + 1];

	image_id(spec->digest, id);
	return json_pack("{s:s, s:s, s:[s], s:[], s:{s:s}, s:{s:s, s:[{s:s, s:s, s:s, s:{s:b}}]}}", "Image",
			 id, "User", "0:0", "Entrypoint", INIT_CONTAINER_DIR "/init", "Cmd", "Labels",
			 OWNER_LABEL, spec->owner, "HostConfig", "NetworkMode", "none", "Mounts", "Type",
			 "volume", "Source", spec->volume, "Target", INIT_CONTAINER_DIR, "VolumeOptions",
			 "NoCopy", 1);
}

json_t *spec_update(const struct spec *spec)
{
	json_t *update = json_object();

	if (!update || add_groups(update, spec) < 0) {
		json_decref(update);
		return NULL;
	}
	return update;
}
