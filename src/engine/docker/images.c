/*
 * What images the daemon has. Their list is asked for now and then, and each image that was not known is asked
 * about once; an image is what its id says for ever. The front gets the whole as one document in a memfd when
 * it has changed.
 */
#include "engine/docker/docker_priv.h"
#include "engine/docker/spec.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "engine/docker/images.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define ID_PREFIX "sha256:"
#define SEALS	  (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static void ask_next(struct docker *d);

/* ---- as slots need them ---- */

static void image_finish(struct docker_image *image)
{
	for (char **at = image->volumes; at && *at; at++)
		free(*at);
	free(image->volumes);
}

static void free_images(struct docker *d)
{
	for (size_t i = 0; i < d->images_count; i++)
		image_finish(&d->images[i]);
	free(d->images);
	d->images = NULL;
	d->images_count = 0;
}

const struct docker_image *images_find(const struct docker *d, const uint8_t *digest)
{
	for (size_t i = 0; i < d->images_count; i++) {
		if (memcmp(d->images[i].digest, digest, KEEPER_DIGEST_SIZE) == 0)
			return &d->images[i];
	}
	return NULL;
}

static bool id_to_digest(const char *id, uint8_t *ret)
{
	const size_t prefix = sizeof(ID_PREFIX) - 1;

	return id && strncmp(id, ID_PREFIX, prefix) == 0 && hex_decode(id + prefix, ret, KEEPER_DIGEST_SIZE);
}

/* False: no memory. More volumes than fit are no image for us: it is left out. */
static bool read_volumes(const json_t *known, char ***ret)
{
	const json_t *volumes = json_object_get(known, "volumes");
	size_t count = json_array_size(volumes);
	char **list = calloc(count + 1, sizeof(*list));

	for (size_t i = 0; list && i < count; i++) {
		const char *path = json_string_value(json_array_get(volumes, i));

		list[i] = path ? strdup(path) : NULL;
		if (!list[i])
			break;
	}
	*ret = list;
	return list != NULL;
}

/* Everything that the daemon has now and that is known. */
static void rebuild(struct docker *d, const json_t *list)
{
	size_t i;
	json_t *image;

	free_images(d);
	d->images = calloc(json_array_size(list) + 1, sizeof(*d->images));
	json_array_foreach(list, i, image)
	{
		struct docker_image *to = d->images ? &d->images[d->images_count] : NULL;

		if (to && id_to_digest(json_string_value(json_object_get(image, "id")), to->digest) &&
		    read_volumes(image, &to->volumes)) {
			to->runtime =
				docker_image_choice(d->options->rules, d->options->host_image, image).runtime;
			d->images_count++;
		}
	}
}

/* ---- as the front needs them ---- */

int images_memfd(const struct docker *d)
{
	AUTO_CLOSE int fd = -1;

	if (!d->images_text)
		return -1;
	fd = memfd_create("kiln-images", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || fd_write_all(fd, d->images_text, strlen(d->images_text)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -1;
	return TAKE_FD(fd);
}

static void tell(struct docker *d, const json_t *list)
{
	char *text = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);
	int fd;

	if (!text || (d->images_text && d->asked_once && strcmp(text, d->images_text) == 0)) {
		free(text);
		return;
	}
	free(d->images_text);
	d->images_text = text;
	rebuild(d, list);
	d->asked_once = true;
	fd = images_memfd(d);
	front_tell_host(d, fd);
	if (fd >= 0)
		close(fd);
}

/* One look is over, well or not. Who asked while it was under way gets another one. */
static void looked(struct docker *d)
{
	uint32_t tag = d->look_under_way;

	d->look_under_way = 0;
	if (tag)
		front_tell_looked(d, tag);
	if (d->look_wanted == tag)
		d->look_wanted = 0;
	else
		images_look(d);
}

/* ---- asking ---- */

static void add_names(json_t *to, const json_t *from)
{
	json_t *name;
	size_t i;

	json_array_foreach(from, i, name)
	{
		const char *text = json_string_value(name);

		if (text && !strstr(text, "<none>"))
			json_array_append_new(to, json_string(docker_familiar_name(text)));
	}
}

/* The entries of the list whose images are known, in its order. */
static void assemble(struct docker *d)
{
	json_t *all = json_array(), *entry;
	size_t i;

	json_array_foreach(d->images_todo, i, entry)
	{
		const char *id = json_string_value(json_object_get(entry, "Id"));
		json_t *known = id ? json_object_get(d->images_known, id) : NULL;
		json_t *image = json_is_object(known) ? json_copy(known) : NULL;
		json_int_t created = json_integer_value(json_object_get(entry, "Created"));
		json_t *names = json_array();

		add_names(names, json_object_get(entry, "RepoTags"));
		add_names(names, json_object_get(entry, "RepoDigests"));
		if (image && json_object_set(image, "names", names) == 0 &&
		    json_object_set_new(image, "created", json_integer(created)) == 0)
			json_array_append(all, image);
		json_decref(names);
		json_decref(image);
	}
	tell(d, all);
	json_decref(all);
	json_decref(d->images_todo);
	d->images_todo = NULL;
	looked(d);
}

static json_t *array_or_empty(json_t *from)
{
	return json_is_array(from) ? json_incref(from) : json_array();
}

static json_t *volume_paths(const json_t *volumes)
{
	json_t *paths = json_array(), *value;
	const char *path;

	json_object_foreach((json_t *)(uintptr_t)volumes, path, value)
		json_array_append_new(paths, json_string(path));
	return paths;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* What the daemon says of an image, as the document has it; JSON's null where it is not for us. */
static json_t *describe(const json_t *answer)
{
	const json_t *config = json_object_get(answer, "Config");
	json_t *volumes = volume_paths(json_object_get(config, "Volumes"));

	if (json_array_size(volumes) > IMAGE_VOLUMES_MAX || strcmp(text_of(answer, "Os"), "linux") != 0) {
		json_decref(volumes);
		return json_null();
	}
	return json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:s, s:s}", "id", text_of(answer, "Id"), "size",
			 (json_int_t)json_integer_value(json_object_get(answer, "Size")), "env",
			 array_or_empty(json_object_get(config, "Env")), "entrypoint",
			 array_or_empty(json_object_get(config, "Entrypoint")), "command",
			 array_or_empty(json_object_get(config, "Cmd")), "volumes", volumes, "workdir",
			 text_of(config, "WorkingDir"), "user", text_of(config, "User"));
}

