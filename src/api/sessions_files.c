/*
 * Files of a session, or of one user: as JSON, or as a .tar.gz. They are read from the copy, which is brought up to
 * date before where the session still lives.
 */
#include "api/sessions_priv.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/utf8.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct reading {
	struct session_text text;
	size_t prefix; /* bytes of the path that are left out */
	json_t *files, *links;
	struct archive *archive;
	struct buf packed;
};

int session_text_count(struct session_text *text, const struct store_file *file)
{
	text->bytes += file->len;
	return text->bytes > SESSION_ANSWER_BYTES_MAX ? -EFBIG : 0;
}

int session_text_end(struct session_text *text)
{
	text->text = json_dumps(text->json, JSON_COMPACT);
	json_decref(text->json);
	text->json = NULL;
	if (!text->text)
		return -ENOMEM;
	text->len = strlen(text->text);
	return 0;
}

static void refuse(struct session_answer *answer, const struct err *why)
{
	struct err err = *why;

	if (err.code == -EFBIG)
		err_refuse(&err, ERR_TOO_LARGE, "too_large", NULL,
			   "the files have more than %llu bytes together: ask for one user's",
			   (unsigned long long)SESSION_ANSWER_BYTES_MAX);
	session_refuse(answer->api, answer->request, &err);
}

void session_text_done(struct session_text *text, const char *type, const struct err *err)
{
	struct session_answer *answer = text->answer;

	if (answer && err)
		refuse(answer, err);
	else if (answer)
		http_respond_bytes(answer->request, answer->status, type, text->text, text->len);
	if (answer)
		session_answer_destroy(answer);
	json_decref(text->json);
	free(text->text);
	*text = (struct session_text){ 0 };
}

json_t *session_file_json(const struct store_file *file)
{
	const char *data = file->data ?: "";
	bool text = file->len == 0 || utf8_valid(file->data, file->len);
	AUTO_FREE char *base64 = NULL;
	size_t len = file->len;
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", file->mode & 07777);
	if (!text) {
		base64 = base64_encode(file->data, file->len, &len);
		if (!base64)
			return NULL;
	}
	return json_pack("{s:o, s:s, s:s}", "content", json_stringn(base64 ?: data, len), "encoding",
			 text ? "utf-8" : "base64", "mode", mode);
}

static int read_json(void *user, const struct store_file *file)
{
	struct reading *reading = user;
	const char *name = strlen(file->path) >= reading->prefix ? file->path + reading->prefix : "";
	bool text = file->len == 0 || utf8_valid(file->data, file->len);
	json_t *json;
	int r = session_text_count(&reading->text, file);

	if (r < 0 || file->kind == STORE_FOLDER || !*name)
		return r;
	if (file->kind == STORE_LINK) {
		json = text ? json_stringn(file->data ?: "", file->len) : json_null();
		return json_object_set_new(reading->links, name, json) < 0 ? -ENOMEM : 0;
	}
	return json_object_set_new(reading->files, name, session_file_json(file)) < 0 ? -ENOMEM : 0;
}

static int read_archive(void *user, const struct store_file *file)
{
	static const mode_t types[] = {
		[STORE_FILE] = AE_IFREG, [STORE_FOLDER] = AE_IFDIR, [STORE_LINK] = AE_IFLNK
	};
	struct reading *reading = user;
	struct archive_entry *entry;
	int r = session_text_count(&reading->text, file);

	if (r < 0 || strlen(file->path) < reading->prefix)
		return r; /* the home itself */
	entry = archive_entry_new();
	if (!entry)
		return -ENOMEM;
	archive_entry_set_pathname_utf8(entry, file->path + reading->prefix);
	archive_entry_set_filetype(entry, types[file->kind]);
	archive_entry_set_perm(entry, file->mode & 07777);
	archive_entry_set_mtime(entry, (time_t)(file->mtime_ns / 1000000000),
				(long)(file->mtime_ns % 1000000000));
	if (file->kind == STORE_FILE)
		archive_entry_set_size(entry, (int64_t)file->len);
	if (file->kind == STORE_LINK) {
		AUTO_FREE char *target = strndup(file->data ?: "", file->len);

		archive_entry_set_symlink_utf8(entry, target ?: "");
	}
	r = archive_write_header(reading->archive, entry) < ARCHIVE_WARN ? -EIO : 0;
	archive_entry_free(entry);
	if (r == 0 && file->kind == STORE_FILE && file->len > 0 &&
	    archive_write_data(reading->archive, file->data, file->len) != (la_ssize_t)file->len)
		r = -EIO;
	return r;
}

