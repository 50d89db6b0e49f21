#include "cmd/image.h"

#include "base/cleanup.h"
#include "base/plural.h"
#include "cmd/cmd.h"
#include "cmd/progress.h"
#include "cmd/units.h"
#include "image/make.h"
#include "lib/node.h"

#include <errno.h>

enum option_id {
	OPTION_NAME,
	OPTION_TAG,
	OPTION_JSON,
	OPTION_VERIFY,
};

static const struct arg_option image_options[] = {
	{ OPTION_NAME, 'n', "name", "NAME",
	  "pull, import: the image's name here; default for pull: the reference" },
	{ OPTION_TAG, 0, "tag", "TAG", "import: which one, when the archive holds several images" },
	{ OPTION_JSON, 0, "json", NULL, "list, inspect: print JSON" },
	{ OPTION_VERIFY, 0, "verify", NULL, "inspect: read all of the image and compare with its digest" },
};

static const char image_text[] =
	"What can be done:\n"
	"  build NAME…      from a recipe: NAME.yaml of the folder images_dir, or the path of a recipe\n"
	"  pull REFERENCE   from a registry, such as docker.io/library/alpine:3.20; a pull that was cut off "
	"goes on\n"
	"  import PATH      from an OCI archive, a `docker save`, the tar of a root file system, or a "
	"folder\n"
	"  list             the images that are stored here\n"
	"  inspect NAME…    what is known of an image\n"
	"  rm NAME…         remove images; one that a sandbox uses stays\n"
	"  gc               remove what has no name, and what is left of pulls that nobody goes on with\n"
	"\n"
	"Whatever an archive holds, nothing of it reaches beyond the image: no device, no setuid bit, no "
	"owner is taken\n"
	"over, and no name or link leads out of it. Every file becomes readable to every program in the "
	"image.\n"
	"\n"
	"Exit status: 0, 1 when something could not be done, 2 for bad usage or settings, 128 and its number "
	"when a "
	"signal\n"
	"gave it up.\n";

struct verb_context {
	struct image_store *store;
	const struct config *config;
	const struct image_options *options;
	struct image_make *make;
};

static int say_made(const struct image *image)
{
	char size[32];

	printf("%s %s (%s, %llu files)\n", image->name, image->digest,
	       bytes_show(image->size_bytes, size, sizeof(size)), (unsigned long long)image->files);
	return fflush(stdout) == 0 ? 0 : -EIO;
}

static int verb_build(const struct verb_context *c, const char *word, struct err *err)
{
	AUTO_IMAGE struct image image = { 0 };
	int r = image_make_build(c->make, word, &image, err);

	progress_finish(c->make->progress.user);
	return r < 0 ? r : say_made(&image);
}

static int verb_pull(const struct verb_context *c, const char *word, struct err *err)
{
	AUTO_IMAGE struct image image = { 0 };
	int r = image_make_pull(c->make, word, c->options->name, &image, err);

	progress_finish(c->make->progress.user);
	return r < 0 ? r : say_made(&image);
}

/* "/a/tools.tar.gz" is called "tools" unless told otherwise. */
static char *name_of_path(const char *path)
{
	size_t len = strlen(path);
	const char *begin;

	while (len > 1 && path[len - 1] == '/')
		len--;
	begin = memrchr(path, '/', len);
	begin = begin ? begin + 1 : path;
	return strndup(begin, strcspn(begin, "./"));
}

static int verb_import(const struct verb_context *c, const char *word, struct err *err)
{
	AUTO_IMAGE struct image image = { 0 };
	AUTO_FREE char *name = c->options->name ? strdup(c->options->name) : name_of_path(word);
	int r;

	if (!name)
		return err_set(err, -ENOMEM, "out of memory");
	r = image_make_import(c->make, word, name, c->options->tag, &image, err);
	progress_finish(c->make->progress.user);
	return r < 0 ? r : say_made(&image);
}

static int verb_inspect(const struct verb_context *c, const char *word, struct err *err)
{
	return image_show_one(c->store, word, c->options, err);
}

static int verb_rm(const struct verb_context *c, const char *word, struct err *err)
{
	return image_store_remove(c->store, word, err);
}

static int verb_list(const struct verb_context *c, const char *word, struct err *err)
{
	return image_show_list(c->store, c->options, err);
}

static int verb_gc(const struct verb_context *c, const char *word, struct err *err)
{
	struct image_gc gc;
	char size[32];
	int r = image_store_gc(c->store, &gc, err);

	if (r == 0)
		printf("removed %zu %s and %zu unfinished %s: %s\n", gc.images,
		       plural(gc.images, "image", "images"), gc.downloads,
		       plural(gc.downloads, "download", "downloads"),
		       bytes_show(gc.bytes, size, sizeof(size)));
	return r;
}

