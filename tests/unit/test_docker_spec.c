/* What a container is made with, by the Docker engine: the document that the daemon gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/docker/docker_priv.h"
#include "engine/docker/spec.h"
#include "engine/docker/tar.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTAINER "2222222222222222222222222222222222222222222222222222222222222222"

static struct spec a_spec(const struct limits *limits, char *const *volumes)
{
	static const uint8_t digest[KEEPER_DIGEST_SIZE] = { 0xab };

	return (struct spec){ .owner = "me",
			      .runtime = "runsc",
			      .volume = "v",
			      .uid = 4711,
			      .digest = digest,
			      .limits = limits,
			      .volumes = volumes,
			      .swap = true,
			      .cpu = true,
			      .pids = true };
}

static void a_container_is_made_without_what_it_must_not_have(void **state)
{
	static char *const volumes[] = { (char *)"/data", (char *)"relative", (char *)"/a/../b", NULL };
	struct limits limits;
	struct spec spec = a_spec(&limits, volumes);
	json_t *made, *host;

	for (int i = 0; i < LIMIT_COUNT; i++)
		limits.value[i] = limit_table[i].default_value;
	made = spec_create(&spec);
	assert_non_null(made);
	host = json_object_get(made, "HostConfig");
	assert_string_equal(json_string_value(json_object_get(host, "NetworkMode")), "none");
	assert_true(json_is_true(json_object_get(host, "ReadonlyRootfs")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(host, "CapDrop"), 0)), "ALL");
	assert_string_equal(json_string_value(json_array_get(json_object_get(host, "SecurityOpt"), 0)),
			    "no-new-privileges");
	assert_int_equal(json_integer_value(json_object_get(host, "Memory")),
			 limits.value[LIMIT_MEMORY_BYTES]);
	assert_int_equal(json_integer_value(json_object_get(host, "MemorySwap")),
			 limits.value[LIMIT_MEMORY_BYTES]);
	assert_string_equal(json_string_value(json_object_get(host, "Runtime")), "runsc");
	/* Volumes of the image are closed; names that are no paths are left to the daemon to refuse. */
	assert_non_null(json_object_get(json_object_get(host, "Tmpfs"), "/data"));
	assert_int_equal(json_object_size(json_object_get(host, "Tmpfs")), 5);
	assert_int_equal(json_array_size(json_object_get(made, "Env")), 0);
	json_decref(made);
}

static void names_are_bound_over_the_images(void **state)
{
	struct limits limits;
	struct spec spec = a_spec(&limits, NULL);
	json_t *made, *mounts, *mount;

	for (int i = 0; i < LIMIT_COUNT; i++)
		limits.value[i] = limit_table[i].default_value;
	spec.passwd = "/volumes/names/passwd-1";
	spec.group = "";
	made = spec_create(&spec);
	mounts = json_object_get(json_object_get(made, "HostConfig"), "Mounts");
	assert_int_equal(json_array_size(mounts), 2);
	mount = json_array_get(mounts, 1);
	assert_string_equal(json_string_value(json_object_get(mount, "Type")), "bind");
	assert_string_equal(json_string_value(json_object_get(mount, "Source")), "/volumes/names/passwd-1");
	assert_string_equal(json_string_value(json_object_get(mount, "Target")), "/etc/passwd");
	assert_true(json_is_true(json_object_get(mount, "ReadOnly")));
	json_decref(made);
}

/* An archive of two entries: what says more of a file, and the file. */
static struct buf an_archive(void)
{
	struct buf archive = BUF_INIT(1 << 16);

	assert_int_equal(tar_add(&archive, "more", 0644, "12 path=/x\n", 11), 0);
	archive.data[156] = 'x';
	assert_int_equal(tar_add(&archive, "passwd", 0644, "root:x:0:0\n", 11), 0);
	assert_int_equal(tar_end(&archive), 0);
	return archive;
}

static void the_file_of_an_archive_is_found_behind_what_says_more_of_it(void **state)
{
	struct buf archive = an_archive();
	const uint8_t *data;
	size_t len;

	assert_int_equal(tar_only_file(archive.data, archive.len, &data, &len), 0);
	assert_int_equal(len, 11);
	assert_memory_equal(data, "root:x:0:0\n", 11);
	buf_finish(&archive);
}

