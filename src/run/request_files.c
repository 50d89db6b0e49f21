#include "run/request_priv.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MODE_DEFAULT 0644

void run_file_finish(struct run_file *file)
{
	free(file->name);
	free(file->data);
	*file = (struct run_file){ 0 };
}

static const char *component_fault(const char *name, size_t len)
{
	if (len == 0)
		return "has an empty component";
	if (len > FILE_COMPONENT_MAX)
		return "has a component of more than 255 bytes";
	if (len == 1 && name[0] == '.')
		return "has a component \".\"";
	if (len == 2 && name[0] == '.' && name[1] == '.')
		return "has a component \"..\"";
	return NULL;
}

const char *file_name_fault(const char *name, size_t len)
{
	size_t start = 0;

	if (len == 0)
		return "is empty";
	if (len > FILE_NAME_MAX)
		return "has more than 4096 bytes";
	if (name[0] == '/')
		return "is absolute";
	if (name[len - 1] == '/')
		return "ends with a slash";
	if (memchr(name, '\0', len))
		return "has a NUL byte";
	if (!utf8_valid(name, len))
		return "is not UTF-8";
	for (size_t i = 0; i <= len; i++) {
		const char *fault;

		if (i < len && name[i] != '/')
			continue;
		fault = component_fault(name + start, i - start);
		if (fault)
			return fault;
		start = i + 1;
	}
	return NULL;
}

/* The file of this name, or NULL; *ret_implied: it is a folder that other names imply. */
static struct run_file *find_file(const struct run_request *req, const char *name, bool *ret_implied)
{
	const json_t *known = json_object_get(req->names, name);

	*ret_implied = json_is_null(known);
	return json_is_integer(known) ? &req->files[json_integer_value(known)] : NULL;
}

static int refuse_conflict(struct err *err, const struct path *path, const char *name)
{
	return request_refuse(err, path, ERR_MALFORMED, "conflict",
			      "the name '%s' is both a file and a folder",
			      excerpt_of(name, strlen(name)).text);
}

/*
 * Enters the folders that a name implies. Goes upwards and stops at the first that is known, for then all above it are:
 * a name of two thousand components costs that once, not for each of its files.
 */
static int enter_folders(struct run_request *req, const char *name, const struct request_bounds *bounds,
			 const struct path *path, struct err *err)
{
	char folder[FILE_NAME_MAX + 1];
	size_t len = strlen(name);

	memcpy(folder, name, len + 1);
	for (size_t i = len; i-- > 0;) {
		const struct run_file *file;
		bool implied;

		if (folder[i] != '/')
			continue;
		folder[i] = '\0';
		file = find_file(req, folder, &implied);
		if (file && !file->is_dir)
			return refuse_conflict(err, path, folder);
		if (file || implied)
			return 0;
		if (req->folders_count >= bounds->files)
			return request_refuse(err, path, ERR_TOO_LARGE, "too_many",
					      "the names make more than %zu folders", bounds->files);
		if (json_object_set_new(req->names, folder, json_null()) < 0)
			return err_set(err, -ENOMEM, "reading the request");
		req->folders_count++;
	}
	return 0;
}

static int check_bounds(const struct run_request *req, const struct run_file *file, size_t replaced_bytes,
			const struct request_bounds *bounds, const struct path *path, struct err *err)
{
	size_t used = req->files_bytes - replaced_bytes;

	if (used > bounds->files_bytes || file->len > bounds->files_bytes - used)
		return request_refuse(err, path, ERR_TOO_LARGE, "too_large",
				      "the files have more than %zu bytes together", bounds->files_bytes);
	return 0;
}

/* `old` has the same name: decides which of the two it is to be. */
static int put_again(struct run_request *req, struct run_file *old, struct run_file *file,
		     const struct request_bounds *bounds, const struct path *path, struct err *err)
{
	int r;

	if (old->is_dir != file->is_dir)
		return refuse_conflict(err, path, file->name);
	if (old->is_dir) {
		old->mode = file->mode;
		run_file_finish(file);
		return 0;
	}
	if (file->from_archive && !old->from_archive) {
		run_file_finish(file);
		return 0;
	}
	if (file->from_archive == old->from_archive)
		return request_refuse(err, path, ERR_MALFORMED, "conflict",
				      "the name '%s' stands there twice",
				      excerpt_of(file->name, strlen(file->name)).text);
	r = check_bounds(req, file, old->len, bounds, path, err);
	if (r < 0)
		return r;
	req->files_bytes += file->len - old->len;
	run_file_finish(old);
	*old = *file;
	*file = (struct run_file){ 0 };
	return 0;
}

