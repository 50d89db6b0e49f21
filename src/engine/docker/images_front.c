#include "engine/docker/images.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define DOCUMENT_MAX (64u << 20)
#define ID_LEN	     71 /* "sha256:" and 64 digits */
#define NAME_MAX_LEN 300

const char *docker_familiar_name(const char *name)
{
	static const char hub[] = "docker.io/", library[] = "library/";

	if (strncmp(name, hub, sizeof(hub) - 1) != 0)
		return name;
	name += sizeof(hub) - 1;
	if (strncmp(name, library, sizeof(library) - 1) == 0 && !strchr(name + sizeof(library) - 1, '/'))
		name += sizeof(library) - 1;
	return name;
}

void docker_images_read(struct docker_images *images, int fd)
{
	struct stat st;
	void *map = MAP_FAILED;
	json_t *all = NULL;

	if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size <= DOCUMENT_MAX)
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED) {
		all = json_loadb(map, (size_t)st.st_size, 0, NULL);
		munmap(map, (size_t)st.st_size);
	}
	close(fd);
	if (!json_is_array(all)) {
		json_decref(all);
		return;
	}
	json_decref(images->all);
	images->all = all;
	images->changes++;
}

void docker_images_finish(struct docker_images *images)
{
	json_decref(images->all);
	images->all = NULL;
}

static const char *id_of(const json_t *image)
{
	const char *id = json_string_value(json_object_get(image, "id"));

	return id && strlen(id) == ID_LEN ? id : "";
}

/* "name:tag": what follows the last '/' has a ':' in it. */
static bool has_tag(const char *name)
{
	const char *slash = strrchr(name, '/');

	return strchr(slash ? slash : name, ':') != NULL;
}

/* One of the names that the image has, equal to `name`, which may lack its tag; or NULL. */
static const char *name_of(const json_t *image, const char *name, size_t len)
{
	const json_t *value;
	size_t i;

	json_array_foreach(json_object_get(image, "names"), i, value)
	{
		const char *text = json_string_value(value);

		if (text && strlen(text) == len && memcmp(text, name, len) == 0)
			return text;
	}
	return NULL;
}

static const char *first_name(const json_t *image)
{
	const char *name = json_string_value(json_array_get(json_object_get(image, "names"), 0));

	return name && !strchr(name, '@') ? name : "image";
}

static void canonical(const json_t *image, const char *name, char *ret, size_t size)
{
	static const char latest[] = ":latest";
	size_t len = strlen(name), cut = sizeof(latest) - 1;

	if (len > cut && strcmp(name + len - cut, latest) == 0)
		len -= cut;
	snprintf(ret, size, "%.*s@%s", (int)len, name, id_of(image));
}

/* By "name", "name:tag", "name@sha256:…" where that is the image's id, or a digest that its registry gave it. */
static bool matches(const json_t *image, const char *name, char *ret, size_t size)
{
	const char *at = strchr(name, '@'), *found;
	size_t len = at ? (size_t)(at - name) : strlen(name);
	char full[NAME_MAX_LEN];

	if (strcmp(name, id_of(image)) == 0) {
		canonical(image, first_name(image), ret, size);
		return true;
	}
	/* As the registry knows it. */
	if (at && name_of(image, name, strlen(name))) {
		canonical(image, first_name(image), ret, size);
		return true;
	}
	if (at && strcmp(at + 1, id_of(image)) != 0)
		return false;
	if (snprintf(full, sizeof(full), "%.*s", (int)len, name) >= (int)sizeof(full) ||
	    (!has_tag(full) &&
	     snprintf(full, sizeof(full), "%.*s:latest", (int)len, name) >= (int)sizeof(full)))
		return false;
	found = name_of(image, full, strlen(full));
	/* An image that has lost its name since is still the same by its digest. */
	if (!found && at)
		found = full;
	if (!found)
		return false;
	canonical(image, found, ret, size);
	return true;
}

const json_t *docker_images_find(const struct docker_images *images, const char *name, char *ret, size_t size)
{
	json_t *image;
	size_t i;

	if (strcmp(name, "host") == 0) {
		if (!images->host || !images->host[0] || strcmp(images->host, "host") == 0)
			return NULL;
		name = images->host;
	}
	name = docker_familiar_name(name);
	json_array_foreach(images->all, i, image)
	{
		if (id_of(image)[0] && matches(image, name, ret, size))
			return image;
	}
	return NULL;
}

/* Whether a name of an image is that of the one which languages know as "host". */
static bool is_host(const char *name, const char *host)
{
	size_t len = host ? strlen(host) : 0;

	return len && strncmp(name, host, len) == 0 &&
	       (!name[len] || (!has_tag(host) && strcmp(name + len, ":latest") == 0));
}

static bool rule_fits(const char *rule, const char *host, const char *name)
{
	return engine_rule_fits(rule, name) || (is_host(name, host) && engine_rule_fits(rule, "host"));
}

struct engine_choice docker_image_choice(char *const *rules, const char *host, const json_t *image)
{
	const json_t *names = json_object_get(image, "names"), *name;
	struct engine_choice choice = { 0 };
	size_t i;

	for (; rules && *rules; rules++) {
		json_array_foreach(names, i, name)
		{
			const char *text = json_string_value(name);

			if (text && rule_fits(*rules, host, text) && engine_rule_read(*rules, &choice))
				return choice;
		}
	}
	return (struct engine_choice){ 0 };
}

const json_t *docker_images_by_digest(const struct docker_images *images, const char *canonical)
{
	const char *at = strrchr(canonical, '@');
	json_t *image;
	size_t i;

	json_array_foreach(images->all, i, image)
	{
		if (at && id_of(image)[0] && strcmp(id_of(image), at + 1) == 0)
			return image;
	}
	return NULL;
}

bool docker_images_take(const struct docker_images *images, const char *name, bool stored)
{
	char canonical_name[NAME_MAX_LEN + ID_LEN + 2];
	const json_t *image = docker_images_find(images, name, canonical_name, sizeof(canonical_name));
	enum engine_kind kind =
		image ? docker_image_choice(images->rules, images->host, image).kind : ENGINE_KIND_NATIVE;

	return kind == ENGINE_KIND_DOCKER || (kind == ENGINE_KIND_ANY && !stored);
}
