#include "lib/node.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "engine/mixed/mixed.h"

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

static bool wants(const struct language *language, const char *engine)
{
	return language->engine && strcmp(language->engine, engine) == 0;
}

static bool is_stored(struct image_store *images, const char *name)
{
	AUTO_IMAGE struct image image = { 0 };

	return image_store_find(images, name, &image, NULL) == 0;
}

/*
 * Those whose image is stored can be run, where they may run natively; the host's files were looked at by the
 * probe. `docker` NULL: there is no daemon.
 */
static void mark(struct language_registry *languages, struct image_store *images,
		 const struct docker_images *docker)
{
	const struct language *language = NULL;

	while ((language = language_next(languages, language))) {
		bool host = strcmp(language->image, "host") == 0, native = !wants(language, "docker");
		bool stored = native && (host || is_stored(images, language->image));

		if (docker && docker_images_take(docker, language->image, stored))
			language_set_available(languages, language, !wants(language, "native"));
		else if (!host || !native)
			language_set_available(languages, language, stored);
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
	mark(languages, images, NULL);
	image_store_close(images);
	*ret = languages;
	return 0;
}

static int add_rule(char ***rules, const char *image, const char *engine, const char *runtime)
{
	AUTO_FREE char *rule = NULL;

	if (asprintf(&rule, "%s=%s%s%s", image, engine, runtime ? ":" : "", runtime ? runtime : "") < 0) {
		rule = NULL;
		return -ENOMEM;
	}
	return strv_append(rules, rule, strlen(rule));
}

/* The languages before this one are of the same mind about their image. */
static int check_agreement(const struct language_registry *languages, const struct language *one,
			   struct err *err)
{
	const struct language *other = NULL;

	while ((other = language_next(languages, other)) && other != one) {
		const char *runtime = other->runtime ?: "", *own = one->runtime ?: "";

		if (other->engine && strcmp(other->image, one->image) == 0 &&
		    (strcmp(other->engine, one->engine) != 0 || strcmp(runtime, own) != 0))
			return err_refuse(
				err, ERR_INTERNAL, "language_invalid", "engine",
				"languages '%s' and '%s' name another engine or runtime for one image, "
				"'%.128s'",
				other->id, one->id, one->image);
	}
	return 0;
}

int node_engine_rules(const struct config *config, const struct language_registry *languages, char ***ret,
		      struct err *err)
{
	const struct language *language = NULL;
	char **rules = NULL;
	int r = 0;

	for (char *const *rule = config->image_engines; r == 0 && rule && *rule; rule++)
		r = strv_append(&rules, *rule, strlen(*rule));
	while (r == 0 && (language = language_next(languages, language))) {
		if (!language->engine)
			continue;
		/* A pattern could fit what its writer did not mean. */
		if (strpbrk(language->image, "*?[\\"))
			r = err_refuse(err, ERR_INTERNAL, "language_invalid", "image",
				       "language '%s': '%.128s' is not the name of an image", language->id,
				       language->image);
		else
			r = check_agreement(languages, language, err);
		if (r == 0 && add_rule(&rules, language->image, language->engine, language->runtime) < 0)
			r = err_set(err, -ENOMEM, "rules of engines");
	}
	if (r < 0)
		strv_free(rules);
	else
		*ret = rules;
	return r;
}

struct native_options node_native_options(const struct config *config, int keeper_fd)
{
	/* The containers have uids of their own, from the end of the range. */
	int64_t containers = config_engine_is_mixed(config) ? config->docker_containers : 0;

	return (struct native_options){
		.uid_base = config->uid_base,
		.uid_count = config->uid_count - containers,
		.cgroup = config->cgroup && config->cgroup[0] ? config->cgroup : NULL,
		.state_dir = config->state_dir,
		.keeper_fd = keeper_fd,
		.lock_fd = -1,
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

	if (node->is_docker || (node->is_mixed && docker_images_take(&node->docker, name, false) &&
				docker_images_by_digest(&node->docker, name)))
		return docker_image_config(node, name, ret, err);
	return image_store_find(node->images, name, ret, err);
}

static json_t *runtime_json(const struct node *node, const json_t *image)
{
	struct engine_choice choice = docker_image_choice(node->rules, node->docker.host, image);
	const char *runtime = choice.runtime ?: node->docker_runtime;

	return runtime && runtime[0] ? json_string(runtime) : json_null();
}

static json_t *listed_json(const struct node *node, const json_t *image, const char *name)
{
	return json_pack("{s:s, s:O, s:s, s:O, s:O, s:s, s:o}", "name", name, "digest",
			 json_object_get(image, "id"), "source", "docker", "size_bytes",
			 json_object_get(image, "size"), "created", json_object_get(image, "created"),
			 "engine", "docker", "runtime", runtime_json(node, image));
}

static int list_names(const struct node *node, json_t *list, const json_t *image)
{
	json_t *name;
	size_t i;
	int r = 0;

	if (docker_image_choice(node->rules, node->docker.host, image).kind == ENGINE_KIND_NATIVE)
		return 0;
	json_array_foreach(json_object_get(image, "names"), i, name)
	{
		const char *text = json_string_value(name);

		/* By its tags; the digests of registries are for asking. */
		if (text && !strchr(text, '@') && r == 0)
			r = json_array_append_new(list, listed_json(node, image, text));
	}
	return r;
}

json_t *node_docker_images(const struct node *node)
{
	json_t *list = json_array(), *image;
	size_t i;

	json_array_foreach(node->docker.all, i, image)
	{
		if (list_names(node, list, image) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

json_t *node_docker_image(const struct node *node, const char *name)
{
	char canonical[IMAGE_CANONICAL_MAX];
	const json_t *image = docker_images_find(&node->docker, name, canonical, sizeof(canonical));
	json_t *json;

	if (!image ||
	    (node->is_mixed && !docker_images_take(&node->docker, name, is_stored(node->images, name))))
		return NULL;
	json = listed_json(node, image, name);
	if (!json || json_object_set_new(json, "state", json_string("stored")) < 0 ||
	    json_object_set(json, "env", json_object_get(image, "env")) < 0 ||
	    json_object_set(json, "entrypoint", json_object_get(image, "entrypoint")) < 0 ||
	    json_object_set(json, "workdir", json_object_get(image, "workdir")) < 0 ||
	    json_object_set(json, "user", json_object_get(image, "user")) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
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
				       !wants(language, "native") &&
					       docker_images_find(&node->docker, language->image, canonical,
								  sizeof(canonical)) != NULL);
}

static const char *runtime_of(const struct node *node, const json_t *image)
{
	return docker_image_choice(node->rules, node->docker.host, image).runtime ?: "";
}

/* An image whose rule is another one, by a name that it has got or lost: what waits for a run has the old runtime. */
static void tell_changed(const struct node *node, json_t *before)
{
	const struct docker_images old = { .all = before };
	json_t *image;
	size_t i;

	json_array_foreach(node->docker.all, i, image)
	{
		const char *id = json_string_value(json_object_get(image, "id"));
		AUTO_FREE char *canonical = NULL;
		const json_t *was;

		if (!id || asprintf(&canonical, "@%s", id) < 0) {
			canonical = NULL;
			continue;
		}
		was = docker_images_by_digest(&old, canonical);
		if (was && strcmp(runtime_of(node, was), runtime_of(node, image)) != 0)
			node->image_changed(node->image_changed_user, id);
	}
}

static void on_docker_images(void *user, int fd)
{
	struct node *node = user;
	json_t *before = json_incref(node->docker.all);

	docker_images_read(&node->docker, fd);
	if (node->image_changed && node->rules)
		tell_changed(node, before);
	json_decref(before);
	if (node->is_mixed)
		mark(node->languages, node->images, &node->docker);
	else
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
	mark(node->languages, node->images, node->is_mixed ? &node->docker : NULL);
}

static int open_containers(uv_loop_t *loop, const struct config *config, int docker_fd, struct node *node,
			   struct err *err)
{
	struct native_options options = node_native_options(config, docker_fd);
	int r;

	if (docker_fd < 0)
		return err_set(err, -EOPNOTSUPP,
			       "the Docker engine is the program kiln's, not the library's");
	node->docker.host = config->docker_host_image;
	node->docker.rules = node->rules;
	node->docker_runtime = config->docker_runtime;
	options.name = "docker";
	options.image_find = docker_image_find;
	options.on_images = on_docker_images;
	options.user = node;
	if (node->is_docker)
		mark_docker(node);
	r = engine_native_create(loop, &options, &node->containers, err);
	return r < 0 ? err_wrap(err, r, "docker engine") : 0;
}

static int open_native(uv_loop_t *loop, const struct config *config, int keeper_fd, struct node *node,
		       struct err *err)
{
	struct native_options options = node_native_options(config, keeper_fd);
	int r;

	options.image_find = stored_image_find;
	options.user = node->images;
	r = engine_native_create(loop, &options, &node->native, err);
	return r < 0 ? err_wrap(err, r, "native engine") : 0;
}

static int open_parts(uv_loop_t *loop, const struct config *config, int keeper_fd, int docker_fd,
		      struct node *node, struct err *err)
{
	int r = node_languages_load(config, &node->languages, err);

	node->is_docker = config_engine_is_docker(config);
	node->is_mixed = config_engine_is_mixed(config);
	if (r == 0)
		r = node_engine_rules(config, node->languages, &node->rules, err);
	if (r == 0)
		r = image_store_open(config->state_dir, IMAGE_STORE_READ, &node->images, err);
	if (r < 0)
		return r;
	node_images_look(node);
	if (!node->is_docker)
		r = open_native(loop, config, keeper_fd, node, err);
	if (r == 0 && (node->is_docker || node->is_mixed))
		r = open_containers(loop, config, docker_fd, node, err);
	if (r == 0 && !node->is_mixed)
		node->engine = node->is_docker ? node->containers : node->native;
	return r;
}

static void close_parts(struct node *node)
{
	image_store_close(node->images);
	language_registry_destroy(node->languages);
	docker_images_finish(&node->docker);
	strv_free(node->rules);
	*node = (struct node){ 0 };
}

int node_open(uv_loop_t *loop, const struct config *config, int keeper_fd, int docker_fd, struct node *ret,
	      struct err *err)
{
	int r;

	/* In its place: the engine refers to it. */
	*ret = (struct node){ 0 };
	r = open_parts(loop, config, keeper_fd, docker_fd, ret, err);
	if (r < 0) {
		if (ret->native)
			ret->native->v->destroy(ret->native);
		close_parts(ret);
	}
	return r;
}

int node_mix(struct node *node, struct engine *native, struct engine *docker, struct err *err)
{
	int r = mixed_create(native, docker, &node->docker, &node->engine, err);

	if (r < 0) {
		docker->v->destroy(docker);
		native->v->destroy(native);
		node->native = node->containers = NULL;
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
	if (node->engine) {
		node->engine->v->destroy(node->engine);
	} else {
		/* Never mixed. */
		for (int i = 0; i < 2; i++) {
			struct engine *one = i == 0 ? node->containers : node->native;

			if (one)
				one->v->destroy(one);
		}
	}
	close_parts(node);
	uv_run(loop, UV_RUN_DEFAULT);
}
