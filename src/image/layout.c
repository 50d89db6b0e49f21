#include "image/layout.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "image/digest.h"
#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#define DOCUMENT_MAX (4UL * 1024 * 1024)
#define LAYERS_MAX   256
#define TEXTS_MAX    1024
#define INDEX_DEPTH  3
#define REF_NAME     "org.opencontainers.image.ref.name"
#define FULL_NAME    "io.containerd.image.name"

struct reader {
	int dir_fd;
	const char *wanted;
	struct layout *layout;
	struct image *image;
	struct err *err;
};

const char *layout_architecture(void)
{
	static const struct {
		const char *machine, *oci;
	} names[] = { { "x86_64", "amd64" },	{ "aarch64", "arm64" }, { "riscv64", "riscv64" },
		      { "ppc64le", "ppc64le" }, { "s390x", "s390x" },	{ "i686", "386" } };
	static struct utsname host;

	if (uname(&host) < 0)
		return "unknown";
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(names[i].machine, host.machine) == 0)
			return names[i].oci;
	}
	return "unknown";
}

static int unsuitable(const struct reader *r, const char *format, const char *what)
{
	char shown[160];
	size_t i = 0;

	for (; what && what[i] && i + 1 < sizeof(shown); i++)
		shown[i] = (unsigned char)what[i] < 0x20 || what[i] == 0x7f ? '?' : what[i];
	shown[i] = '\0';
	return err_refuse(r->err, ERR_IMPOSSIBLE, "image_unsuitable", "image", "%s%s%s", format,
			  shown[0] ? ": " : "", shown);
}

static json_t *read_document(const struct reader *r, const char *name)
{
	AUTO_FREE char *text = NULL;
	json_error_t why;
	json_t *json;
	size_t len;
	int rc = tree_read_file(r->dir_fd, name, DOCUMENT_MAX, &text, &len);

	if (rc < 0) {
		if (rc == -ENOENT)
			unsuitable(r, "a document is missing", name);
		else
			err_set(r->err, rc, "read '%.100s' of an image", name);
		return NULL;
	}
	json = json_loadb(text, len, 0, &why);
	if (!json)
		unsuitable(r, "a document is no JSON", name);
	return json;
}

static int open_blob(const struct reader *r, const char *name)
{
	const struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
				      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
	int fd = (int)syscall(SYS_openat2, r->dir_fd, name, &how, sizeof(how));
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		fd = -1;
	}
	return fd < 0 ? unsuitable(r, "a part of it is missing", name) : fd;
}

/* Compares a blob with its digest, "sha256:…". */
static int check_blob(const struct reader *r, int fd, const char *digest)
{
	char hex[65];
	int rc = image_digest_file(fd, hex);

	if (rc < 0)
		return err_set(r->err, rc, "read a part of an image");
	if (strcmp(hex, digest + 7) != 0)
		return unsuitable(r, "a part of it is damaged: it is not what its digest says", digest);
	return lseek(fd, 0, SEEK_SET) < 0 ? err_set(r->err, -errno, "read a part of an image") : 0;
}

static int add_layer(const struct reader *r, int fd)
{
	struct layout *layout = r->layout;
	int *grown = reallocarray(layout->layers, layout->layers_count + 1, sizeof(*grown));
	struct stat st;

	if (!grown || fstat(fd, &st) < 0) {
		layout->layers = grown ? grown : layout->layers;
		close(fd);
		return err_set(r->err, -ENOMEM, "layers of an image");
	}
	layout->layers = grown;
	layout->layers[layout->layers_count++] = fd;
	layout->layers_bytes += (uint64_t)st.st_size;
	return 0;
}

/*
 * --- the configuration
 * -------------------------------------------------------------------------------------------
 */

static int take_text(const struct reader *r, const json_t *config, const char *key, char **ret)
{
	const char *text = json_string_value(json_object_get(config, key));

	if (!text || !*text)
		return 0;
	if (strlen(text) >= PATH_MAX)
		return unsuitable(r, "its configuration has a text that is too long", key);
	*ret = strdup(text);
	return *ret ? 0 : err_set(r->err, -ENOMEM, "configuration of an image");
}

static int take_texts(const struct reader *r, const json_t *config, const char *key, char ***ret)
{
	const json_t *list = json_object_get(config, key);

	if (json_array_size(list) > TEXTS_MAX)
		return unsuitable(r, "its configuration has too many of", key);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text)
			return unsuitable(r, "its configuration has what is no text in", key);
		if (strv_append(ret, text, strlen(text)) < 0)
			return err_set(r->err, -ENOMEM, "configuration of an image");
	}
	return 0;
}

/* A relative one is meant from the root, as Docker has it. */
static int take_workdir(const struct reader *r, const json_t *config)
{
	AUTO_FREE char *text = NULL;
	int rc = take_text(r, config, "WorkingDir", &text);

	if (rc < 0 || !text)
		return rc;
	if (asprintf(&r->image->workdir, "%s%s", text[0] == '/' ? "" : "/", text) < 0) {
		r->image->workdir = NULL;
		return err_set(r->err, -ENOMEM, "configuration of an image");
	}
	return 0;
}

