#include "image/make_priv.h"

#include "base/cleanup.h"
#include "image/account.h"
#include "image/layout.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int tell(const struct make_watch *watch, uint64_t read)
{
	if (watch->program)
		program_listen(watch->program);
	if (watch->tick)
		return watch->tick(watch->user, read);
	return progress_tell(&watch->make->progress, watch->phase, read, watch->total);
}

int make_unpack(const struct make_watch *watch, const int *tar_fds, size_t count, int root_fd, bool whiteouts,
		bool furnish, struct err *err)
{
	const struct unpack_job job = {
		.tar_fds = tar_fds,
		.tars_count = count,
		.root_fd = root_fd,
		.options = { .bounds = { watch->make->bytes_max, MAKE_FILES_MAX }, .whiteouts = whiteouts },
		.furnish = furnish,
		.workdir = watch->workdir,
		.as_user = watch->make->owner,
	};
	struct layer_count seen = { 0 };
	struct unpack *unpack;
	int r = unpack_start(&job, &unpack, err);

	if (r < 0)
		return r;
	while (r == 0 && !unpack_wait(unpack, MAKE_TICK_MS, &seen)) {
		r = tell(watch, seen.read);
		if (r < 0)
			err_set(err, r, "given up");
	}
	if (r == 0)
		r = unpack_result(unpack, err);
	unpack_destroy(unpack);
	return r;
}

int make_unpack_program(const struct make_watch *watch, int root_fd, struct err *err)
{
	struct program *program = watch->program;
	struct err why = ERR_INIT;
	int r = make_unpack(watch, &program->stdout_fd, 1, root_fd, false, true, err), ended;

	if (r == -ECANCELED) {
		program_stop(program);
		return r;
	}
	/* When the tar is cut short, or no tar, it is the program's words that say why. */
	close(program->stdout_fd);
	program->stdout_fd = -1;
	ended = program_end(program, &why);
	if (ended < 0 && (r == 0 || program->failed[0]) && err)
		*err = why;
	return r < 0 ? r : ended;
}

int make_from_layout(const struct image_make *make, struct image_work *work, int layout_fd, const char *tag,
		     struct image *image, struct err *err)
{
	struct make_watch watch = { .make = make, .phase = "unpacking" };
	struct layout layout;
	int r;

	progress_tell(&make->progress, "checking", 0, 0);
	r = layout_open(layout_fd, tag, &layout, image, err);
	watch.total = layout.layers_bytes;
	watch.workdir = image->workdir;
	if (r == 0)
		r = make_unpack(&watch, layout.layers, layout.layers_count, image_work_root_fd(work), true,
				true, err);
	layout_finish(&layout);
	return r;
}

static int on_digest(void *user, uint64_t bytes)
{
	const struct image_make *make = user;

	return progress_tell(&make->progress, "computing the digest", bytes, 0);
}

int make_commit(const struct image_make *make, struct image_work *work, struct image *image, struct err *err)
{
	int r = account_resolve(image_work_root_fd(work), image, err);

	if (r == 0)
		r = image_work_commit(work, image, on_digest, (void *)make, err);
	if (r == 0)
		progress_tell(&make->progress, "stored", image->size_bytes, image->size_bytes);
	return r;
}
