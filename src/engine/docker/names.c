/*
 * How it works: a container of the image, never started, has the volume of names. Through it the image's two files are
 * got, once for each image, and what is made of them is put into the volume: for as many slots as fit into one
 * archive, or for one user of a session. Then the container is removed. One such job is under way at a time, and the
 * slots that wait behind the one that wants it wait too: it is short, and the first container of an image takes longer.
 *
 * Nothing that runs depends on names. Where they cannot be had (the image's /etc/passwd is a link, or too large; the
 * daemon binds no paths of its volumes) the container is made without, and a minute later it is tried again.
 */
#include "engine/docker/names.h"
#include "engine/docker/sessions.h"
#include "engine/docker/tar.h"

#include "base/cleanup.h"
#include "wire/init_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define TABLE_MAX    (64u << 10) /* of the image's files */
#define TAR_SLACK    (16u << 10) /* headers of an archive around one of them */
#define ARCHIVE_MAX  (2u << 20)
#define KNOWN_MAX    64u   /* images */
#define AGAIN_MS     60000 /* until what could not be had is tried again */
#define VOLUME_WORD  "kiln-names-"
#define DIGEST_SHOWN 12
#define FILE_MODE    0444
#define NONCE_SIZE   8

enum table { TABLE_PASSWD, TABLE_GROUP, TABLE_COUNT };

static const char *const table_names[TABLE_COUNT] = { "passwd", "group" };

struct known {
	struct known *next;
	uint8_t digest[KEEPER_DIGEST_SIZE];
	struct buf text[TABLE_COUNT]; /* the image's */
	bool read;
	bool *put;	     /* for each slot */
	uint64_t failed_ms;  /* 0: never; when something last failed */
	uint64_t without_ms; /* 0: never; since when its containers are made without */
};

/* For whom one is being put there. */
struct job {
	struct known *image; /* NULL: none is under way */
	struct session *session;
	uint32_t generation; /* of that */
	uint32_t number;     /* of its user; without a session: the slot's */
	uint32_t slots;	     /* so many from that one on */
	struct names_user user;
	enum table table;
	char helper[CONTAINER_ID_MAX + 1];
};

struct names {
	char nonce[2 * NONCE_SIZE + 1];
	char volume[VOLUME_NAME_MAX + 1];
	char mountpoint[MOUNTPOINT_MAX + 1]; /* "": it is to be made */
	uint32_t epoch;			     /* of the volume: what a session notes holds for one */
	struct known *images;		     /* the latest first */
	struct job job;
	struct daemon_call *call;
};

static void get_table(struct docker *d);

/* ---- what is known ---- */

static void known_free(struct known *image)
{
	for (int i = 0; i < TABLE_COUNT; i++)
		buf_finish(&image->text[i]);
	free(image->put);
	free(image);
}

static struct known *known_find(const struct names *n, const uint8_t *digest)
{
	for (struct known *image = n->images; image; image = image->next) {
		if (memcmp(image->digest, digest, KEEPER_DIGEST_SIZE) == 0)
			return image;
	}
	return NULL;
}

/* Of more than a few images the oldest is read again, should it come. */
static void drop_oldest(struct names *n)
{
	struct known **at = &n->images;
	uint32_t count = 0;

	for (; *at && count < KNOWN_MAX - 1; at = &(*at)->next)
		count++;
	while (*at) {
		struct known *image = *at;

		*at = image->next;
		known_free(image);
	}
}

static struct known *known_add(struct docker *d, const uint8_t *digest)
{
	struct known *image = calloc(1, sizeof(*image));

	if (image)
		image->put = calloc(d->sandboxes_count, sizeof(*image->put));
	if (!image || !image->put) {
		free(image);
		return NULL;
	}
	drop_oldest(d->names);
	memcpy(image->digest, digest, sizeof(image->digest));
	for (int i = 0; i < TABLE_COUNT; i++)
		image->text[i] = BUF_INIT(TABLE_MAX);
	image->next = d->names->images;
	d->names->images = image;
	return image;
}

/*
 * Somebody may have removed the volume. The next one has another name: where a file is missing Podman makes a folder of
 * what it is to bind. What is left of this one is found by its label.
 */
static void forget_files(struct docker *d)
{
	struct names *n = d->names;

	n->mountpoint[0] = '\0';
	n->epoch++;
	snprintf(n->volume, sizeof(n->volume), VOLUME_WORD "%.16s-%s-%u", d->owner, n->nonce, n->epoch);
	for (struct known *image = n->images; image; image = image->next)
		memset(image->put, 0, d->sandboxes_count * sizeof(*image->put));
}

