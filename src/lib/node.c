#include "lib/node.h"

#include "base/cleanup.h"
#include "base/strv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_CANONICAL_MAX 400

/* The host image is this machine's own /usr: what is here is there. */
static bool host_has(void *user, const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) == 0;
}

/* Those whose image is stored can be run. */
static void mark_stored(struct language_registry *languages, struct image_store *images)
{
	const struct language *language = NULL;

	while ((language = language_next(languages, language))) {
		AUTO_IMAGE struct image image = { 0 };

		if (strcmp(language->image, "host") != 0)
			language_set_available(languages, language,
					       image_store_find(images, language->image, &image, NULL) == 0);
	}
}

int node_languages_load(const struct config *config, struct language_registry **ret, struct err *err)
{
	struct image_store *images = NULL;
	AUTO_FREE char *site = NULL;
	struct language_registry *languages;
	int r;

	if (asprintf(&site, "%s/languages", config->state_dir) < 0) {
		site = NULL;
		return err_set(err, -ENOMEM, "languages");
	}
	r = language_registry_load(config->languages_dir, &languages, err);
	if (r < 0)
		return err_wrap(err, r, "languages");
	r = language_registry_load_site(languages, site, err);
	if (r == 0)
		r = image_store_open(config->state_dir, IMAGE_STORE_READ, &images, err);
	if (r < 0) {
		language_registry_destroy(languages);
		return err_wrap(err, r, "languages");
	}
	language_registry_probe(languages, "host", host_has, NULL);
	mark_stored(languages, images);
	image_store_close(images);
	*ret = languages;
	return 0;
}

struct native_options node_native_options(const struct config *config, int keeper_fd)
{
	return (struct native_options){
		.uid_base = config->uid_base,
		.uid_count = config->uid_count,
		.cgroup = config->cgroup && config->cgroup[0] ? config->cgroup : NULL,
		.state_dir = config->state_dir,
		.keeper_fd = keeper_fd,
	};
}

/* For the engine: "name@sha256:…" of a stored image. */
static bool stored_image_find(void *user, const char *name, char *ret, size_t size)
{
	AUTO_IMAGE struct image image = { 0 };
	int used;

	if (image_store_find(user, name, &image, NULL) < 0)
		return false;
	used = snprintf(ret, size, "%s@%s", image.name ? image.name : "image", image.digest);
	return used > 0 && (size_t)used < size;
}

static char **strings_of(const json_t *array)
{
	char **list = NULL;
	json_t *value;
	size_t i;

	json_array_foreach(array, i, value)
	{
		const char *text = json_string_value(value);

		if (text && strv_append(&list, text, strlen(text)) < 0) {
			strv_free(list);
			return NULL;
		}
	}
	return list;
}

/* As a daemon describes it. */
static int docker_image_config(struct node *node, const char *name, struct image *ret, struct err *err)
{
	char canonical[IMAGE_CANONICAL_MAX];
	const json_t *image = docker_images_find(&node->docker, name, canonical, sizeof(canonical));
	const char *workdir = json_string_value(json_object_get(image, "workdir"));

	*ret = (struct image){ 0 };
	if (!image)
		return err_refuse(err, ERR_UNKNOWN, "image_unknown", "image", "there is no image '%.128s'",
				  name);
	ret->env = strings_of(json_object_get(image, "env"));
	ret->entrypoint = strings_of(json_object_get(image, "entrypoint"));
	ret->workdir = workdir && workdir[0] ? strdup(workdir) : NULL;
	if ((json_array_size(json_object_get(image, "env")) && !ret->env) ||
	    (json_array_size(json_object_get(image, "entrypoint")) && !ret->entrypoint))
		return err_set(err, -ENOMEM, "image '%.128s'", name);
	return 0;
}

int node_image_config(void *user, const char *name, struct image *ret, struct err *err)
{
	struct node *node = user;

	if (node->is_docker)
		return docker_image_config(node, name, ret, err);
	return image_store_find(node->images, name, ret, err);
}

static int list_names(json_t *list, const json_t *image)
{
	json_t *name;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(image, "names"), i, name)
	{
		const char *text = json_string_value(name);

		/* By its tags; the digests of registries are for asking. */
		if (text && !strchr(text, '@') && r == 0)
			r = json_array_append_new(list, json_pack("{s:s, s:O, s:s, s:O, s:O}", "name", text,
								  "digest", json_object_get(image, "id"),
								  "source", "docker", "size_bytes",
								  json_object_get(image, "size"), "created",
								  json_object_get(image, "created")));
	}
	return r;
}