static int take_labels(const struct reader *r, json_t *labels)
{
	const char *key;
	json_t *value;

	if (json_object_size(labels) > TEXTS_MAX)
		return unsuitable(r, "its configuration has too many of", "Labels");
	json_object_foreach(labels, key, value)
	{
		AUTO_FREE char *label = NULL;
		int n = json_is_string(value) ? asprintf(&label, "%s=%s", key, json_string_value(value)) : 0;

		if (n < 0)
			label = NULL;
		if (n < 0 || (n > 0 && strv_append(&r->image->labels, label, (size_t)n) < 0))
			return err_set(r->err, -ENOMEM, "configuration of an image");
	}
	return 0;
}

/* Variables without a name, or without '=', would be nobody's. */
static int check_env(const struct reader *r)
{
	for (char **env = r->image->env; env && *env; env++) {
		if (**env == '=' || !strchr(*env, '='))
			return unsuitable(r, "its environment has what is no variable", *env);
	}
	return 0;
}

static int read_config(const struct reader *r, json_t *document, size_t layers)
{
	const char *architecture = json_string_value(json_object_get(document, "architecture"));
	const char *os = json_string_value(json_object_get(document, "os"));
	json_t *diffs = json_object_get(json_object_get(document, "rootfs"), "diff_ids");
	json_t *config = json_object_get(document, "config");
	int rc;

	if (os && *os && strcmp(os, "linux") != 0)
		return unsuitable(r, "it is for another system", os);
	if (architecture && *architecture && strcmp(architecture, layout_architecture()) != 0)
		return unsuitable(r, "it is for another architecture", architecture);
	if (diffs && json_array_size(diffs) != layers)
		return unsuitable(r, "its configuration speaks of another number of layers", NULL);
	rc = take_text(r, config, "User", &r->image->user);
	if (rc == 0)
		rc = take_workdir(r, config);
	if (rc == 0)
		rc = take_texts(r, config, "Env", &r->image->env);
	if (rc == 0)
		rc = take_texts(r, config, "Entrypoint", &r->image->entrypoint);
	if (rc == 0)
		rc = take_texts(r, config, "Cmd", &r->image->command);
	if (rc == 0)
		rc = take_labels(r, json_object_get(config, "Labels"));
	return rc == 0 ? check_env(r) : rc;
}

/*
 * --- an OCI layout
 * -----------------------------------------------------------------------------------------------
 */

static int blob_name(const struct reader *r, const json_t *descriptor, char ret[128], const char **ret_digest)
{
	const char *digest = json_string_value(json_object_get(descriptor, "digest"));

	if (!digest || !image_digest_valid(digest))
		return unsuitable(r, "a digest in it is none of SHA-256", digest);
	snprintf(ret, 128, "blobs/sha256/%s", digest + 7);
	*ret_digest = digest;
	return 0;
}

static json_t *read_blob_document(const struct reader *r, const json_t *descriptor)
{
	const char *digest;
	char name[128];
	int fd, rc;

	if (blob_name(r, descriptor, name, &digest) < 0)
		return NULL;
	fd = open_blob(r, name);
	if (fd < 0)
		return NULL;
	rc = check_blob(r, fd, digest);
	close(fd);
	return rc < 0 ? NULL : read_document(r, name);
}

static int add_oci_layer(const struct reader *r, const json_t *descriptor)
{
	const char *digest;
	char name[128];
	int rc = blob_name(r, descriptor, name, &digest), fd;

	if (rc < 0)
		return rc;
	fd = open_blob(r, name);
	if (fd < 0)
		return fd;
	rc = check_blob(r, fd, digest);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return add_layer(r, fd);
}

static int read_manifest(const struct reader *r, json_t *manifest)
{
	json_t *layers = json_object_get(manifest, "layers"), *config;
	int rc = 0;

	if (!json_is_array(layers) || json_array_size(layers) > LAYERS_MAX)
		return unsuitable(r, "its manifest has no list of layers, or too many", NULL);
	config = read_blob_document(r, json_object_get(manifest, "config"));
	if (!config)
		return -EINVAL;
	rc = read_config(r, config, json_array_size(layers));
	json_decref(config);
	for (size_t i = 0; i < json_array_size(layers) && rc == 0; i++)
		rc = add_oci_layer(r, json_array_get(layers, i));
	return rc;
}

static bool fits(const json_t *descriptor)
{
	const json_t *platform = json_object_get(descriptor, "platform");
	const char *os = json_string_value(json_object_get(platform, "os"));
	const char *architecture = json_string_value(json_object_get(platform, "architecture"));

	return (!os || strcmp(os, "linux") == 0) &&
	       (!architecture || strcmp(architecture, layout_architecture()) == 0);
}

static bool is_wanted(const struct reader *r, const json_t *descriptor)
{
	const json_t *annotations = json_object_get(descriptor, "annotations");
	const char *tag = json_string_value(json_object_get(annotations, REF_NAME));
	const char *name = json_string_value(json_object_get(annotations, FULL_NAME));

	return !r->wanted || (tag && strcmp(tag, r->wanted) == 0) || (name && strcmp(name, r->wanted) == 0);
}