static void what_is_no_archive_of_a_file_is_refused(void **state)
{
	static const char *const sizes[] = {
		"", "x", "7777777777777", "00000000013x", "\x80\0\0\0\x01", "00000001000"
	};
	struct buf archive = an_archive();
	const uint8_t *data;
	size_t len;

	/* Cut anywhere before its end, each byte of it fresh for the sanitizers. */
	for (size_t cut = 0; cut < 3 * 512 + 11; cut += 13) {
		uint8_t *part = malloc(cut + 1);

		memcpy(part, archive.data, cut);
		assert_int_equal(tar_only_file(part, cut, &data, &len), -EINVAL);
		free(part);
	}
	archive.data[1024 + 156] = '2';
	assert_int_equal(tar_only_file(archive.data, archive.len, &data, &len), -EINVAL);
	archive.data[1024 + 156] = '0';
	for (size_t entry = 0; entry < 2; entry++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			memset(archive.data + entry * 1024 + 124, 0, 12);
			memcpy(archive.data + entry * 1024 + 124, sizes[i], strnlen(sizes[i], 12));
			assert_int_equal(tar_only_file(archive.data, 2048, &data, &len),
					 i == 5 ? 0 : -EINVAL);
		}
		memcpy(archive.data + entry * 1024 + 124, "00000000013", 12);
	}
	buf_finish(&archive);
}

static void gvisor_has_room_beside_the_memory_of_what_runs_in_it(void **state)
{
	struct limits limits, wanted;
	struct spec spec = a_spec(&limits, NULL);
	json_t *made, *host;

	for (int i = 0; i < LIMIT_COUNT; i++)
		limits.value[i] = limit_table[i].default_value;
	spec.sentry = true;
	made = spec_create(&spec);
	assert_non_null(made);
	host = json_object_get(made, "HostConfig");
	assert_int_equal(json_integer_value(json_object_get(host, "Memory")),
			 limits.value[LIMIT_MEMORY_BYTES] + (64 << 20));
	assert_int_equal(json_integer_value(json_object_get(host, "MemorySwap")),
			 limits.value[LIMIT_MEMORY_BYTES] + (64 << 20));
	json_decref(made);
	/* A later step may have less memory than its container, no more of it, and no other share of processors. */
	wanted = limits;
	assert_true(spec_groups_will_do(&limits, &wanted));
	wanted.value[LIMIT_PROCESSES]++;
	wanted.value[LIMIT_MEMORY_BYTES]--;
	assert_true(spec_groups_will_do(&limits, &wanted));
	wanted.value[LIMIT_MEMORY_BYTES] += 2;
	assert_false(spec_groups_will_do(&limits, &wanted));
	wanted = limits;
	wanted.value[LIMIT_CPU_PERCENT]--;
	assert_false(spec_groups_will_do(&limits, &wanted));
}

static void whether_gvisor_makes_control_groups_is_read_from_its_arguments(void **state)
{
	const struct docker_options options = { .runtime = NULL };
	struct docker docker = { .options = &options };

	docker.host.runtimes = json_pack(
		"{s:{s:s}, s:{s:[s, s]}, s:{s:[s]}, s:{s:[s]}, s:{s:[s]}, s:{s:[s]}}", "runsc", "path", "x",
		"runsc-1", "runtimeArgs", "--network=none", "--ignore-cgroups", "runsc-2", "runtimeArgs",
		"-ignore-cgroups=true", "runsc-3", "runtimeArgs", "--ignore-cgroups=false", "runsc-4",
		"runtimeArgs", "ignore-cgroups", "runc", "runtimeArgs", "--ignore-cgroups");
	assert_non_null(docker.host.runtimes);
	assert_true(host_ignores_groups(&docker, "runsc-1"));
	assert_true(host_ignores_groups(&docker, "runsc-2"));
	assert_false(host_ignores_groups(&docker, "runsc"));
	assert_false(host_ignores_groups(&docker, "runsc-3"));
	assert_false(host_ignores_groups(&docker, "runsc-4"));
	assert_false(host_ignores_groups(&docker, "runsc-none"));
	assert_false(host_ignores_groups(&docker, "runc"));
	/* The daemon's own choice. */
	assert_false(host_ignores_groups(&docker, NULL));
	memcpy(docker.host.runtime, "runsc-1", sizeof("runsc-1"));
	assert_true(host_ignores_groups(&docker, NULL));
	assert_true(host_ignores_groups(&docker, ""));
	json_decref(docker.host.runtimes);
	docker.host.runtimes = NULL;
	assert_false(host_ignores_groups(&docker, "runsc-1"));
}

