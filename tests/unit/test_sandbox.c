/*
 * What a sandbox is made of: the mount plan as data, the text files of control groups.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "sandbox/cgroup_priv.h"
#include "sandbox/mounts.h"
#include "sandbox/setup.h"
#include "wire/writable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- mounts ---- */

static void plan_of_this_host(struct mount_plan *plan)
{
	assert_int_equal(mount_plan_host(plan, NULL), 0);
	assert_true(plan->count > 0 && plan->count < MOUNT_OPS_MAX);
}

/* /bin and its kin: a link on a merged system, a folder with an overlay on others, nothing on some. */
static bool depends_on_the_host(const struct mount_op *op)
{
	static const char *const targets[] = { "bin", "sbin", "lib", "lib32", "lib64", "libx32" };

	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		if (strcmp(op->target, targets[i]) == 0)
			return true;
	}
	return strncmp(op->target, "etc/java-", strlen("etc/java-")) == 0;
}

static void print_escaped(struct buf *out, const char *text)
{
	for (; *text; text++)
		assert_int_equal(*text == '\n' ? buf_append_str(out, "\\n") : buf_append(out, text, 1), 0);
}

static const char *flags_text(const struct mount_op *op)
{
	static char text[64];

	if (op->kind == MOUNT_DIR)
		snprintf(text, sizeof(text), " %04o", (unsigned)op->number);
	else
		snprintf(text, sizeof(text), "%s%s%s", op->number & MS_NOSUID ? " nosuid" : "",
			 op->number & MS_NODEV ? " nodev" : "", op->number & MS_NOEXEC ? " noexec" : "");
	return text;
}

/* Without what depends on the host. */
static void print_plan(const struct mount_plan *plan, struct buf *out)
{
	for (unsigned i = 0; i < plan->count; i++) {
		const struct mount_op *op = &plan->ops[i];

		if (depends_on_the_host(op))
			continue;
		assert_int_equal(
			buf_printf(out, "%s %s%s", mount_kind_name(op->kind), op->target, flags_text(op)), 0);
		if (op->source)
			assert_int_equal(buf_append_str(out, " <- "), 0);
		print_escaped(out, op->source ? op->source : "");
		assert_int_equal(buf_append_str(out, "\n"), 0);
	}
}

static void assert_plan_is(const struct mount_plan *plan, const char *path)
{
	static char golden[16384];
	struct buf out = BUF_INIT(sizeof(golden));
	FILE *file = fopen(path, "re");
	size_t n;

	print_plan(plan, &out);
	assert_non_null(file);
	n = fread(golden, 1, sizeof(golden) - 1, file);
	fclose(file);
	golden[n] = '\0';
	for (const char *is = (const char *)out.data, *was = golden; *is || *was;) {
		size_t is_len = strcspn(is, "\n"), was_len = strcspn(was, "\n");

		if (is_len != was_len || memcmp(is, was, is_len) != 0)
			fail_msg("%s has '%.*s', the plan '%.*s'", path, (int)was_len, was, (int)is_len, is);
		is += is_len + (is[is_len] == '\n');
		was += was_len + (was[was_len] == '\n');
	}
	buf_finish(&out);
}

static void the_plan_of_the_host_image_is_this_list(void **state)
{
	struct mount_plan plan;

	plan_of_this_host(&plan);
	assert_plan_is(&plan, KILN_TEST_SOURCE "/tests/unit/mount_plan_host.txt");
}

static void the_plan_of_stored_images_is_this_list(void **state)
{
	struct mount_plan plan;

	assert_int_equal(mount_plan_image(&plan, NULL), 0);
	assert_plan_is(&plan, KILN_TEST_SOURCE "/tests/unit/mount_plan_image.txt");
}

static void what_depends_on_the_host_is_a_link_below_usr_or_an_overlay(void **state)
{
	struct mount_plan plan;

	plan_of_this_host(&plan);
	for (unsigned i = 0; i < plan.count; i++) {
		const struct mount_op *op = &plan.ops[i];

		if (!depends_on_the_host(op))
			continue;
		if (op->kind == MOUNT_LINK)
			assert_memory_equal(op->source, "usr/", 4);
		else if (op->kind == MOUNT_OVERLAY)
			assert_string_equal(op->source + 1, op->target);
		else
			assert_int_equal(op->kind, MOUNT_DIR);
	}
}