json_t *node_docker_images(const struct node *node)
{
	json_t *list = json_array(), *image;
	size_t i;

	json_array_foreach(node->docker.all, i, image)
	{
		if (list_names(list, image) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static bool docker_image_find(void *user, const char *name, char *ret, size_t size)
{
	const struct node *node = user;

	return docker_images_find(&node->docker, name, ret, size) != NULL;
}

/* Which languages can be run: the images of the daemon are what they are, and so are the paths in them. */
static void mark_docker(struct node *node)
{
	const struct language *language = NULL;
	char canonical[IMAGE_CANONICAL_MAX];

	while ((language = language_next(node->languages, language)))
		language_set_available(node->languages, language,
				       docker_images_find(&node->docker, language->image, canonical,
							  sizeof(canonical)) != NULL);
}

static void on_docker_images(void *user, int fd)
{
	struct node *node = user;

	docker_images_read(&node->docker, fd);
	mark_docker(node);
}

void node_images_look(struct node *node)
{
	int names_fd = image_store_names_fd(node->images);
	struct stat st;
	int64_t changed_ns;

	if (node->is_docker)
		return; /* the keeper tells */
	if (names_fd < 0 || fstat(names_fd, &st) < 0)
		return;
	changed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	if (changed_ns == node->images_seen_ns)
		return;
	node->images_seen_ns = changed_ns;
	mark_stored(node->languages, node->images);
}

static int open_parts(uv_loop_t *loop, const struct config *config, int keeper_fd, struct node *node,
		      struct err *err)
{
	struct native_options options = node_native_options(config, keeper_fd);
	int r = node_languages_load(config, &node->languages, err);

	if (r == 0)
		r = image_store_open(config->state_dir, IMAGE_STORE_READ, &node->images, err);
	if (r < 0)
		return r;
	node_images_look(node);
	options.image_find = stored_image_find;
	options.user = node->images;
	if (config_engine_is_docker(config)) {
		if (keeper_fd < 0)
			return err_set(err, -EOPNOTSUPP,
				       "the Docker engine is the program kiln's, not the library's");
		node->is_docker = true;
		node->docker.host = config->docker_host_image;
		options.name = "docker";
		options.image_find = docker_image_find;
		options.on_images = on_docker_images;
		options.user = node;
		mark_docker(node);
	}
	r = engine_native_create(loop, &options, &node->engine, err);
	return r < 0 ? err_wrap(err, r, "%s engine", config->engine) : 0;
}

int node_open(uv_loop_t *loop, const struct config *config, int keeper_fd, struct node *ret, struct err *err)
{
	int r;

	/* In its place: the engine refers to it. */
	*ret = (struct node){ 0 };
	r = open_parts(loop, config, keeper_fd, ret, err);
	if (r < 0) {
		image_store_close(ret->images);
		language_registry_destroy(ret->languages);
		docker_images_finish(&ret->docker);
		*ret = (struct node){ 0 };
	}
	return r;
}

/* Kiln's own programs for images stand beside it: installed below lib, in a build folder below runtime. */
static char *find_runtime_dir(void)
{
	static const char *const places[] = { "../lib/kiln/runtime", "runtime" };
	AUTO_FREE char *program = realpath("/proc/self/exe", NULL);
	char *found = NULL;

	if (!program)
		return NULL;
	*strrchr(program, '/') = '\0';
	for (size_t i = 0; i < ARRAY_LEN(places) && !found; i++) {
		AUTO_FREE char *path = NULL;

		if (asprintf(&path, "%s/%s", program, places[i]) < 0) {
			path = NULL;
			return NULL;
		}
		found = realpath(path, NULL);
	}
	return found;
}

int node_image_make(const struct config *config, struct image_store *store, char **ret_runtime_dir,
		    struct image_make *ret, struct err *err)
{
	*ret_runtime_dir = find_runtime_dir();
	*ret = (struct image_make){
		.store = store,
		.recipes_dir = config->images_dir,
		.runtime_dir = *ret_runtime_dir,
		.mirror = config->debian_mirror,
		.bytes_max = (uint64_t)config->image_bytes,
		/* Behind those of the sandboxes and of the front. */
		.owner = (uid_t)(config->uid_base + config->uid_count + 1),
	};
	return 0;
}

static const char *image_find(void *user, const char *name)
{
	struct engine *engine = user;

	return engine->v->image_find(engine, name);
}

void node_plan_context(struct node *node, const struct config *config, struct plan_context *ret)
{
	*ret = (struct plan_context){
		.languages = node->languages,
		.ceilings = config->ceilings,
		.image_find = image_find,
		.image_config = node_image_config,
		.image_user = node,
		.user = node->engine,
	};
}

void node_close(struct node *node, uv_loop_t *loop)
{
	if (node->engine)
		node->engine->v->destroy(node->engine);
	language_registry_destroy(node->languages);
	image_store_close(node->images);
	docker_images_finish(&node->docker);
	*node = (struct node){ 0 };
	uv_run(loop, UV_RUN_DEFAULT);
}
