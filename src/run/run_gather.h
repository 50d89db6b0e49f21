/*
 * What a collection of an engine brings, put together and held within bounds: an engine passes on what the
 * inside of a sandbox says, so nothing of it is trusted. Private to run/; embedded by value.
 *
 * Text, for COLLECT_TEXT, is what has no NUL byte in its first 8 KiB (the rule of git and grep): source code in
 * an old encoding is text too. Other files are then omitted with reason "binary".
 */
#ifndef KILN_RUN_RUN_GATHER_H
#define KILN_RUN_RUN_GATHER_H

#include "base/buf.h"
#include "engine/engine.h"
#include "run/request.h"
#include "run/result.h"

/* Bounds on the files of an answer. */
#define RUN_COLLECT_FILE_BYTES	(1024 * 1024)
#define RUN_COLLECT_TOTAL_BYTES (16 * 1024 * 1024)
#define RUN_COLLECT_FILES	1000
/* Deleted and omitted files cost less than contents, but are not for nothing; these come on top. */
#define RUN_COLLECT_NAMES 3000
#define RUN_KEEP_FILES	  10000

struct run_gather {
	bool keep, text_only, odd_names;
	uint64_t file_bytes, total_bytes, total; /* bytes; `total` so far */
	size_t max_files, contents;		 /* files with content, at most and so far */
	struct result_file *files;
	size_t files_count, files_room;
	bool open, over;	 /* a file is being received; a keep that broke its bounds */
	uint64_t announced;	 /* bytes of it */
	size_t names, last_name; /* files without content: how many, and which is the last */
	uint64_t unnamed;	 /* of those, beyond RUN_COLLECT_NAMES */
	struct buf data;
};

/* `disk_bytes` bounds what a keep may hold. */
void run_gather_init(struct run_gather *gather, bool keep, bool text_only, uint64_t disk_bytes);

/* All three: 0, -ENOMEM, or for a keep -EFBIG when it does not hold everything. */
[[nodiscard]] int run_gather_file(struct run_gather *gather, const struct engine_collected *file);
[[nodiscard]] int run_gather_data(struct run_gather *gather, const uint8_t *data, size_t len);
[[nodiscard]] int run_gather_end(struct run_gather *gather);

/* Hands out the files of a keep, to be uploaded again. -ENOMEM. */
[[nodiscard]] int run_gather_take_kept(struct run_gather *gather, struct run_file **ret, size_t *ret_count);

void run_gather_finish(struct run_gather *gather);

#endif