static const char *option_of(const json_t *container, const char *path)
{
	const json_t *config = json_object_get(container, "HostConfig");

	return json_string_value(json_object_get(json_object_get(config, "Tmpfs"), path));
}

static void podman_is_asked_for_the_same_in_its_words(void **state)
{
	struct limits limits;
	struct spec spec = a_spec(&limits, NULL);
	json_t *made, *config, *options;
	const char *mask;

	for (int i = 0; i < LIMIT_COUNT; i++)
		limits.value[i] = limit_table[i].default_value;
	made = podman_container(spec_create(&spec));
	assert_non_null(made);
	config = json_object_get(made, "HostConfig");
	/* No option that it refuses, and nothing of the image's in what is to be empty. */
	assert_null(strstr(option_of(made, "/tmp"), "nr_inodes"));
	assert_non_null(strstr(option_of(made, "/tmp"), ",mode=1777,notmpcopyup"));
	assert_non_null(strstr(option_of(made, "/tmp"), ",size="));
	assert_non_null(strstr(option_of(made, "/run"), "ro,"));
	options = json_object_get(config, "SecurityOpt");
	assert_int_equal(json_array_size(options), 2);
	assert_string_equal(json_string_value(json_array_get(options, 0)), "no-new-privileges");
	mask = json_string_value(json_array_get(options, 1));
	assert_memory_equal(mask, "mask=/", 6);
	assert_non_null(strstr(mask, ":/sys/class:"));
	assert_null(strstr(mask, "pci0000"));
	assert_null(json_object_get(config, "MaskedPaths"));
	json_decref(made);
}

static void podmans_volume_of_a_session_has_its_size_in_pages(void **state)
{
	struct limits limits = { 0 };
	json_t *volume, *options;

	limits.value[LIMIT_DISK_BYTES] = 64 << 20;
	volume = podman_volume(spec_volume("v", "me", &limits));
	options = json_object_get(volume, "DriverOpts");
	/* "size=" would be a quota of its disk's file system. */
	assert_null(strstr(json_string_value(json_object_get(options, "o")), "size="));
	assert_non_null(strstr(json_string_value(json_object_get(options, "o")), ",nr_blocks="));
	assert_int_equal(strtoll(strstr(json_string_value(json_object_get(options, "o")), "nr_blocks=") + 10,
				 NULL, 10),
			 (64 << 20) / sysconf(_SC_PAGESIZE));
	assert_non_null(strstr(json_string_value(json_object_get(options, "o")), ",nr_inodes=16384"));
	json_decref(volume);
}

static void podman_is_told_of_limits_in_its_words(void **state)
{
	struct limits limits;
	struct spec spec = a_spec(&limits, NULL);
	json_t *update, *expected;

	for (int i = 0; i < LIMIT_COUNT; i++)
		limits.value[i] = limit_table[i].default_value;
	limits.value[LIMIT_MEMORY_BYTES] = 100 << 20;
	limits.value[LIMIT_CPU_PERCENT] = 150;
	limits.value[LIMIT_PROCESSES] = 10;
	update = podman_update(spec_update(&spec));
	expected = json_pack("{s:{s:i, s:i}, s:{s:i, s:i}, s:{s:i}}", "memory", "limit", 100 << 20, "swap",
			     100 << 20, "cpu", "quota", 150000, "period", 100000, "pids", "limit", 12);
	assert_true(json_equal(update, expected));
	json_decref(update);
	spec.cpu = spec.pids = spec.swap = false;
	update = podman_update(spec_update(&spec));
	json_object_del(expected, "cpu");
	json_object_del(expected, "pids");
	json_object_del(json_object_get(expected, "memory"), "swap");
	assert_true(json_equal(update, expected));
	json_decref(update);
	json_decref(expected);
}

static const char *text_at(const json_t *list, size_t at, const char *key)
{
	const json_t *item = json_array_get(list, at);

	return json_string_value(key ? json_object_get(item, key) : item);
}