static void give_up(struct docker *d, const struct daemon_answer *answer)
{
	host_doubt(d, answer);
	json_decref(d->images_todo);
	d->images_todo = NULL;
	if (!d->asked_once) {
		/* HELLO is not kept waiting for a list that does not come. */
		d->asked_once = true;
		front_tell_host(d, -1);
	}
	looked(d);
}

static void on_inspected(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;
	const char *id = text_of(answer->json, "Id");

	d->images_call = NULL;
	if (answer->error) {
		give_up(d, answer);
		return;
	}
	/* One that has gone meanwhile will not be in the next list. */
	if (daemon_succeeded(answer) &&
	    json_object_set_new(d->images_known, id, describe(answer->json)) < 0) {
		give_up(d, answer);
		return;
	}
	ask_next(d);
}

static void ask_next(struct docker *d)
{
	char path[128];
	json_t *entry;
	size_t i;

	json_array_foreach(d->images_todo, i, entry)
	{
		const char *id = json_string_value(json_object_get(entry, "Id"));
		uint8_t digest[KEEPER_DIGEST_SIZE];

		if (json_object_get(entry, "asked") || !id_to_digest(id, digest) ||
		    json_object_get(d->images_known, id))
			continue;
		json_object_set_new(entry, "asked", json_true());
		snprintf(path, sizeof(path), "/images/%s/json", id);
		d->images_call = docker_call(d, "GET", path, NULL, on_inspected, d);
		if (d->images_call)
			return;
	}
	assemble(d);
}

static void on_listed(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;

	d->images_call = NULL;
	if (!daemon_succeeded(answer) || !json_is_array(answer->json) ||
	    json_array_size(answer->json) > IMAGES_MAX) {
		give_up(d, answer);
		return;
	}
	d->images_todo = json_deep_copy(answer->json);
	if (!d->images_known)
		d->images_known = json_object();
	ask_next(d);
}

void images_look(struct docker *d)
{
	if (d->images_call || d->ending)
		return;
	d->look_under_way = d->look_wanted;
	d->images_call = docker_call(d, "GET", "/images/json", NULL, on_listed, d);
	if (!d->images_call)
		looked(d);
}

void images_look_for(struct docker *d, uint32_t tag)
{
	d->look_wanted = tag;
	images_look(d);
}

/* Its images are asked for again when it is back. */
void images_give_up(struct docker *d)
{
	uint32_t under_way = d->look_under_way, wanted = d->look_wanted;

	if (!d->images_call)
		return;
	daemon_call_forget(d->images_call);
	d->images_call = NULL;
	json_decref(d->images_todo);
	d->images_todo = NULL;
	d->look_under_way = d->look_wanted = 0;
	if (under_way)
		front_tell_looked(d, under_way);
	if (wanted && wanted != under_way)
		front_tell_looked(d, wanted);
}

void images_end(struct docker *d)
{
	daemon_call_forget(d->images_call);
	d->images_call = NULL;
	json_decref(d->images_todo);
	json_decref(d->images_known);
	d->images_todo = d->images_known = NULL;
	free(d->images_text);
	d->images_text = NULL;
	free_images(d);
}