static int read_index(const struct reader *r, json_t *index, int depth)
{
	json_t *list = json_object_get(index, "manifests"), *descriptor, *chosen = NULL, *document;
	size_t i, count = 0;
	int rc;

	/* Tags are a matter of the topmost index; beneath it only the platform chooses. */
	json_array_foreach(list, i, descriptor)
	{
		if (!fits(descriptor) || (depth == 0 && !is_wanted(r, descriptor)))
			continue;
		chosen = chosen && depth > 0 ? chosen : descriptor;
		count++;
	}
	if (count == 0)
		return unsuitable(r, "it holds no image for this machine", r->wanted);
	if (count > 1 && depth == 0)
		return unsuitable(r, "it holds several images: say which one with its tag", NULL);
	document = read_blob_document(r, chosen);
	if (!document)
		return -EINVAL;
	if (json_object_get(document, "manifests"))
		rc = depth < INDEX_DEPTH ? read_index(r, document, depth + 1)
					 : unsuitable(r, "its index has no end", NULL);
	else
		rc = read_manifest(r, document);
	json_decref(document);
	return rc;
}

/*
 * --- docker save
 * -------------------------------------------------------------------------------------------------
 */

/* A layer of `docker save` has no digest of its own, but the configuration says what it is when unpacked. */
static int add_saved_layer(const struct reader *r, const char *name, const char *diff)
{
	uint8_t magic[4] = { 0 };
	int fd, rc = 0;

	if (!name)
		return unsuitable(r, "its manifest has what is no name of a layer", NULL);
	fd = open_blob(r, name);
	if (fd < 0)
		return fd;
	if (pread(fd, magic, sizeof(magic), 0) < 0)
		rc = err_set(r->err, -errno, "read a layer");
	/* Compressed ones, which other programs write, are checked by their own check sums. */
	if (rc == 0 && diff && image_digest_valid(diff) && !(magic[0] == 0x1f && magic[1] == 0x8b) &&
	    !(magic[0] == 0x28 && magic[1] == 0xb5))
		rc = check_blob(r, fd, diff);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return add_layer(r, fd);
}

static bool has_tag(const json_t *item, const char *wanted)
{
	const json_t *tags = json_object_get(item, "RepoTags"), *tag;
	size_t i;

	json_array_foreach(tags, i, tag)
	{
		if (json_is_string(tag) && strcmp(json_string_value(tag), wanted) == 0)
			return true;
	}
	return false;
}

static int read_saved_image(const struct reader *r, json_t *item)
{
	const char *config_name = json_string_value(json_object_get(item, "Config"));
	json_t *layers = json_object_get(item, "Layers"), *diffs, *config;
	int rc;

	if (!config_name || !json_is_array(layers) || json_array_size(layers) > LAYERS_MAX)
		return unsuitable(r, "its manifest names no configuration or no layers, or too many", NULL);
	config = read_document(r, config_name);
	if (!config)
		return -EINVAL;
	rc = read_config(r, config, json_array_size(layers));
	diffs = json_object_get(json_object_get(config, "rootfs"), "diff_ids");
	for (size_t i = 0; i < json_array_size(layers) && rc == 0; i++)
		rc = add_saved_layer(r, json_string_value(json_array_get(layers, i)),
				     json_string_value(json_array_get(diffs, i)));
	json_decref(config);
	return rc;
}

static int read_saved(const struct reader *r, json_t *list)
{
	json_t *item, *chosen = NULL;
	size_t i, count = 0;

	json_array_foreach(list, i, item)
	{
		if (r->wanted && !has_tag(item, r->wanted))
			continue;
		chosen = item;
		count++;
	}
	if (count != 1)
		return unsuitable(r,
				  count ? "it holds several images: say which one with its tag"
					: "it holds no such image",
				  r->wanted);
	return read_saved_image(r, chosen);
}

int layout_open(int dir_fd, const char *wanted, struct layout *ret, struct image *image, struct err *err)
{
	struct reader r = { .dir_fd = dir_fd, .wanted = wanted, .layout = ret, .image = image, .err = err };
	struct stat st;
	json_t *document;
	bool oci;
	int rc;

	*ret = (struct layout){ 0 };
	oci = fstatat(dir_fd, "index.json", &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!oci && fstatat(dir_fd, "manifest.json", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return unsuitable(&r, "it is neither an OCI image nor one of `docker save`", NULL);
	document = read_document(&r, oci ? "index.json" : "manifest.json");
	if (!document)
		return -EINVAL;
	rc = oci ? read_index(&r, document, 0) : read_saved(&r, document);
	json_decref(document);
	return rc;
}

void layout_finish(struct layout *layout)
{
	for (size_t i = 0; i < layout->layers_count; i++)
		close(layout->layers[i]);
	free(layout->layers);
	*layout = (struct layout){ 0 };
}
