#include "run/run_gather.h"

#include "base/utf8.h"
#include "wire/init_proto.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LOOK_BYTES 8192

static const char reason_binary[] = "binary";
static const char reason_utf8[] = "name is not UTF-8";

void run_gather_init(struct run_gather *gather, bool keep, bool text_only, uint64_t disk_bytes)
{
	*gather = (struct run_gather){
		.keep = keep,
		.text_only = text_only,
		.file_bytes = keep ? disk_bytes : RUN_COLLECT_FILE_BYTES,
		.total_bytes = keep ? disk_bytes : RUN_COLLECT_TOTAL_BYTES,
		.max_files = keep ? RUN_KEEP_FILES : RUN_COLLECT_FILES,
	};
	gather->data = BUF_INIT(gather->file_bytes);
}

/* A copy in which bytes that are not UTF-8 stand as \xNN; *ret_clean says whether there were none. */
static char *name_escape(const char *name, bool *ret_clean)
{
	struct buf text = BUF_INIT(4 * strlen(name));
	const uint8_t *p = (const uint8_t *)name;
	size_t left = strlen(name);
	bool clean = true;
	int r = 0;

	while (left > 0 && r == 0) {
		int len = utf8_decode(p, left, &(uint32_t){ 0 });

		if (len > 0) {
			r = buf_append(&text, p, (size_t)len);
		} else {
			r = buf_printf(&text, "\\x%02x", *p);
			len = 1;
			clean = false;
		}
		p += len;
		left -= (size_t)len;
	}
	if (r < 0) {
		buf_finish(&text);
		return NULL;
	}
	*ret_clean = clean;
	return (char *)buf_take(&text, &(size_t){ 0 });
}

