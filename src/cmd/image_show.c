#include "cmd/image.h"

#include "base/cleanup.h"
#include "cmd/cmd.h"
#include "cmd/progress.h"
#include "cmd/show.h"
#include "cmd/table.h"
#include "cmd/units.h"

#include <errno.h>
#include <time.h>

#define COLUMNS	     5
#define DIGEST_SHOWN 19 /* "sha256:" and twelve digits */

struct row {
	char digest[IMAGE_DIGEST_LEN + 1], size[32], created[32];
};

char *image_show_time(int64_t created_s, char *text, size_t size)
{
	time_t when = (time_t)created_s;
	struct tm local;

	if (!localtime_r(&when, &local) || strftime(text, size, "%Y-%m-%d %H:%M", &local) == 0)
		snprintf(text, size, "-");
	return text;
}

static int print_table(const struct image *list, size_t count, struct err *err)
{
	static const char *const head[COLUMNS] = { "IMAGE", "DIGEST", "SIZE", "CREATED", "SOURCE" };
	AUTO_FREE const char **cells = calloc((count + 1) * COLUMNS, sizeof(*cells));
	AUTO_FREE struct row *rows = calloc(count + 1, sizeof(*rows));

	if (!cells || !rows)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(cells, head, sizeof(head));
	for (size_t i = 0; i < count; i++) {
		const char **cell = cells + (i + 1) * COLUMNS;

		snprintf(rows[i].digest, sizeof(rows[i].digest), "%.*s", DIGEST_SHOWN, list[i].digest);
		cell[0] = list[i].name;
		cell[1] = rows[i].digest;
		cell[2] = bytes_show(list[i].size_bytes, rows[i].size, sizeof(rows[i].size));
		cell[3] = image_show_time(list[i].created_s, rows[i].created, sizeof(rows[i].created));
		cell[4] = list[i].source;
		if (list[i].damage) {
			cell[1] = cell[2] = cell[3] = "-";
			cell[4] = list[i].damage;
		}
	}
	table_print(cells, count + 1, COLUMNS);
	return 0;
}

static int print_json(const struct image *list, size_t count, struct err *err)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *json = list[i].damage ? json_pack("{s:s, s:s}", "name", list[i].name, "damage",
							  list[i].damage)
					      : image_to_json(&list[i]);

		if (json_array_append_new(array, json) < 0) {
			json_decref(array);
			return err_set(err, -ENOMEM, "out of memory");
		}
	}
	return cmd_json_print(json_pack("{s:o}", "images", array), err);
}

int image_show_list(struct image_store *store, const struct image_options *options, struct err *err)
{
	struct image *list;
	size_t count;
	int r = image_store_list(store, &list, &count, err);

	if (r < 0)
		return r;
	r = options->json ? print_json(list, count, err) : print_table(list, count, err);
	image_list_free(list, count);
	return r;
}

static int on_verify(void *user, uint64_t bytes)
{
	const struct image_progress *progress = user;

	return progress_tell(progress, "verifying", bytes, 0);
}

static int verify(struct image_store *store, const struct image *image, struct err *err)
{
	struct progress progress;
	struct image_progress handle;
	int r;

	progress_init(&progress);
	handle = progress_handle(&progress);
	r = image_store_verify(store, image, on_verify, &handle, err);
	progress_finish(&progress);
	return r;
}

static void print_text(const char *key, const char *text)
{
	printf("%-12s", key);
	show_text(stdout, text);
	printf("\n");
}

static void print_texts(const char *key, char *const *texts)
{
	for (; texts && *texts; texts++) {
		print_text(key, *texts);
		key = "";
	}
}

static void print_image(const struct image *image, bool verified)
{
	char text[64];

	print_text("name", image->name ? image->name : "-");
	printf("%-12s%s%s\n", "digest", image->digest, verified ? " (verified)" : "");
	print_text("source", image->source ? image->source : "-");
	printf("%-12s%s\n", "created", image_show_time(image->created_s, text, sizeof(text)));
	printf("%-12s%s\n", "size", bytes_show(image->size_bytes, text, sizeof(text)));
	printf("%-12s%llu\n", "files", (unsigned long long)image->files);
	if (image->user)
		print_text("user", image->user);
	if (image->account.uid) {
		printf("%-12s%u:%u (", "runs as", image->account.uid, image->account.gid);
		show_text(stdout, image->account.name);
		printf("), at home in ");
		show_text(stdout, image->account.home);
		printf("\n");
	}
	if (image->workdir)
		print_text("workdir", image->workdir);
	print_texts("env", image->env);
	print_texts("entrypoint", image->entrypoint);
	print_texts("command", image->command);
	print_texts("labels", image->labels);
}

int image_show_one(struct image_store *store, const char *name, const struct image_options *options,
		   struct err *err)
{
	AUTO_IMAGE struct image image = { 0 };
	int r = image_store_find(store, name, &image, err);

	if (r == 0 && options->verify)
		r = verify(store, &image, err);
	if (r < 0)
		return r;
	if (options->json)
		return cmd_json_print(image_to_json(&image), err);
	print_image(&image, options->verify);
	return 0;
}