static void a_run_of_a_session_has_its_files_and_its_network(void **state)
{
	const struct spec_member run = { .role = "run",
					 .gid = 900,
					 .volume = "files",
					 .home = "lion",
					 .mountpoint = "/volumes/files",
					 .network = CONTAINER };
	struct limits limits;
	struct spec spec = a_spec(&limits, NULL);
	json_t *made, *host, *mounts, *words;

	for (int i = 0; i < LIMIT_COUNT; i++)
		limits.value[i] = limit_table[i].default_value;
	spec.member = &run;
	made = spec_create(&spec);
	assert_non_null(made);
	host = json_object_get(made, "HostConfig");
	words = json_object_get(made, "Entrypoint");
	mounts = json_object_get(host, "Mounts");
	assert_null(json_object_get(made, "Hostname"));
	assert_string_equal(json_string_value(json_object_get(host, "NetworkMode")), "container:" CONTAINER);
	assert_int_equal(json_array_size(words), 6);
	assert_string_equal(text_at(words, 2, NULL), "4711");
	assert_string_equal(text_at(words, 3, NULL), "900");
	assert_string_equal(text_at(words, 4, NULL), "/sandboxes/lion");
	assert_int_equal(json_array_size(mounts), 3);
	assert_string_equal(text_at(mounts, 1, "Target"), "/sandboxes");
	assert_string_equal(text_at(mounts, 2, "Source"), "/volumes/files/lion");
	assert_string_equal(text_at(mounts, 2, "Target"), "/sandbox");
	/* No tmpfs hides the home. */
	assert_null(json_object_get(json_object_get(host, "Tmpfs"), "/sandbox"));
	assert_int_equal(json_array_size(json_object_get(host, "CapAdd")), 6);
	json_decref(made);
}

static void files_of_a_finished_session_can_only_be_read(void **state)
{
	const struct spec_member files = {
		.role = "files", .gid = 900, .volume = "files", .read_only = true
	};
	struct limits limits;
	struct spec spec = a_spec(&limits, NULL);
	json_t *made, *host, *mount;

	for (int i = 0; i < LIMIT_COUNT; i++)
		limits.value[i] = limit_table[i].default_value;
	spec.member = &files;
	made = spec_create(&spec);
	host = json_object_get(made, "HostConfig");
	mount = json_array_get(json_object_get(host, "Mounts"), 1);
	assert_string_equal(json_string_value(json_object_get(host, "NetworkMode")), "none");
	assert_string_equal(json_string_value(json_object_get(mount, "Target")), "/sandbox");
	assert_true(json_is_true(json_object_get(mount, "ReadOnly")));
	/* Nothing can be started there: what would become a user is not among the capabilities. */
	for (size_t i = 0; i < json_array_size(json_object_get(host, "CapAdd")); i++)
		assert_string_not_equal(text_at(json_object_get(host, "CapAdd"), i, NULL), "SETUID");
	json_decref(made);
}

static void a_service_can_write_to_its_folders(void **state)
{
	const struct spec_member service = {
		.role = "service", .gid = 4711, .network = CONTAINER, .folders = "/run/db\0/data\0"
	};
	static char *const volumes[] = { (char *)"/data", NULL };
	struct limits limits;
	struct spec spec = a_spec(&limits, volumes);
	json_t *made, *tmpfs, *words;

	for (int i = 0; i < LIMIT_COUNT; i++)
		limits.value[i] = limit_table[i].default_value;
	spec.member = &service;
	made = spec_create(&spec);
	tmpfs = json_object_get(json_object_get(made, "HostConfig"), "Tmpfs");
	words = json_object_get(made, "Entrypoint");
	assert_int_equal(json_array_size(json_object_get(json_object_get(made, "HostConfig"), "Mounts")), 1);
	assert_non_null(strstr(json_string_value(json_object_get(tmpfs, "/data")), "rw,"));
	assert_non_null(json_object_get(tmpfs, "/run/db"));
	assert_int_equal(json_array_size(words), 8);
	assert_string_equal(text_at(words, 6, NULL), "/run/db");
	json_decref(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_is_made_without_what_it_must_not_have),
		cmocka_unit_test(names_are_bound_over_the_images),
		cmocka_unit_test(the_file_of_an_archive_is_found_behind_what_says_more_of_it),
		cmocka_unit_test(what_is_no_archive_of_a_file_is_refused),
		cmocka_unit_test(whether_gvisor_makes_control_groups_is_read_from_its_arguments),
		cmocka_unit_test(gvisor_has_room_beside_the_memory_of_what_runs_in_it),
		cmocka_unit_test(podman_is_asked_for_the_same_in_its_words),
		cmocka_unit_test(podman_is_told_of_limits_in_its_words),
		cmocka_unit_test(podmans_volume_of_a_session_has_its_size_in_pages),
		cmocka_unit_test(a_run_of_a_session_has_its_files_and_its_network),
		cmocka_unit_test(files_of_a_finished_session_can_only_be_read),
		cmocka_unit_test(a_service_can_write_to_its_folders),
	};

	return cmocka_run_group_tests_name("docker spec", tests, NULL, NULL);
}