static void every_target_is_a_plain_path_below_the_new_root(void **state)
{
	struct mount_plan plan;

	plan_of_this_host(&plan);
	for (unsigned i = 0; i < plan.count; i++) {
		const char *target = plan.ops[i].target;

		assert_true(target[0] && target[0] != '/');
		assert_null(strstr(target, ".."));
	}
}

/* init looks into these for what a step left; one that it did not know would be a place to hide things in. */
static void check_writable_places(const struct mount_plan *plan)
{
	size_t known = 0;

	for (unsigned i = 0; i < plan->count; i++) {
		const char *target = plan->ops[i].target;
		size_t at = 0;

		if (plan->ops[i].kind != MOUNT_PART || strcmp(target, "sandbox") == 0)
			continue;
		while (at < ARRAY_LEN(writable_outside) && strcmp(writable_outside[at] + 1, target) != 0)
			at++;
		if (at == ARRAY_LEN(writable_outside))
			fail_msg("init does not look into /%s", target);
		known++;
	}
	assert_int_equal(known, ARRAY_LEN(writable_outside));
}

static void what_can_be_written_beside_the_sandbox_is_what_init_knows(void **state)
{
	struct mount_plan plan;

	plan_of_this_host(&plan);
	check_writable_places(&plan);
	assert_int_equal(mount_plan_image(&plan, NULL), 0);
	check_writable_places(&plan);
}

static int find_op(const struct mount_plan *plan, enum mount_kind kind, const char *target)
{
	for (unsigned i = 0; i < plan->count; i++) {
		if (plan->ops[i].kind == kind && strcmp(plan->ops[i].target, target) == 0)
			return (int)i;
	}
	return -1;
}

static void everything_that_can_be_written_is_a_part_of_the_one_scratch(void **state)
{
	struct mount_plan plan;
	int scratch, covered;

	plan_of_this_host(&plan);
	scratch = find_op(&plan, MOUNT_SCRATCH, "proc");
	covered = find_op(&plan, MOUNT_PROC, "proc");
	assert_true(scratch >= 0 && covered > scratch);
	for (unsigned i = 0; i < plan.count; i++) {
		const struct mount_op *op = &plan.ops[i];

		if (op->kind == MOUNT_SCRATCH)
			assert_int_equal(i, scratch);
		if (op->kind != MOUNT_PART)
			continue;
		assert_memory_equal(op->source, "proc/", 5);
		assert_true((int)i > scratch && (int)i < covered);
		assert_int_equal(op->number & (MS_NOSUID | MS_NODEV), MS_NOSUID | MS_NODEV);
		assert_int_equal(op->number & MS_RDONLY, 0);
	}
}