static const struct verb {
	const char *name;
	bool takes_words, writes;
	bool waits; /* for others: it can be given up */
	int (*run)(const struct verb_context *context, const char *word, struct err *err);
} verbs[] = {
	{ "build", true, true, true, verb_build },	 { "pull", true, true, true, verb_pull },
	{ "import", true, true, true, verb_import },	 { "rm", true, true, false, verb_rm },
	{ "inspect", true, false, false, verb_inspect }, { "list", false, false, false, verb_list },
	{ "gc", false, true, false, verb_gc },
};

static int image_option(void *user, int id, const char *value, struct err *err)
{
	struct image_options *options = user;

	switch ((enum option_id)id) {
	case OPTION_NAME:
		options->name = value;
		break;
	case OPTION_TAG:
		options->tag = value;
		break;
	case OPTION_JSON:
		options->json = true;
		break;
	case OPTION_VERIFY:
		options->verify = true;
		break;
	}
	return 0;
}

static const struct verb *find_verb(const struct args *args, const struct image_options *options,
				    struct err *err)
{
	const char *name = args->operands_count > 0 ? args->operands[0] : NULL;

	for (size_t i = 0; name && i < ARRAY_LEN(verbs); i++) {
		size_t words = args->operands_count - 1;

		if (strcmp(verbs[i].name, name) != 0)
			continue;
		if (verbs[i].takes_words != (words > 0)) {
			err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "'%s' %s", name,
				   words ? "takes no name" : "needs a name");
			return NULL;
		}
		if (options->name && words > 1) {
			err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "--name is for one image");
			return NULL;
		}
		return &verbs[i];
	}
	err_refuse(err, ERR_MALFORMED, "bad_usage", NULL,
		   name ? "'%.40s' is none of build, pull, import, list, inspect, rm, gc"
			: "what to do is missing%s",
		   name ? name : "");
	return NULL;
}

static int run_verb(const struct verb *verb, const struct config *config, const struct args *args,
		    const struct image_options *options, int *ret_signal, struct err *err)
{
	AUTO_FREE char *runtime_dir = NULL;
	struct progress progress = { 0 };
	struct image_make make;
	struct verb_context context = { .config = config, .options = options, .make = &make };
	int r = image_store_open(config->state_dir, verb->writes ? IMAGE_STORE_WRITE : IMAGE_STORE_READ,
				 &context.store, err);

	if (r < 0)
		return r;
	r = node_image_make(config, context.store, &runtime_dir, &make, err);
	if (r == 0 && !verb->takes_words)
		r = verb->run(&context, NULL, err);
	for (size_t i = 1; r == 0 && i < args->operands_count; i++) {
		progress_init(&progress);
		if (verb->waits)
			progress_watch(&progress);
		make.progress = progress_handle(&progress);
		r = verb->run(&context, args->operands[i], err);
		*ret_signal = progress_signal(&progress);
		/* Its children may have had the same key pressed, and failed of that. */
		if (r < 0 && *ret_signal)
			err_set(err, -ECANCELED, "'%.128s' was given up", args->operands[i]);
	}
	image_store_close(context.store);
	return r;
}

static int image_main(const struct command *command, int argc, char *const *argv)
{
	struct image_options options = { 0 };
	struct config config = { 0 };
	struct err err = ERR_INIT;
	AUTO_ARGS struct args args;
	const struct verb *verb;
	int status, r, number = 0;

	if (cmd_begin(command, argc, argv, image_option, &options, &args, &status))
		return status;
	verb = find_verb(&args, &options, &err);
	if (!verb || config_load(args.config, args.flags, &config, &err) < 0)
		return cmd_fail(CMD_USAGE, &err);
	r = run_verb(verb, &config, &args, &options, &number, &err);
	config_finish(&config);
	if (r < 0)
		return cmd_fail(number ? CMD_SIGNAL_BASE + number : CMD_DEGRADED, &err);
	return CMD_OK;
}

const struct command command_image = {
	.name = "image",
	.summary = "build, pull, import and remove images",
	.synopsis = "build|pull|import|list|inspect|rm|gc [OPTION]… [NAME]…",
	.text = image_text,
	.options = image_options,
	.options_count = ARRAY_LEN(image_options),
	.operands = true,
	.settings = true,
	.exit_usage = CMD_USAGE,
	.main = image_main,
};