static int files_push(struct run_gather *gather, const struct result_file *file)
{
	if (gather->files_count == gather->files_room) {
		size_t room = gather->files_room ? 2 * gather->files_room : 16;
		struct result_file *grown = reallocarray(gather->files, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		gather->files = grown;
		gather->files_room = room;
	}
	gather->files[gather->files_count++] = *file;
	return 0;
}

/* The last file, whose content cannot be told after all. */
static void file_omit(struct run_gather *gather, struct result_file *file, const char *reason)
{
	gather->contents--;
	gather->open = false;
	if (gather->names == RUN_COLLECT_NAMES) {
		gather->unnamed++;
		free(file->name);
		gather->files_count--;
		return;
	}
	file->change = FILE_OMITTED;
	file->reason = reason;
	gather->last_name = gather->files_count - 1;
	gather->names++;
}

/* Ends the file that is being received, if there is one. */
static int file_close(struct run_gather *gather)
{
	struct result_file *file;
	size_t look;

	if (!gather->open)
		return 0;
	gather->open = false;
	file = &gather->files[gather->files_count - 1];
	if (gather->data.len < gather->announced)
		file->truncated = true;
	if (gather->keep && file->truncated) {
		gather->over = true;
		return -EFBIG;
	}
	look = gather->data.len < TEXT_LOOK_BYTES ? gather->data.len : TEXT_LOOK_BYTES;
	if (gather->text_only && look > 0 && memchr(gather->data.data, 0, look)) {
		file_omit(gather, file, reason_binary);
		buf_consume(&gather->data, gather->data.len);
		return 0;
	}
	if (gather->data.len > 0) {
		file->data = buf_take(&gather->data, &file->len);
		if (!file->data)
			return -ENOMEM;
	}
	gather->total += file->len;
	return 0;
}

static enum file_change change_of(enum engine_file_change change)
{
	static const enum file_change changes[] = {
		[ENGINE_FILE_CREATED] = FILE_CREATED,
		[ENGINE_FILE_CHANGED] = FILE_CHANGED,
		[ENGINE_FILE_DELETED] = FILE_DELETED,
		[ENGINE_FILE_OMITTED] = FILE_OMITTED,
	};

	return changes[change];
}

/* What kind of entry an announced file becomes, before its content is known. */
static void file_judge(struct run_gather *gather, struct result_file *file,
		       const struct engine_collected *from, bool clean_name)
{
	bool content = file->change == FILE_CREATED || file->change == FILE_CHANGED;

	if (file->change == FILE_OMITTED)
		file->reason = wire_omit_reason(from->omit_reason);
	else if (!clean_name && !gather->odd_names)
		file->reason = reason_utf8;
	else if (content && gather->contents >= gather->max_files)
		file->reason = wire_omit_reason(WIRE_OMIT_TOO_MANY);
	else if (content && gather->total >= gather->total_bytes && from->size > 0)
		file->reason = wire_omit_reason(WIRE_OMIT_TOO_LARGE);
	if (file->reason)
		file->change = FILE_OMITTED;
	gather->open = content && !file->reason;
	gather->contents += gather->open;
}

static int keep_file(struct run_gather *gather, const struct engine_collected *from)
{
	struct result_file file = { .change = FILE_CREATED, .mode = from->mode & 0777 };

	if (from->change == ENGINE_FILE_DELETED || from->change == ENGINE_FILE_OMITTED)
		return 0;
	if (gather->contents >= gather->max_files || from->truncated) {
		gather->over = true;
		return -EFBIG;
	}
	file.name = strdup(from->name);
	if (!file.name || files_push(gather, &file) < 0) {
		free(file.name);
		return -ENOMEM;
	}
	gather->contents++;
	gather->open = true;
	return 0;
}

static int changed_file(struct run_gather *gather, const struct engine_collected *from)
{
	struct result_file file = { .change = change_of(from->change) };
	bool clean = true;

	file.name = name_escape(from->name, &clean);
	if (!file.name)
		return -ENOMEM;
	if (file.change != FILE_DELETED)
		file.mode = from->mode & 0777;
	file_judge(gather, &file, from, clean);
	file.truncated = gather->open && from->truncated;
	if (!gather->open && gather->names == RUN_COLLECT_NAMES) {
		gather->unnamed++;
		free(file.name);
		return 0;
	}
	if (files_push(gather, &file) < 0) {
		gather->open = false;
		free(file.name);
		return -ENOMEM;
	}
	if (!gather->open) {
		gather->last_name = gather->files_count - 1;
		gather->names++;
	}
	return 0;
}

int run_gather_file(struct run_gather *gather, const struct engine_collected *from)
{
	int r = file_close(gather);

	if (r < 0)
		return r;
	if (gather->over)
		return -EFBIG;
	buf_consume(&gather->data, gather->data.len);
	gather->announced = from->size;
	return gather->keep ? keep_file(gather, from) : changed_file(gather, from);
}

int run_gather_data(struct run_gather *gather, const uint8_t *data, size_t len)
{
	struct result_file *file;
	size_t room;

	if (!gather->open)
		return gather->over ? -EFBIG : 0;
	file = &gather->files[gather->files_count - 1];
	room = gather->file_bytes - gather->data.len;
	if (len > room) {
		file->truncated = true;
		len = room;
	}
	if (gather->total + gather->data.len + len > gather->total_bytes) {
		gather->over = gather->keep;
		if (gather->keep)
			return -EFBIG;
		file_omit(gather, file, wire_omit_reason(WIRE_OMIT_TOO_LARGE));
		return 0;
	}
	return len > 0 ? buf_append(&gather->data, data, len) : 0;
}

/*
 * Says in the last name without content how many more there were. Its sentence has to go when the entry goes, so it
 * lies behind the name in one piece of memory with it.
 */
static int tell_unnamed(struct run_gather *gather)
{
	struct result_file *last = &gather->files[gather->last_name];
	size_t name_size = strlen(last->name) + 1, size = name_size + 64;
	char *text = realloc(last->name, size);

	if (!text)
		return -ENOMEM;
	snprintf(text + name_size, size - name_size, "too many files, and %" PRIu64 " more after this one",
		 gather->unnamed);
	last->name = text;
	last->reason = text + name_size;
	last->change = FILE_OMITTED;
	return 0;
}

int run_gather_end(struct run_gather *gather)
{
	int r = file_close(gather);

	if (r == 0 && gather->unnamed > 0)
		r = tell_unnamed(gather);
	return r == 0 && gather->over ? -EFBIG : r;
}

int run_gather_take_kept(struct run_gather *gather, struct run_file **ret, size_t *ret_count)
{
	struct run_file *files = calloc(gather->files_count + 1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	for (size_t i = 0; i < gather->files_count; i++) {
		struct result_file *from = &gather->files[i];

		files[i] = (struct run_file){
			.name = from->name, .data = from->data, .len = from->len, .mode = from->mode
		};
	}
	*ret = files;
	*ret_count = gather->files_count;
	free(gather->files);
	gather->files = NULL;
	gather->files_count = gather->files_room = 0;
	return 0;
}

void run_gather_finish(struct run_gather *gather)
{
	for (size_t i = 0; i < gather->files_count; i++) {
		free(gather->files[i].name);
		free(gather->files[i].data);
	}
	free(gather->files);
	buf_finish(&gather->data);
	*gather = (struct run_gather){ 0 };
}