static int append_file(struct run_request *req, struct run_file *file, struct err *err)
{
	size_t n = req->files_count;

	/* Full at each power of two, which spares a field for the capacity. */
	if ((n & (n - 1)) == 0) {
		struct run_file *grown = reallocarray(req->files, n ? 2 * n : 1, sizeof(*grown));

		if (!grown)
			return err_set(err, -ENOMEM, "reading the request");
		req->files = grown;
	}
	if (json_object_set_new(req->names, file->name, json_integer((json_int_t)n)) < 0)
		return err_set(err, -ENOMEM, "reading the request");
	req->files[n] = *file;
	req->files_count++;
	req->files_bytes += file->len;
	*file = (struct run_file){ 0 };
	return 0;
}

int request_put_file(struct run_request *req, struct run_file *file, const struct request_bounds *bounds,
		     const struct path *path, struct err *err)
{
	const char *fault = file_name_fault(file->name, strlen(file->name));
	struct run_file *old;
	bool implied;
	int r;

	if (fault)
		return request_refuse(err, path, ERR_MALFORMED, "bad_name", "the name '%s' %s",
				      excerpt_of(file->name, strlen(file->name)).text, fault);
	if (!req->names)
		req->names = json_object();
	if (!req->names)
		return err_set(err, -ENOMEM, "reading the request");

	old = find_file(req, file->name, &implied);
	if (old)
		return put_again(req, old, file, bounds, path, err);
	if (implied && !file->is_dir)
		return refuse_conflict(err, path, file->name);
	if (req->files_count >= bounds->files)
		return request_refuse(err, path, ERR_TOO_LARGE, "too_many", "there are more than %zu files",
				      bounds->files);
	r = check_bounds(req, file, 0, bounds, path, err);
	if (r == 0)
		r = enter_folders(req, file->name, bounds, path, err);
	if (r == 0)
		r = append_file(req, file, err);
	return r;
}

int request_add_file(struct run_request *req, const char *name, const void *data, size_t len, uint32_t mode,
		     const struct request_bounds *bounds, struct err *err)
{
	struct path files = { .key = "files" };
	struct path path = { .up = &files, .key = name };
	struct run_file file = { .len = len, .mode = mode & 0777 };
	int r;

	if (len > bounds->files_bytes)
		return check_bounds(req, &file, 0, bounds, &path, err);
	file.name = strdup(name);
	file.data = len ? malloc(len) : NULL;
	if (!file.name || (len && !file.data)) {
		run_file_finish(&file);
		return err_set(err, -ENOMEM, "file '%s'", name);
	}
	if (len)
		memcpy(file.data, data, len);
	r = request_put_file(req, &file, bounds, &path, err);
	run_file_finish(&file);
	return r;
}

int request_add_there(struct run_request *req, const char *name, struct err *err)
{
	struct path path = { .key = "files" };
	struct run_file file = { .from_archive = true, .there = true };
	int r;

	file.name = strdup(name);
	if (!file.name)
		return err_set(err, -ENOMEM, "file '%s'", name);
	r = request_put_file(req, &file, &request_bounds_default, &path, NULL);
	run_file_finish(&file);
	return r == -ENOMEM ? err_set(err, r, "file '%s'", name) : 0;
}

static int read_file(struct reader *r, const json_t *v, const struct path *p, struct run_file *file)
{
	struct run_bytes bytes = { 0 };
	int ret = read_content(r, v, p, &bytes, &file->mode);

	file->data = bytes.data;
	file->len = bytes.len;
	if (ret < 0)
		return ret;
	file->name = strdup(p->key);
	if (!file->name)
		return err_set(r->err, -ENOMEM, "reading the request");
	return request_put_file(r->req, file, r->bounds, p, r->err);
}

int read_files(struct reader *r, const json_t *v, const struct path *p, void *run_request)
{
	const char *key;
	json_t *value;

	if (!json_is_object(v))
		return request_refuse_type(r->err, p, v, "an object");
	json_object_foreach((json_t *)v, key, value)
	{
		struct path here = { .up = p, .key = key };
		struct run_file file = { .mode = MODE_DEFAULT };
		int ret = read_file(r, value, &here, &file);

		run_file_finish(&file);
		if (ret < 0)
			return ret;
	}
	return 0;
}
