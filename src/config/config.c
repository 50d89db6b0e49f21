#include "config/config.h"

#include "config/config_priv.h"
#include "config/engine_rules.h"

#include "base/cleanup.h"
#include "base/strv.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_PATH "/etc/kiln/kiln.conf"

/* Variables that begin like settings but are read elsewhere, or by no kiln at all. A '*' stands for any end. */
static const char *const foreign_variables[] = {
	"KILN_CONFIG",	      /* the path of kiln.conf */
	"KILN_KEEPER_FD",     /* from the keeper to the front */
	"KILN_SERVER_NUMBER", /* from the main process to the front */
	"KILN_URL",	      /* of clients: which server */
	"KILN_TOKEN",	      /* of clients: with which token */
	"KILN_IMAGE",	      /* told to programs that run in a sandbox */
	"KILN_DOCTOR_CANARY", /* set by `kiln doctor`, to be looked for in a sandbox */
	"KILN_BIN",	      /* of the test suites: which program, and how */
	"KILN_TEST_*",	      "KILN_VM_*",
};

static bool is_foreign(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(foreign_variables); i++) {
		const char *pattern = foreign_variables[i];
		size_t pattern_len = strlen(pattern);

		if (pattern[pattern_len - 1] == '*' && len >= pattern_len - 1 &&
		    memcmp(pattern, name, pattern_len - 1) == 0)
			return true;
		if (pattern_len == len && memcmp(pattern, name, len) == 0)
			return true;
	}
	return false;
}

static int by_variable(const char *name, size_t len)
{
	char variable[128];

	for (size_t i = 0; i < config_settings_count; i++) {
		setting_variable(&config_settings[i], variable, sizeof(variable));
		if (strlen(variable) == len && memcmp(variable, name, len) == 0)
			return (int)i;
	}
	return -1;
}

