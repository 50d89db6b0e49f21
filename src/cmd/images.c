#include "api/api.h"
#include "base/cleanup.h"
#include "cmd/cmd.h"
#include "cmd/node_start.h"
#include "cmd/table.h"
#include "config/config.h"

#include <errno.h>

#define COLUMNS 2

enum option_id {
	OPTION_JSON,
};

static const struct arg_option images_options[] = {
	{ OPTION_JSON, 0, "json", NULL, "print them as JSON, in the shape of GET /v1/images" },
};

static int images_option(void *user, int id, const char *value, struct err *err)
{
	*(bool *)user = true;
	return 0;
}

/* From the document, so that both say the same. */
static int images_table(json_t *document, struct err *err)
{
	static const char *const head[COLUMNS] = { "IMAGE", "DIGEST" };
	json_t *list = json_object_get(document, "images"), *image;
	size_t rows = json_array_size(list) + 1, i;
	AUTO_FREE const char **cells = calloc(rows * COLUMNS, sizeof(*cells));

	if (!document || !cells) {
		json_decref(document);
		return err_set(err, -ENOMEM, "out of memory");
	}
	memcpy(cells, head, sizeof(head));
	json_array_foreach(list, i, image)
	{
		cells[(i + 1) * COLUMNS] = json_string_value(json_object_get(image, "name"));
		cells[(i + 1) * COLUMNS + 1] = json_string_value(json_object_get(image, "digest"));
	}
	table_print(cells, rows, COLUMNS);
	json_decref(document);
	return 0;
}

static int images_list(const struct config *config, bool json, struct err *err)
{
	struct node node = { 0 };
	uv_loop_t loop;
	int r = uv_loop_init(&loop);

	if (r < 0)
		return err_set(err, r, "event loop");
	r = node_start(&loop, config, &node, err);
	if (r >= 0) {
		json_t *document = node.is_docker ? json_pack("{s:o}", "images", node_docker_images(&node))
						  : api_images_json(node.engine, node.languages, node.images);

		if (node.is_mixed && document)
			json_array_extend(json_object_get(document, "images"), node_docker_images(&node));

		r = json ? cmd_json_print(document, err) : images_table(document, err);
	}
	node_close(&node, &loop);
	uv_loop_close(&loop);
	return r;
}

static int images_main(const struct command *command, int argc, char *const *argv)
{
	struct config config = { 0 };
	struct err err = ERR_INIT;
	AUTO_ARGS struct args args;
	bool json = false;
	int status, r;

	if (cmd_begin(command, argc, argv, images_option, &json, &args, &status))
		return status;
	r = config_load(args.config, args.flags, &config, &err);
	if (r >= 0)
		r = images_list(&config, json, &err);
	config_finish(&config);
	return r < 0 ? cmd_fail(CMD_USAGE, &err) : CMD_OK;
}

const struct command command_images = {
	.name = "images",
	.summary = "list the images that programs can run in",
	.synopsis = "[--json]",
	.options = images_options,
	.options_count = ARRAY_LEN(images_options),
	.settings = true,
	.exit_usage = CMD_USAGE,
	.main = images_main,
};