static la_ssize_t archive_out(struct archive *archive, void *user, const void *data, size_t len)
{
	return buf_append(user, data, len) < 0 ? -1 : (la_ssize_t)len;
}

static int archive_begin(struct reading *reading)
{
	struct archive *archive = archive_write_new();

	reading->archive = archive;
	if (!archive)
		return -ENOMEM;
	return archive_write_set_format_pax_restricted(archive) == ARCHIVE_OK &&
			       archive_write_add_filter_gzip(archive) == ARCHIVE_OK &&
			       archive_write_open(archive, &reading->packed, NULL, archive_out, NULL) ==
				       ARCHIVE_OK
		       ? 0
		       : -EIO;
}

static int json_begin(struct reading *reading)
{
	reading->text.json = json_pack("{s:{}, s:{}}", "files", "links");
	reading->files = json_object_get(reading->text.json, "files");
	reading->links = json_object_get(reading->text.json, "links");
	return reading->text.json ? 0 : -ENOMEM;
}

static int archive_end(void *user)
{
	struct reading *reading = user;

	if (archive_write_close(reading->archive) != ARCHIVE_OK)
		return -EIO;
	reading->text.text = (char *)buf_take(&reading->packed, &reading->text.len);
	return 0;
}

static int json_end(void *user)
{
	return session_text_end(&((struct reading *)user)->text);
}

static void reading_free(struct reading *reading)
{
	if (reading->archive)
		archive_write_free(reading->archive);
	buf_finish(&reading->packed);
	json_decref(reading->text.json);
	free(reading);
}

static void on_read(void *user, const struct err *err)
{
	struct reading *reading = user;

	session_text_done(&reading->text, reading->archive ? "application/gzip" : "application/json", err);
	reading_free(reading);
}

/* The copy is up to date: the worker reads it. */
static void answer_files(struct session_answer *answer, struct session *session)
{
	const char *below = answer->name[0] ? answer->name : NULL;
	struct reading *reading = calloc(1, sizeof(*reading));
	const struct session_reading asked = { .each = answer->as_archive ? read_archive : read_json,
					       .end = answer->as_archive ? archive_end : json_end,
					       .done = on_read,
					       .user = reading };
	struct err err = ERR_INIT;
	int r = reading ? 0 : -ENOMEM;

	if (r == 0) {
		reading->prefix = below ? strlen(below) + 1 : 0;
		reading->packed = BUF_INIT(2 * SESSION_ANSWER_BYTES_MAX);
		r = answer->as_archive ? archive_begin(reading) : json_begin(reading);
	}
	if (r < 0)
		err_set(&err, r, "files of a session");
	if (r == 0)
		r = session_files_read(session, below, &asked, &err);
	if (r == 0) {
		reading->text.answer = answer;
		answer->reader = &reading->text.answer;
		return;
	}
	if (reading)
		reading_free(reading);
	refuse(answer, &err);
}

static int check_user(const struct session_ask *ask, const char *name, struct err *err)
{
	/* "shared" is nobody's and everybody's. */
	if (!*name || strcmp(name, "shared") == 0 || session_user_find(ask->session, name))
		return 0;
	return err_refuse(err, ERR_UNKNOWN, "user_unknown", "name", "there is no user '%s' in this session",
			  name);
}

void session_handle_files(struct session_ask *ask)
{
	const char *format = http_request_query(ask->request, "format"), *name = ask->path.parts[2];
	struct session_answer *answer = NULL;
	struct session_call call;
	struct err err = ERR_INIT;
	int r = check_user(ask, name, &err);

	if (r == 0 && format && strcmp(format, "json") != 0 && strcmp(format, "tgz") != 0)
		r = err_refuse(&err, ERR_MALFORMED, "bad_value", "format", "format: must be json or tgz");
	if (r == 0) {
		answer = session_answer_begin(ask, 200, &call);
		if (answer) {
			answer->answer = answer_files;
			answer->as_archive = format && strcmp(format, "tgz") == 0;
			snprintf(answer->name, sizeof(answer->name), "%s", name);
			r = session_sync(ask->session, &call, &err);
		}
	}
	if (r < 0 && answer)
		session_answer_refuse(answer, &err);
	else if (r < 0)
		session_refuse(ask->api, ask->request, &err);
}