/* Is what the session notes of this volume and image? Its own image is one by name, which may be another's by now. */
static bool notes_hold(const struct session *session, const struct names *n, const struct known *image)
{
	return session->names_epoch == n->epoch &&
	       memcmp(session->names_digest, image->digest, KEEPER_DIGEST_SIZE) == 0;
}

static bool is_put(const struct slot *slot, const struct known *image)
{
	const struct session *session = slot->session;
	const struct names *n = slot->docker->names;

	if (slot->member != KEEPER_MEMBER_RUN)
		return image->put[slot->index];
	return slot->number < KEEPER_SESSION_UIDS && notes_hold(session, n, image) &&
	       session->named[slot->number];
}

static void note_put(struct docker *d)
{
	const struct job *job = &d->names->job;

	if (!job->session) {
		memset(job->image->put + job->number, true, job->slots * sizeof(*job->image->put));
		return;
	}
	if (job->session->generation != job->generation || job->number >= KEEPER_SESSION_UIDS)
		return;
	if (!notes_hold(job->session, d->names, job->image))
		memset(job->session->named, 0, sizeof(job->session->named));
	job->session->names_epoch = d->names->epoch;
	memcpy(job->session->names_digest, job->image->digest, KEEPER_DIGEST_SIZE);
	job->session->named[job->number] = true;
}

/* ---- what is put there ---- */

static void file_name(char *ret, size_t size, enum table table, const uint8_t *digest, uint32_t uid)
{
	char hex[2 * DIGEST_SHOWN + 1];

	hex_encode(digest, DIGEST_SHOWN, hex);
	snprintf(ret, size, "%s-%s-%u", table_names[table], hex, uid);
}

/* The image's table, with the user's line at its end. */
static int add_table(struct buf *to, const struct known *image, const struct names_user *user,
		     enum table table)
{
	AUTO_BUF struct buf text = BUF_INIT(TABLE_MAX + 1024);
	const struct buf *before = &image->text[table];
	char name[128];
	int r = buf_append(&text, before->data ? (const char *)before->data : "", before->len);

	if (r == 0 && before->len && before->data[before->len - 1] != '\n')
		r = buf_append_str(&text, "\n");
	if (r == 0 && table == TABLE_PASSWD)
		r = buf_printf(&text, "%s:x:%u:%u::%s:/bin/sh\n", user->name, user->uid, user->gid,
			       user->home);
	else if (r == 0)
		r = buf_printf(&text, "%s:x:%u:\n", user->name, user->gid);
	if (r < 0)
		return r;
	file_name(name, sizeof(name), table, image->digest, user->uid);
	return tar_add(to, name, FILE_MODE, text.data, text.len);
}

static int add_user(struct buf *to, const struct known *image, const struct names_user *user)
{
	int r = add_table(to, image, user, TABLE_PASSWD);

	return r == 0 && user->group ? add_table(to, image, user, TABLE_GROUP) : r;
}

/* As many slots from the job's on as there is room for: one always is. */
static int add_slots(struct docker *d, struct buf *to, struct job *job)
{
	struct names_user user = job->user;
	size_t each;
	int r = add_user(to, job->image, &user);

	each = to->len + 64; /* a longer uid may take one digit more of each */
	job->slots = 1;
	while (r == 0 && job->number + job->slots < d->sandboxes_count && to->len + 2 * each < ARCHIVE_MAX) {
		user.uid = user.gid = slot_own_uid(d, job->number + job->slots);
		r = add_user(to, job->image, &user);
		job->slots++;
	}
	return r;
}

/* ---- one job ---- */

static bool is_recent(const struct docker *d, uint64_t since_ms)
{
	return since_ms && uv_now(&d->loop) - since_ms < AGAIN_MS;
}

static void job_over(struct docker *d)
{
	struct job *job = &d->names->job;

	if (job->helper[0])
		host_remove(d, job->helper);
	*job = (struct job){ 0 };
	slots_advance(d);
}

/* What cannot be had is not asked for again with each container. */
static void job_failed(struct docker *d, const struct daemon_answer *answer)
{
	struct known *image = d->names->job.image;

	if (!answer || !answer->error || is_recent(d, image->failed_ms))
		image->without_ms = uv_now(&d->loop);
	image->failed_ms = uv_now(&d->loop);
	if (answer)
		host_doubt(d, answer); /* who may give the job up */
	job_over(d);
}

