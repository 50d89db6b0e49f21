/*
 * From a registry: skopeo downloads into an OCI layout of ours, a blob at a time, each of which it checks; the
 * folder stays when it is interrupted, and skopeo skips what is there. The layers are then put together as
 * those of an archive are.
 */
#include "image/make_priv.h"

#include "base/cleanup.h"
#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS	     250
#define MANIFEST_MAX (4UL * 1024 * 1024)
#define POLICY	     "/etc/containers/policy.json"
#define TAG	     "kiln"

/* Nobody between us and ourselves: as Docker does, a registry on this machine may speak plain HTTP. */
static const char *tls_option(const char *reference)
{
	bool local = strncmp(reference, "localhost:", 10) == 0 || strncmp(reference, "localhost/", 10) == 0 ||
		     strncmp(reference, "127.", 4) == 0 || strncmp(reference, "[::1]", 5) == 0;

	return local ? "false" : "true";
}

/* No name of a repository has one: Docker then takes it for a host's. */
static bool has_capital(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] >= 'A' && text[i] <= 'Z')
			return true;
	}
	return false;
}

bool image_registry_allowed(char *const *allowed, const char *reference)
{
	static const char hub[] = "docker.io";
	size_t first = strcspn(reference, "/");
	const char *dot = strpbrk(reference, ".:");
	bool registry = reference[first] == '/' &&
			((dot && dot < reference + first) || strncmp(reference, "localhost/", 10) == 0 ||
			 has_capital(reference, first));
	char full[IMAGE_NAME_MAX + 32];

	if (!allowed || !*allowed)
		return true;
	if (registry)
		snprintf(full, sizeof(full), "%s", reference);
	else
		snprintf(full, sizeof(full), "%s/%s%s", hub, reference[first] == '/' ? "" : "library/",
			 reference);
	for (; *allowed; allowed++) {
		size_t len = strlen(*allowed);

		/* A whole name, not the beginning of another one; and of a registry not another port. */
		if (strncmp(full, *allowed, len) == 0 &&
		    strchr(strchr(*allowed, '/') ? "/:@" : "/", full[len]))
			return true;
	}
	return false;
}

/* The bytes of all layers, or 0: not known, since the reference leads to a list of manifests. */
static uint64_t layers_total(const char *source, const char *tls, const char *policy)
{
	const char *const argv[] = { "skopeo", policy, "inspect", "--raw", "--tls-verify", source, NULL };
	AUTO_BUF struct buf text = BUF_INIT(MANIFEST_MAX);
	const char *arguments[8];
	json_t *manifest, *layer;
	char option[32];
	uint64_t sum = 0;
	size_t i, count = 0;

	snprintf(option, sizeof(option), "--tls-verify=%s", tls);
	for (i = 0; i < ARRAY_LEN(argv) - 1; i++) {
		if (argv[i] && *argv[i])
			arguments[count++] = strcmp(argv[i], "--tls-verify") == 0 ? option : argv[i];
	}
	arguments[count] = NULL;
	if (program_run_read(arguments, &text, NULL) < 0)
		return 0;
	manifest = json_loadb((const char *)text.data, text.len, 0, NULL);
	json_array_foreach(json_object_get(manifest, "layers"), i, layer)
	{
		json_int_t size = json_integer_value(json_object_get(layer, "size"));

		sum += size > 0 ? (uint64_t)size : 0;
	}
	json_decref(manifest);
	return sum;
}

static int download(const struct image_make *make, const char *source, const char *tls, int dir_fd,
		    const char *path, struct err *err)
{
	const char *policy = access(POLICY, R_OK) == 0 ? "--debug=false" : "--insecure-policy";
	uint64_t total = layers_total(source, tls, policy);
	AUTO_FREE char *target = NULL, *option = NULL;
	const char *argv[12];
	const struct program_spec spec = { .argv = argv };
	struct program program;
	size_t count = 0;
	int r;

	if (asprintf(&target, "oci:%s:" TAG, path) < 0 || asprintf(&option, "--src-tls-verify=%s", tls) < 0)
		return err_set(err, -ENOMEM, "pull an image");
	argv[count++] = "skopeo";
	argv[count++] = policy;
	argv[count++] = "copy";
	argv[count++] = "--quiet";
	argv[count++] = "--retry-times=3";
	argv[count++] = option;
	argv[count++] = source;
	argv[count++] = target;
	argv[count] = NULL;
	r = program_start(&spec, &program, err);
	if (r < 0)
		return r;
	while (r == 0 && !program_wait(&program, TICK_MS)) {
		uint64_t done = tree_bytes(dir_fd);

		if (done > make->bytes_max)
			r = err_set(err, -EFBIG, "the image has more than %llu bytes",
				    (unsigned long long)make->bytes_max);
		else if (progress_tell(&make->progress, "downloading", done, total > done ? total : 0) < 0)
			r = err_set(err, -ECANCELED, "given up");
	}
	if (r < 0)
		program_stop(&program);
	return r < 0 ? r : program_end(&program, err);
}

static int put_together(const struct image_make *make, int dir_fd, struct image *image, struct err *err)
{
	struct image_work *work;
	int r = image_work_begin(make->store, &work, err);

	if (r < 0)
		return r;
	r = make_from_layout(make, work, dir_fd, TAG, image, err);
	if (r == 0)
		r = make_commit(make, work, image, err);
	image_work_end(work);
	return r;
}

int image_make_pull(const struct image_make *make, const char *reference, const char *name, struct image *ret,
		    struct err *err)
{
	AUTO_FREE char *canonical = NULL, *source = NULL, *path = NULL;
	AUTO_CLOSE int dir_fd = -1;
	int r;

	*ret = (struct image){ 0 };
	r = image_name_canonical(reference, &canonical, err);
	if (r == 0)
		r = image_name_canonical(name ? name : reference, &ret->name, err);
	if (r == 0 && asprintf(&source, "docker://%s", canonical) < 0) {
		source = NULL;
		r = err_set(err, -ENOMEM, "pull an image");
	}
	if (r == 0)
		r = image_store_download(make->store, canonical, &dir_fd, &path, err);
	if (r < 0)
		return r;
	ret->source = strdup(source);
	if (!ret->source)
		return err_set(err, -ENOMEM, "pull an image");
	r = download(make, source, tls_option(canonical), dir_fd, path, err);
	if (r == 0)
		r = put_together(make, dir_fd, ret, err);
	if (r == 0)
		image_store_download_done(make->store, canonical);
	return r < 0 ? err_wrap(err, r, "pull '%s'", canonical) : 0;
}