static void the_last_operations_seal_all_that_is_not_scratch(void **state)
{
	static const struct {
		const char *target;
		uint64_t flags;
	} last[] = { { "dev", MS_NOSUID | MS_NOEXEC },
		     { "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC },
		     { ".", MS_NOSUID | MS_NODEV } };
	struct mount_plan plan;

	plan_of_this_host(&plan);
	for (size_t i = 0; i < ARRAY_LEN(last); i++) {
		const struct mount_op *op = &plan.ops[plan.count - ARRAY_LEN(last) + i];

		assert_int_equal(op->kind, MOUNT_SEAL);
		assert_string_equal(op->target, last[i].target);
		assert_int_equal(op->number & last[i].flags, last[i].flags);
	}
}

/* What is dangerous cannot even be opened; what programs read to find out about the machine reads as empty. */
static void the_kernels_memory_and_log_cannot_be_opened(void **state)
{
	static const char *const hidden[] = { "proc/kcore", "proc/kmsg", "proc/kallsyms", "proc/keys",
					      "proc/sysrq-trigger" };
	struct mount_plan plan;
	int cover;

	plan_of_this_host(&plan);
	cover = find_op(&plan, MOUNT_HIDDEN, "hidden");
	assert_true(cover >= 0);
	for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
		assert_true(find_op(&plan, MOUNT_HIDE, hidden[i]) > cover);
}

static void what_proc_tells_of_the_host_is_masked(void **state)
{
	static const char *const masked[] = {
		"acpi",	       "asound",     "bus",	    "cmdline",	 "config.gz",	  "driver",
		"fs",	       "interrupts", "iomem",	    "ioports",	 "irq",		  "kallsyms",
		"kcore",       "key-users",  "keys",	    "kmsg",	 "latency_stats", "modules",
		"sched_debug", "scsi",	     "slabinfo",    "softirqs",	 "sysrq-trigger", "timer_list",
		"timer_stats", "locks",	     "vmallocinfo", "buddyinfo", "pagetypeinfo",
	};
	struct mount_plan plan;
	int proc, sealed;

	plan_of_this_host(&plan);
	proc = find_op(&plan, MOUNT_PROC, "proc");
	sealed = find_op(&plan, MOUNT_SEAL, "proc");
	for (size_t i = 0; i < ARRAY_LEN(masked); i++) {
		char target[64];
		int at;

		snprintf(target, sizeof(target), "proc/%s", masked[i]);
		at = find_op(&plan, MOUNT_HIDE, target);
		if (at < 0)
			at = find_op(&plan, MOUNT_MASK, target);
		if (at < proc || at > sealed)
			fail_msg("%s is not masked between proc and its seal", target);
	}
}

static void every_folder_is_made_before_it_is_used(void **state)
{
	struct mount_plan plan;

	plan_of_this_host(&plan);
	for (unsigned i = 0; i < plan.count; i++) {
		const char *slash = strrchr(plan.ops[i].target, '/');
		AUTO_FREE char *parent =
			slash ? strndup(plan.ops[i].target, (size_t)(slash - plan.ops[i].target)) : NULL;
		int made = parent ? find_op(&plan, MOUNT_DIR, parent) : -1;

		if (parent && (made < 0 || made >= (int)i))
			fail_msg("%s: its folder is not there yet", plan.ops[i].target);
	}
}

static void no_text_in_the_image_comes_from_the_host(void **state)
{
	struct mount_plan plan;

	plan_of_this_host(&plan);
	for (unsigned i = 0; i < plan.count; i++) {
		const struct mount_op *op = &plan.ops[i];

		if (op->kind == MOUNT_COPY)
			assert_string_equal(op->source, "/etc/ld.so.cache");
		if (op->kind == MOUNT_OVERLAY && strncmp(op->target, "etc", 3) == 0)
			assert_true(strcmp(op->source, "/etc/alternatives") == 0 ||
				    strncmp(op->source, "/etc/java-", strlen("/etc/java-")) == 0);
	}
}

static void every_kind_and_stage_has_a_name(void **state)
{
	for (unsigned i = 0; i < MOUNT_KIND_COUNT; i++)
		assert_non_null(mount_kind_name((enum mount_kind)i));
	for (unsigned i = 0; i < SETUP_STAGE_COUNT; i++)
		assert_string_not_equal(setup_stage_name(i), "unknown stage");
	assert_string_equal(setup_stage_name(SETUP_STAGE_COUNT), "unknown stage");
}

/* ---- control groups ---- */

struct folder {
	char path[64];
	int fd;
};

static int folder_make(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->path, sizeof(f->path), "/tmp/kiln-test-sandbox-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->fd >= 0);
	*state = f;
	return 0;
}

static int folder_remove(void **state)
{
	struct folder *f = *state;

	unlinkat(f->fd, "file", 0);
	close(f->fd);
	rmdir(f->path);
	free(f);
	return 0;
}

static void file_put(const struct folder *f, const char *text)
{
	AUTO_CLOSE int fd = openat(f->fd, "file", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void a_number_is_read_or_is_missing(void **state)
{
	const struct folder *f = *state;

	assert_int_equal(cgroup_read_number(f->fd, "nothing", 7), 7);
	file_put(f, "18446744073709551615\n");
	assert_true(cgroup_read_number(f->fd, "file", 7) == UINT64_MAX);
	file_put(f, "max\n");
	assert_int_equal(cgroup_read_number(f->fd, "file", 7), 7);
	file_put(f, "");
	assert_int_equal(cgroup_read_number(f->fd, "file", 7), 7);
}

static void a_key_is_found_by_its_whole_name(void **state)
{
	const char *text = "oom_kill_disable 1\nunder_oom 2\nxoom_kill 3\noom_kill 4\n";

	assert_int_equal(cgroup_find_key(text, "oom_kill", 0), 4);
	assert_int_equal(cgroup_find_key(text, "oom_kill_disable", 0), 1);
	assert_int_equal(cgroup_find_key(text, "oom", 9), 9);
	assert_int_equal(cgroup_find_key(text, "", 9), 9);
	assert_int_equal(cgroup_find_key("oom_kill max\n\noom_kill", "oom_kill", 9), 9);
}

static void a_file_longer_than_there_is_room_is_cut_and_ended(void **state)
{
	const struct folder *f = *state;
	char text[4] = "zzz";

	file_put(f, "123456");
	assert_int_equal(cgroup_read(f->fd, "file", text, sizeof(text)), 3);
	assert_string_equal(text, "123");
	assert_int_equal(cgroup_read(f->fd, "nothing", text, sizeof(text)), -ENOENT);
}

static void a_value_is_written_whole_and_never_makes_a_file(void **state)
{
	const struct folder *f = *state;
	char text[32];

	assert_int_equal(cgroup_write(f->fd, "nothing", "%d", 1), -ENOENT);
	file_put(f, "");
	assert_int_equal(cgroup_write(f->fd, "file", "%d %s", 100, "max"), 0);
	assert_true(cgroup_read(f->fd, "file", text, sizeof(text)) > 0);
	assert_string_equal(text, "100 max");
}

static void a_tree_of_groups_is_removed_with_all_below(void **state)
{
	const struct folder *f = *state;

	assert_int_equal(cgroup_remove_tree(f->fd, "tree"), 0);
	assert_int_equal(mkdirat(f->fd, "tree", 0700), 0);
	assert_int_equal(mkdirat(f->fd, "tree/s1", 0700), 0);
	assert_int_equal(mkdirat(f->fd, "tree/s1/run1", 0700), 0);
	assert_int_equal(mkdirat(f->fd, "tree/s2", 0700), 0);
	assert_int_equal(cgroup_remove_tree(f->fd, "tree"), 2);
	assert_int_not_equal(faccessat(f->fd, "tree", F_OK, 0), 0);
}

static void a_group_is_made_once_and_opened_again(void **state)
{
	const struct folder *f = *state;

	for (int i = 0; i < 2; i++) {
		AUTO_CLOSE int fd = cgroup_make(f->fd, "group");

		assert_true(fd >= 0);
	}
	assert_int_equal(cgroup_remove_tree(f->fd, "group"), 0);
	assert_int_equal(cgroup_make(f->fd, "no/such"), -ENOENT);
}

static void without_control_groups_a_box_is_empty_and_goes_away(void **state)
{
	const struct cgroup_host host = { .fd = { -1, -1, -1, -1 } };
	const struct limits limits = { { 1 } };
	struct cgroup_box box = CGROUP_BOX_NONE;
	struct keeper_usage usage;

	assert_int_equal(cgroup_box_create(&box, &host, NULL, 3, 1000, NULL), 0);
	assert_int_equal(cgroup_box_clone_fd(&box), -1);
	assert_int_equal(cgroup_box_enter(&box), 0);
	assert_int_equal(cgroup_box_step(&box, 1, &limits, NULL), 0);
	cgroup_box_sample(&box);
	memset(&usage, 0xff, sizeof(usage));
	cgroup_box_usage(&box, &usage);
	assert_int_equal(usage.cpu_us, 0);
	assert_int_equal(usage.memory_peak_bytes, 0);
	assert_int_equal(usage.processes_peak, 0);
	assert_int_equal(cgroup_box_remove(&box), 0);
}

static void kills_so_far(int dir_fd, const char *text)
{
	AUTO_CLOSE int fd =
		openat(dir_fd, "memory.oom_control", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* The front starts a step whose limits hold already without waiting for the keeper, which may be busy. */
static void a_kill_before_the_keeper_hears_of_the_step_is_the_steps(void **state)
{
	const struct folder *f = *state;
	const struct cgroup_host host = { .version = 1, .memory = true, .fd = { -1, -1, -1, -1 } };
	struct limits limits = { { 0 } };
	struct cgroup_box box = CGROUP_BOX_NONE;
	struct keeper_usage usage;

	for (int i = 0; i < LIMIT_COUNT; i++)
		limits.value[i] = 100;
	file_put(f, "");
	assert_int_equal(renameat(f->fd, "file", f->fd, "memory.max_usage_in_bytes"), 0);
	file_put(f, "");
	assert_int_equal(renameat(f->fd, "file", f->fd, "memory.limit_in_bytes"), 0);
	kills_so_far(f->fd, "oom_kill 1\n");
	box.host = &host;
	box.warm = true;
	box.fd[CGROUP_MEMORY] = f->fd;
	box.written = limits;

	cgroup_box_weigh(&box, &usage); /* when its runtime had not booted */
	assert_int_equal(usage.oom_kills, 1);
	kills_so_far(f->fd, "oom_kill 2\n");
	assert_int_equal(cgroup_box_step(&box, 1, &limits, NULL), 0);
	assert_int_equal(cgroup_box_oom_kills(&box), 1);

	/* With other limits the keeper's answer is waited for; what their writing killed was none of the step's. */
	limits.value[LIMIT_MEMORY_BYTES]--;
	kills_so_far(f->fd, "oom_kill 3\n");
	assert_int_equal(cgroup_box_step(&box, 1, &limits, NULL), 0);
	assert_int_equal(cgroup_box_oom_kills(&box), 0);
	unlinkat(f->fd, "memory.max_usage_in_bytes", 0);
	unlinkat(f->fd, "memory.limit_in_bytes", 0);
	unlinkat(f->fd, "memory.oom_control", 0);
}

/* ---- groups that are used again ---- */

/* Stands in for a hierarchy of version 1: what is below it are folders. */
static struct cgroup_host host_that_keeps(const struct folder *f, struct cgroup_stock *stock)
{
	*stock = (struct cgroup_stock){ .made = 0 };
	return (struct cgroup_host){
		.version = 1, .processors = 2, .fd = { f->fd, f->fd, f->fd, f->fd }, .stock = stock
	};
}

static void group_file_put(int group_fd, const char *name, const char *text)
{
	AUTO_CLOSE int fd = openat(group_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* A box's group of processes, with what a kernel would have counted in it. */
static void group_begin(struct cgroup_box *box, const struct cgroup_host *host, const char *peak,
			const char *events)
{
	*box = CGROUP_BOX_NONE;
	box->host = host;
	box->number[CGROUP_PIDS] = host->stock->made++;
	box->fd[CGROUP_PIDS] =
		cgroup_make(host->fd[CGROUP_PIDS],
			    cgroup_name_in(box->group, CGROUP_KEPT_PREFIX, box->number[CGROUP_PIDS]).text);
	group_file_put(box->fd[CGROUP_PIDS], "pids.peak", peak);
	group_file_put(box->fd[CGROUP_PIDS], "pids.events", events);
}

/* A folder is removed only empty; a group's files go with it. */
static void group_empty(int group_fd)
{
	assert_int_equal(unlinkat(group_fd, "pids.peak", 0), 0);
	assert_int_equal(unlinkat(group_fd, "pids.events", 0), 0);
}

static bool is_kept(const struct folder *f, const char *peak, const char *events)
{
	struct cgroup_stock stock;
	struct cgroup_host host = host_that_keeps(f, &stock);
	struct cgroup_box box;
	bool kept;

	group_begin(&box, &host, peak, events);
	kept = cgroup_keep(&box, CGROUP_PIDS);
	assert_int_equal(cgroup_host_keeps(&host), kept);
	group_empty(kept ? stock.items[CGROUP_PIDS][0].fd : box.fd[CGROUP_PIDS]);
	cgroup_host_clear(&host);
	if (!kept) {
		close(box.fd[CGROUP_PIDS]);
		assert_int_equal(
			unlinkat(f->fd, cgroup_name_in(NULL, CGROUP_KEPT_PREFIX, 0).text, AT_REMOVEDIR), 0);
	}
	return kept;
}

static void a_group_is_kept_only_if_it_counted_no_more_than_any_sandbox_has(void **state)
{
	const struct folder *f = *state;

	assert_true(is_kept(f, "1\n", "max 0\n"));
	assert_true(is_kept(f, "2\n", "max 0\n"));
	assert_false(is_kept(f, "3\n", "max 0\n"));
	assert_false(is_kept(f, "2\n", "max 1\n"));
}

static void groups_of_memory_are_never_kept(void **state)
{
	const struct folder *f = *state;
	struct cgroup_stock stock;
	const struct cgroup_host host = host_that_keeps(f, &stock);
	struct cgroup_box box = CGROUP_BOX_NONE;

	box.host = &host;
	assert_true(cgroup_can_keep(&box, CGROUP_PIDS));
	assert_true(cgroup_can_keep(&box, CGROUP_CPU));
	assert_true(cgroup_can_keep(&box, CGROUP_CPUACCT));
	assert_false(cgroup_can_keep(&box, CGROUP_MEMORY));
}

static void a_session_s_groups_go_to_its_own_sandboxes_and_with_it(void **state)
{
	const struct folder *f = *state;
	struct cgroup_stock stock;
	struct cgroup_host host = host_that_keeps(f, &stock);
	struct cgroup_group group = { .host = &host, .name = "x1" }, other = { .host = &host, .name = "x2" };
	struct cgroup_box box, next = CGROUP_BOX_NONE;
	AUTO_CLOSE int above = cgroup_make(f->fd, "x1");
	int fd;

	box = CGROUP_BOX_NONE;
	box.host = next.host = &host;
	box.group = &group;
	box.number[CGROUP_PIDS] = host.stock->made++;
	box.fd[CGROUP_PIDS] = fd = cgroup_make(f->fd, "x1/k0");
	group_file_put(fd, "pids.peak", "2\n");
	group_file_put(fd, "pids.events", "max 0\n");
	assert_false(cgroup_group_keeps(&group));
	assert_true(cgroup_keep(&box, CGROUP_PIDS));
	assert_true(cgroup_group_keeps(&group));
	assert_false(cgroup_host_keeps(&host));
	assert_false(cgroup_take_kept(&next, CGROUP_PIDS));
	next.group = &other;
	assert_false(cgroup_take_kept(&next, CGROUP_PIDS));
	next.group = &group;
	assert_true(cgroup_take_kept(&next, CGROUP_PIDS));
	assert_int_equal(next.fd[CGROUP_PIDS], fd);
	host.stock->of_sessions = CGROUP_KEPT_OF_SESSIONS_MAX;
	assert_false(cgroup_keep(&next, CGROUP_PIDS));
	host.stock->of_sessions = 0;
	assert_true(cgroup_keep(&next, CGROUP_PIDS));
	group_empty(fd);
	cgroup_group_clear(&group);
	assert_false(cgroup_group_keeps(&group));
	assert_int_equal(unlinkat(f->fd, "x1", AT_REMOVEDIR), 0);
}

static void few_groups_are_kept_and_all_go_when_nobody_comes(void **state)
{
	const struct folder *f = *state;
	struct cgroup_stock stock;
	struct cgroup_host host = host_that_keeps(f, &stock);

	for (unsigned i = 0; i <= CGROUP_KEPT_MAX; i++) {
		struct cgroup_box box;

		group_begin(&box, &host, "1\n", "max 0\n");
		assert_int_equal(cgroup_keep(&box, CGROUP_PIDS), i < CGROUP_KEPT_MAX);
		group_empty(i < CGROUP_KEPT_MAX ? stock.items[CGROUP_PIDS][i].fd : box.fd[CGROUP_PIDS]);
		if (i < CGROUP_KEPT_MAX)
			continue;
		close(box.fd[CGROUP_PIDS]);
		assert_int_equal(
			unlinkat(f->fd, cgroup_name_in(NULL, CGROUP_KEPT_PREFIX, i).text, AT_REMOVEDIR), 0);
	}
	cgroup_host_clear(&host);
	assert_false(cgroup_host_keeps(&host));
	for (unsigned i = 0; i < CGROUP_KEPT_MAX; i++)
		assert_int_not_equal(
			faccessat(f->fd, cgroup_name_in(NULL, CGROUP_KEPT_PREFIX, i).text, F_OK, 0), 0);
}

static void a_group_is_taken_with_the_limit_that_is_written_to_it(void **state)
{
	const struct folder *f = *state;
	struct cgroup_stock stock;
	struct cgroup_host host = host_that_keeps(f, &stock);
	struct cgroup_box box;
	int fd;

	group_begin(&box, &host, "1\n", "max 0\n");
	fd = box.fd[CGROUP_PIDS];
	box.written.value[LIMIT_PROCESSES] = 5;
	assert_true(cgroup_keep(&box, CGROUP_PIDS));
	assert_int_equal(box.fd[CGROUP_PIDS], -1);

	box = CGROUP_BOX_NONE;
	box.host = &host;
	assert_false(cgroup_take_kept(&box, CGROUP_CPU));
	assert_true(cgroup_take_kept(&box, CGROUP_PIDS));
	assert_int_equal(box.fd[CGROUP_PIDS], fd);
	assert_int_equal(box.written.value[LIMIT_PROCESSES], 5);
	assert_false(cgroup_take_kept(&box, CGROUP_PIDS));

	group_empty(fd);
	close(fd);
	assert_int_equal(unlinkat(f->fd, cgroup_name_in(NULL, CGROUP_KEPT_PREFIX, 0).text, AT_REMOVEDIR), 0);
}

/* What was used of a quota's period is given back when it is written: also if it is the same one. */
static void a_quota_that_a_group_had_is_always_written_again(void **state)
{
	const struct folder *f = *state;
	struct cgroup_stock stock;
	struct cgroup_host host = host_that_keeps(f, &stock);
	static const int64_t quotas[] = { 50, 199, 200, 300 };

	for (size_t i = 0; i < ARRAY_LEN(quotas); i++) {
		struct cgroup_box box = CGROUP_BOX_NONE;

		box.host = &host;
		box.fd[CGROUP_CPU] = f->fd;
		box.written.value[LIMIT_CPU_PERCENT] = quotas[i];
		assert_true(cgroup_keep(&box, CGROUP_CPU));
		box = CGROUP_BOX_NONE;
		box.host = &host;
		assert_true(cgroup_take_kept(&box, CGROUP_CPU));
		assert_int_equal(box.written.value[LIMIT_CPU_PERCENT], quotas[i] < 200 ? -1 : 0);
	}
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_plan_of_the_host_image_is_this_list),
		cmocka_unit_test(the_plan_of_stored_images_is_this_list),
		cmocka_unit_test(what_depends_on_the_host_is_a_link_below_usr_or_an_overlay),
		cmocka_unit_test(every_target_is_a_plain_path_below_the_new_root),
		cmocka_unit_test(what_can_be_written_beside_the_sandbox_is_what_init_knows),
		cmocka_unit_test(everything_that_can_be_written_is_a_part_of_the_one_scratch),
		cmocka_unit_test(the_last_operations_seal_all_that_is_not_scratch),
		cmocka_unit_test(what_proc_tells_of_the_host_is_masked),
		cmocka_unit_test(the_kernels_memory_and_log_cannot_be_opened),
		cmocka_unit_test(every_folder_is_made_before_it_is_used),
		cmocka_unit_test(no_text_in_the_image_comes_from_the_host),
		cmocka_unit_test(every_kind_and_stage_has_a_name),
		with_folder(a_number_is_read_or_is_missing),
		with_folder(a_key_is_found_by_its_whole_name),
		with_folder(a_file_longer_than_there_is_room_is_cut_and_ended),
		with_folder(a_value_is_written_whole_and_never_makes_a_file),
		with_folder(a_tree_of_groups_is_removed_with_all_below),
		with_folder(a_group_is_made_once_and_opened_again),
		cmocka_unit_test(without_control_groups_a_box_is_empty_and_goes_away),
		with_folder(a_kill_before_the_keeper_hears_of_the_step_is_the_steps),
		with_folder(a_group_is_kept_only_if_it_counted_no_more_than_any_sandbox_has),
		with_folder(groups_of_memory_are_never_kept),
		with_folder(a_session_s_groups_go_to_its_own_sandboxes_and_with_it),
		with_folder(few_groups_are_kept_and_all_go_when_nobody_comes),
		with_folder(a_group_is_taken_with_the_limit_that_is_written_to_it),
		with_folder(a_quota_that_a_group_had_is_always_written_again),
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