static void on_put(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;

	d->names->call = NULL;
	if (!daemon_succeeded(answer)) {
		job_failed(d, answer);
		return;
	}
	note_put(d);
	job_over(d);
}

static void put(struct docker *d)
{
	AUTO_BUF struct buf archive = BUF_INIT(ARCHIVE_MAX);
	struct job *job = &d->names->job;
	char path[CONTAINER_ID_MAX + 64];
	struct daemon_request request = {
		.method = "PUT",
		.path = path,
		.content_type = "application/x-tar",
		.timeout_ms = CALL_MS,
		.answer_max = SMALL_ANSWER,
	};
	struct err err = ERR_INIT;
	int r = job->session ? add_user(&archive, job->image, &job->user) : add_slots(d, &archive, job);

	if (r == 0)
		r = tar_end(&archive);
	snprintf(path, sizeof(path), "/containers/%s/archive?path=%s", job->helper, INIT_CONTAINER_DIR);
	request.body = archive.data;
	request.body_len = archive.len;
	if (r == 0)
		d->names->call = daemon_call(&d->daemon, &request, on_put, d, &err);
	if (!d->names->call)
		job_failed(d, NULL);
}

/* False: it is no table. */
static bool take_table(struct known *image, enum table table, const struct daemon_answer *answer)
{
	const uint8_t *data;
	size_t len;

	if (answer->status == 404)
		return true; /* the image has none */
	return daemon_succeeded(answer) && tar_only_file(answer->body, answer->body_len, &data, &len) == 0 &&
	       !memchr(data, '\0', len) && buf_append(&image->text[table], data, len) == 0;
}

static void on_table(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;
	struct job *job = &d->names->job;

	d->names->call = NULL;
	if (answer->error || !take_table(job->image, job->table, answer)) {
		for (int i = 0; i < TABLE_COUNT; i++)
			buf_finish(&job->image->text[i]);
		/* One that is too long is the image's doing. */
		job_failed(d, answer->error == -EMSGSIZE ? NULL : answer);
		return;
	}
	job->table++;
	if (job->table < TABLE_COUNT) {
		get_table(d);
		return;
	}
	job->image->read = true;
	put(d);
}

static void get_table(struct docker *d)
{
	struct job *job = &d->names->job;
	char path[CONTAINER_ID_MAX + 64];
	const struct daemon_request request = {
		.method = "GET",
		.path = path,
		.timeout_ms = CALL_MS,
		.answer_max = TABLE_MAX + TAR_SLACK,
	};
	struct err err = ERR_INIT;

	snprintf(path, sizeof(path), "/containers/%s/archive?path=/etc/%s", job->helper,
		 table_names[job->table]);
	d->names->call = daemon_call(&d->daemon, &request, on_table, d, &err);
	if (!d->names->call)
		job_failed(d, NULL);
}

static void on_helper(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;
	struct job *job = &d->names->job;
	const char *id = json_string_value(json_object_get(answer->json, "Id"));

	d->names->call = NULL;
	if (!daemon_succeeded(answer) || !container_id_valid(id)) {
		if (answer->status == 404)
			forget_files(d);
		job_failed(d, answer);
		return;
	}
	memcpy(job->helper, id, sizeof(job->helper));
	if (job->image->read)
		put(d);
	else
		get_table(d);
}

static void make_helper(struct docker *d)
{
	struct names *n = d->names;
	struct spec spec = { .owner = d->owner, .volume = n->volume, .digest = n->job.image->digest };

	n->call = docker_call(d, "POST", "/containers/create", spec_helper(&spec), on_helper, d);
	if (!n->call)
		job_failed(d, NULL);
}

static void on_volume(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;
	const char *mountpoint = json_string_value(json_object_get(answer->json, "Mountpoint"));

	d->names->call = NULL;
	if (!daemon_succeeded(answer) || !docker_is_mountpoint(mountpoint)) {
		job_failed(d, answer);
		return;
	}
	snprintf(d->names->mountpoint, sizeof(d->names->mountpoint), "%s", mountpoint);
	make_helper(d);
}

static void make_volume(struct docker *d)
{
	struct names *n = d->names;
	json_t *body = json_pack("{s:s, s:s, s:{s:s, s:s}}", "Name", n->volume, "Driver", "local", "Labels",
				 OWNER_LABEL, d->owner, SESSION_LABEL, "names");

	n->call = docker_call(d, "POST", "/volumes/create", body, on_volume, d);
	if (!n->call)
		job_failed(d, NULL);
}

