/*
 * init's program and its configuration, where containers find them: in a volume that is mounted read-only into each,
 * where only root can read it. A container's own root is read-only before it starts, so that nothing can be put there;
 * a folder of this machine would be of no use to a daemon on another.
 *
 * The volume's name says what is in it. It is filled through a container that is never started, the first time that one
 * is to be made after the daemon came: again and again the same, since somebody may have removed it meanwhile.
 */
#include "engine/docker/docker_priv.h"
#include "engine/docker/spec.h"
#include "engine/docker/tar.h"

#include "base/cleanup.h"
#include "sandbox/seccomp_policy.h"
#include "wire/init_config.h"

#include <errno.h>
#include <linux/filter.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>

#define ARCHIVE_MAX (16u << 20)
#define UPLOAD_MS   60000u
#define HASH_SHOWN  12 /* bytes of the digest in the volume's name */

/* init's program, put in by the build. */
extern const uint8_t init_program[];
extern const uint64_t init_program_size;

/* ---- the archive ---- */

/* The instructions in a memfd, behind what `to` has. */
static int append_program(struct buf *to, int fd, uint32_t *ret_count)
{
	size_t before = to->len;
	ssize_t n = 1;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	while (n > 0) {
		uint8_t *room = buf_reserve(to, 4096);

		if (!room)
			return -ENOMEM;
		n = read(fd, room, 4096);
		if (n > 0)
			to->len += (size_t)n;
	}
	*ret_count = (uint32_t)((to->len - before) / sizeof(struct sock_filter));
	return n < 0 ? -errno : *ret_count > BPF_MAXINSNS ? -E2BIG : 0;
}

static int make_config(struct buf *to, struct err *err)
{
	struct init_config config = { .magic = INIT_CONFIG_MAGIC };
	int programs[2] = { -1, -1 };
	int r = seccomp_compile(SECCOMP_MEMORY_HELD, programs, err);

	if (r < 0)
		return r;
	r = buf_append(to, &config, sizeof(config));
	for (int i = 0; i < 2; i++) {
		if (r == 0)
			r = append_program(to, programs[i], &config.filter_len[i]);
		close(programs[i]);
	}
	if (r < 0)
		return err_set(err, r, "prepare init's configuration");
	memcpy(to->data, &config, sizeof(config));
	return 0;
}

int place_begin(struct docker *d, struct err *err)
{
	AUTO_BUF struct buf config = BUF_INIT(1u << 20);
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char hex[2 * HASH_SHOWN + 1];
	SHA2_CTX hash;
	int r = make_config(&config, err);

	if (r < 0)
		return r;
	d->archive = BUF_INIT(ARCHIVE_MAX);
	r = tar_add(&d->archive, "init", 0500, init_program, init_program_size);
	if (r == 0)
		r = tar_add(&d->archive, "config", 0400, config.data, config.len);
	if (r == 0)
		r = tar_end(&d->archive);
	if (r < 0)
		return err_set(err, r, "pack init");
	SHA256Init(&hash);
	SHA256Update(&hash, d->archive.data, d->archive.len);
	SHA256Final(digest, &hash);
	hex_encode(digest, HASH_SHOWN, hex);
	snprintf(d->volume, sizeof(d->volume), "kiln-init-%s", hex);
	return 0;
}

/* ---- putting it there ---- */

static void helper_remove(struct docker *d)
{
	if (d->helper[0])
		host_remove(d, d->helper);
	d->helper[0] = '\0';
}

static void failed(struct docker *d, const char *why)
{
	char text[KEEPER_STAGE_SIZE];

	d->placed = PLACED_NOT;
	helper_remove(d);
	snprintf(text, sizeof(text), "init could not be put into a volume: %.200s", why);
	slots_refuse_queued(d, text);
}

static bool is_good(struct docker *d, const struct daemon_answer *answer)
{
	d->place_call = NULL;
	if (daemon_succeeded(answer))
		return true;
	host_doubt(d, answer);
	failed(d, answer->text);
	return false;
}

static void on_uploaded(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;

	if (!is_good(d, answer))
		return;
	helper_remove(d);
	d->placed = PLACED;
	slots_advance(d);
}

static void on_helper(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;
	const char *id = json_string_value(json_object_get(answer->json, "Id"));
	char path[CONTAINER_ID_MAX + 64];
	struct err err = ERR_INIT;
	struct daemon_request request = {
		.method = "PUT",
		.path = path,
		.content_type = "application/x-tar",
		.body = d->archive.data,
		.body_len = d->archive.len,
		.timeout_ms = UPLOAD_MS,
		.answer_max = SMALL_ANSWER,
	};

	if (!is_good(d, answer))
		return;
	if (!container_id_valid(id)) {
		failed(d, "the daemon made a container without an id");
		return;
	}
	memcpy(d->helper, id, CONTAINER_ID_MAX + 1);
	snprintf(path, sizeof(path), "/containers/%s/archive?path=%s", id, INIT_CONTAINER_DIR);
	d->place_call = daemon_call(&d->daemon, &request, on_uploaded, d, &err);
	if (!d->place_call)
		failed(d, err.text);
}

static void on_volume(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;
	struct spec spec = { .owner = d->owner, .volume = d->volume, .digest = d->place_digest };

	if (!is_good(d, answer))
		return;
	d->place_call = docker_call(d, "POST", "/containers/create", spec_helper(&spec), on_helper, d);
	if (!d->place_call)
		failed(d, "no memory");
}

void place_start(struct docker *d, const uint8_t *digest)
{
	if (d->placed != PLACED_NOT)
		return;
	memcpy(d->place_digest, digest, sizeof(d->place_digest));
	d->placed = PLACING;
	d->place_call = docker_call(d, "POST", "/volumes/create",
				    json_pack("{s:s, s:s, s:{s:s}}", "Name", d->volume, "Driver", "local",
					      "Labels", OWNER_LABEL, d->owner),
				    on_volume, d);
	if (!d->place_call)
		failed(d, "no memory");
}

void place_forget(struct docker *d)
{
	if (d->placed == PLACED)
		d->placed = PLACED_NOT;
}

void place_give_up(struct docker *d)
{
	daemon_call_forget(d->place_call);
	d->place_call = NULL;
	d->placed = PLACED_NOT;
	/* The helper is found by its label. */
	d->helper[0] = '\0';
}

void place_end(struct docker *d)
{
	daemon_call_forget(d->place_call);
	d->place_call = NULL;
	buf_finish(&d->archive);
}