static int config_environment(struct config_reader *reader, struct err *err)
{
	char origin[128];
	size_t len;
	int at, r;

	for (char **entry = environ; entry && *entry; entry++) {
		if (strncmp(*entry, "KILN_", 5) != 0)
			continue;
		len = strcspn(*entry, "=");
		if (is_foreign(*entry, len))
			continue;
		snprintf(origin, sizeof(origin), "%.*s", (int)(len < 100 ? len : 100), *entry);
		at = by_variable(*entry, len);
		if (at < 0 || (*entry)[len] != '=')
			return err_refuse(err, ERR_INTERNAL, "config_invalid", origin,
					  "%s: there is no such setting: unset this variable", origin);
		r = setting_set(reader, (size_t)at, SOURCE_ENVIRONMENT, *entry + len + 1, origin, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The setting of "--name" with `len` bytes; '_' and '-' are the same in a flag. -1: none. */
static int by_flag(const char *arg, size_t len)
{
	char name[128];

	if (len < 3 || len - 2 >= sizeof(name) || strncmp(arg, "--", 2) != 0)
		return -1;
	for (size_t i = 0; i < len - 2; i++)
		name[i] = arg[i + 2] == '-' ? '_' : arg[i + 2];
	return setting_by_name(name, len - 2);
}

bool config_flag_is(const char *arg, bool *ret_needs_next)
{
	size_t len = strcspn(arg, "=");
	int at = by_flag(arg, len);

	if (at < 0)
		return false;
	*ret_needs_next = arg[len] != '=' && config_settings[at].type != SETTING_SWITCH;
	return true;
}

static int config_flags(struct config_reader *reader, char *const *flags, struct err *err)
{
	char origin[128];
	const char *value;
	size_t len;
	int at, r;

	for (; flags && *flags; flags++) {
		len = strcspn(*flags, "=");
		snprintf(origin, sizeof(origin), "%.*s", (int)(len < 100 ? len : 100), *flags);
		at = by_flag(*flags, len);
		if (at < 0)
			return err_refuse(err, ERR_INTERNAL, "config_invalid", origin,
					  "%s: there is no such flag", origin);
		value = (*flags)[len] == '=' ? *flags + len + 1 : "true";
		if ((*flags)[len] != '=' && config_settings[at].type != SETTING_SWITCH)
			return err_refuse(err, ERR_INTERNAL, "config_invalid", origin, "%s: needs a value",
					  origin);
		r = setting_set(reader, (size_t)at, SOURCE_FLAG, value, origin, err);
		if (r < 0)
			return r;
	}
	return 0;
}

bool config_engine_is_docker(const struct config *config)
{
	return strcmp(config->engine, "docker") == 0;
}

bool config_engine_is_mixed(const struct config *config)
{
	return strcmp(config->engine, "mixed") == 0;
}

/* A rule that leads to an engine that this node does not have would only show when somebody runs something. */
static int check_rules(const struct config *config, struct err *err)
{
	bool mixed = config_engine_is_mixed(config), docker = config_engine_is_docker(config);
	struct engine_choice choice;

	for (char *const *rule = config->image_engines; rule && *rule; rule++) {
		if (!engine_rule_read(*rule, &choice))
			return err_refuse(err, ERR_INTERNAL, "config_invalid", "image_engines",
					  "image_engines: '%.80s' is not PATTERN=native, PATTERN=docker or "
					  "PATTERN=docker:RUNTIME",
					  *rule);
		if (!mixed && docker != (choice.kind == ENGINE_KIND_DOCKER))
			return err_refuse(
				err, ERR_INTERNAL, "config_invalid", "image_engines",
				"image_engines: '%.80s' names an engine that this node does not have: "
				"engine is '%.40s', not mixed",
				*rule, config->engine);
	}
	return 0;
}

/* What no single setting can say about itself. */
static int check_together(const struct config *config, struct err *err)
{
	int64_t last = config->uid_base + config->uid_count; /* the front's own */
	bool docker = config_engine_is_docker(config), mixed = config_engine_is_mixed(config);
	int r = check_rules(config, err);

	if (r < 0)
		return r;
	if (strcmp(config->engine, "native") != 0 && !docker && !mixed)
		return err_refuse(err, ERR_INTERNAL, "config_invalid", "engine",
				  "engine: '%.40s' is neither native nor docker nor mixed", config->engine);
	if (config->docker_runtime[0] && !engine_runtime_valid(config->docker_runtime))
		return err_refuse(err, ERR_INTERNAL, "config_invalid", "docker.runtime",
				  "docker.runtime: '%.80s' is not the name of a runtime",
				  config->docker_runtime);
	/* Behind those of the native engine, which needs two at least. */
	if (config->uid_count - (mixed ? 2 * config->parallel : 0) < config->docker_containers &&
	    (docker || mixed))
		return err_refuse(
			err, ERR_INTERNAL, "config_invalid", "docker.containers",
			"docker.containers: %lld containers need as many user ids; uid_count is %lld",
			(long long)config->docker_containers, (long long)config->uid_count);

	if (last > 4294967293LL)
		return err_refuse(err, ERR_INTERNAL, "config_invalid", "uid_count",
				  "uid_base and uid_count together go beyond the last user id, 4294967293");
	if (config->uid_count / 2 < config->parallel)
		return err_refuse(
			err, ERR_INTERNAL, "config_invalid", "uid_count",
			"uid_count: %lld user ids are too few for %lld runs at one time (parallel), "
			"each needs two",
			(long long)config->uid_count, (long long)config->parallel);
	return 0;
}

static int read_all_sources(struct config_reader *reader, const char *path, char *const *flags,
			    struct err *err)
{
	const char *from_environment = getenv("KILN_CONFIG");
	int r = 0;

	if (!path && from_environment && *from_environment)
		path = from_environment;
	if (!path && access(DEFAULT_PATH, F_OK) == 0)
		path = DEFAULT_PATH;
	if (path)
		r = config_file(reader, path, err);
	if (r == 0)
		r = config_environment(reader, err);
	if (r == 0)
		r = config_flags(reader, flags, err);
	if (r == 0)
		r = config_defaults(reader, err);
	if (r == 0)
		r = check_together(reader->config, err);
	return r;
}

int config_load(const char *path, char *const *flags, struct config *ret, struct err *err)
{
	struct config config = { 0 };
	struct config_reader reader = { .config = &config };
	int r;

	r = read_all_sources(&reader, path, flags, err);
	if (r < 0) {
		config_finish(&config);
		return r;
	}
	*ret = config;
	return 0;
}

void config_tokens_clear(struct config *config)
{
	for (size_t i = 0; i < config->tokens_count; i++) {
		if (config->tokens[i].token)
			explicit_bzero(config->tokens[i].token, strlen(config->tokens[i].token));
		free(config->tokens[i].token);
		free(config->tokens[i].name);
	}
	free(config->tokens);
	config->tokens = NULL;
	config->tokens_count = 0;
}

void config_finish(struct config *config)
{
	if (!config)
		return;
	config_tokens_clear(config);
	strv_free(config->listen);
	strv_free(config->origins);
	strv_free(config->registries);
	strv_free(config->dojo_images);
	strv_free(config->image_engines);
	for (size_t i = 0; i < config_settings_count; i++) {
		const struct setting *setting = &config_settings[i];

		if (setting->type == SETTING_TEXT || setting->type == SETTING_PATH)
			free(*(char **)((char *)config + setting->offset));
	}
	*config = (struct config){ 0 };
}