static void job_begin(struct slot *slot, struct known *image, const struct names_user *user)
{
	struct docker *d = slot->docker;
	bool run = slot->member == KEEPER_MEMBER_RUN;

	d->names->job = (struct job){
		.image = image,
		.session = run ? slot->session : NULL,
		.generation = run ? slot->session->generation : 0,
		.number = run ? slot->number : slot->index,
		.user = *user,
	};
	if (d->names->mountpoint[0])
		make_helper(d);
	else
		make_volume(d);
}

/* ---- as slots need them ---- */

bool names_ready(struct slot *slot)
{
	struct docker *d = slot->docker;
	struct names_user user;
	struct known *image;

	slot->named = 0;
	if (!slot_user(slot, &user))
		return true;
	if (names_busy(d))
		return false;
	image = known_find(d->names, slot->digest);
	if (!image)
		image = known_add(d, slot->digest);
	if (!image || is_recent(d, image->without_ms))
		return true;
	if (is_put(slot, image)) {
		slot->named = d->names->epoch;
		return true;
	}
	/* Of Podman's, too, no two are made at once. */
	if (!d->host.podman || !d->making)
		job_begin(slot, image, &user);
	return false;
}

void names_of(const struct slot *slot, struct names_paths *ret)
{
	const struct names *n = slot->docker->names;
	struct names_user user;
	char name[128];

	*ret = (struct names_paths){ 0 };
	if (!slot->named || !slot_user(slot, &user))
		return;
	file_name(name, sizeof(name), TABLE_PASSWD, slot->digest, user.uid);
	snprintf(ret->passwd, sizeof(ret->passwd), "%s/%s", n->mountpoint, name);
	if (!user.group)
		return;
	file_name(name, sizeof(name), TABLE_GROUP, slot->digest, user.uid);
	snprintf(ret->group, sizeof(ret->group), "%s/%s", n->mountpoint, name);
}

bool names_busy(const struct docker *d)
{
	return d->names->job.image != NULL;
}

bool names_failed(struct slot *slot, const char *why)
{
	struct docker *d = slot->docker;
	struct known *image = known_find(d->names, slot->digest);

	if (!slot->named || !strstr(why, VOLUME_WORD))
		return false;
	/* Others that were being made have found it out. */
	if (slot->named != d->names->epoch)
		return true;
	/* Once they may have been removed; if that was not it they are of no use. */
	if (image && is_recent(d, image->failed_ms))
		image->without_ms = uv_now(&d->loop);
	if (image)
		image->failed_ms = uv_now(&d->loop);
	if (!names_busy(d))
		forget_files(d);
	return true;
}

bool names_has_volume(const struct docker *d, const char *name)
{
	return strcmp(d->names->volume, name) == 0;
}

bool names_has_container(const struct docker *d, const char *id)
{
	return strcmp(d->names->job.helper, id) == 0;
}

/* The helper is found by its label. */
void names_give_up(struct docker *d)
{
	daemon_call_forget(d->names->call);
	d->names->call = NULL;
	d->names->job = (struct job){ 0 };
	forget_files(d);
	for (struct known *image = d->names->images; image; image = image->next) {
		image->failed_ms = image->without_ms = 0;
		/* Half of it may have been read. */
		for (int i = 0; i < TABLE_COUNT && !image->read; i++)
			buf_finish(&image->text[i]);
	}
}

static void on_volume_removed(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;

	d->removing--;
}

void names_remove_volume(struct docker *d)
{
	struct names *n = d->names;
	char path[VOLUME_NAME_MAX + 32];

	if (!n->mountpoint[0])
		return;
	snprintf(path, sizeof(path), "/volumes/%s", n->volume);
	if (docker_call(d, "DELETE", path, NULL, on_volume_removed, d))
		d->removing++;
	forget_files(d);
}

int names_begin(struct docker *d, struct err *err)
{
	uint8_t nonce[NONCE_SIZE];

	d->names = calloc(1, sizeof(*d->names));
	if (!d->names || getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
		return err_set(err, -ENOMEM, "name the volume of names");
	hex_encode(nonce, sizeof(nonce), d->names->nonce);
	forget_files(d);
	return 0;
}

void names_end(struct docker *d)
{
	if (!d->names)
		return;
	daemon_call_forget(d->names->call);
	while (d->names->images) {
		struct known *image = d->names->images;

		d->names->images = image->next;
		known_free(image);
	}
	free(d->names);
	d->names = NULL;
}
