#include "cmd/args.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "config/config.h"

#include <errno.h>

struct reader {
	const struct args_spec *spec;
	struct args *args;
	char *const *argv;
	int argc;
	int next;
};

static const struct arg_option *option_by_name(const struct args_spec *spec, const char *name, size_t len)
{
	for (size_t i = 0; i < spec->options_count; i++) {
		const struct arg_option *o = &spec->options[i];

		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return o;
	}
	return NULL;
}

static const struct arg_option *option_by_letter(const struct args_spec *spec, char letter)
{
	for (size_t i = 0; i < spec->options_count; i++) {
		if (letter != '\0' && spec->options[i].letter == letter)
			return &spec->options[i];
	}
	return NULL;
}

/* The value of an option: what hangs on it, else the next argument. */
static int value_take(struct reader *r, const char *shown, const char *attached, const char **ret,
		      struct err *err)
{
	if (attached) {
		*ret = attached;
		return 0;
	}
	if (r->next >= r->argc)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "option '%s' needs a value", shown);
	*ret = r->argv[r->next++];
	return 0;
}

static int option_apply(struct reader *r, const struct arg_option *o, const char *shown, const char *attached,
			struct err *err)
{
	const char *value = NULL;
	int rc;

	if (!o->value && attached)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "option '--%s' takes no value",
				  o->name);
	if (o->value) {
		rc = value_take(r, shown, attached, &value, err);
		if (rc < 0)
			return rc;
	}
	return r->spec->on_option(r->spec->user, o->id, value, err);
}

static int flag_add(struct args *args, const char *name, size_t len, const char *value, struct err *err)
{
	AUTO_FREE char *flag = NULL;
	int n = value ? asprintf(&flag, "%.*s=%s", (int)len, name, value)
		      : asprintf(&flag, "%.*s", (int)len, name);

	if (n < 0) {
		flag = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (strv_append(&args->flags, flag, (size_t)n) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

static int setting_read(struct reader *r, const char *arg, const char *equals, bool needs_next,
			struct err *err)
{
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
	const char *value = equals ? equals + 1 : NULL;
	int rc;

	if (needs_next) {
		rc = value_take(r, arg, value, &value, err);
		if (rc < 0)
			return rc;
	}
	return flag_add(r->args, arg, len, value, err);
}

static int long_read(struct reader *r, const char *arg, struct err *err)
{
	const char *equals = strchr(arg, '=');
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
	const struct arg_option *o = option_by_name(r->spec, arg + 2, len - 2);
	bool needs_next = false;

	if (o)
		return option_apply(r, o, arg, equals ? equals + 1 : NULL, err);
	if (strcmp(arg, "--help") == 0) {
		r->args->help = true;
		return 0;
	}
	if (r->spec->settings && len == 8 && memcmp(arg, "--config", 8) == 0)
		return value_take(r, "--config", equals ? equals + 1 : NULL, &r->args->config, err);
	if (r->spec->settings && config_flag_is(arg, &needs_next))
		return setting_read(r, arg, equals, needs_next, err);
	return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "unknown option '%.*s'",
			  (int)(len > 100 ? 100 : len), arg);
}

static int short_read(struct reader *r, const char *arg, struct err *err)
{
	const struct arg_option *o = option_by_letter(r->spec, arg[1]);

	if (!o && strcmp(arg, "-h") == 0) {
		r->args->help = true;
		return 0;
	}
	if (!o)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "unknown option '%.100s'", arg);
	return option_apply(r, o, arg, arg[2] ? arg + 2 : NULL, err);
}

int args_parse(const struct args_spec *spec, int argc, char *const *argv, struct args *ret, struct err *err)
{
	struct reader r = { .spec = spec, .args = ret, .argv = argv, .argc = argc };
	int rc = 0;

	*ret = (struct args){ 0 };
	ret->operands = calloc((size_t)argc + 1, sizeof(*ret->operands));
	if (!ret->operands)
		return err_set(err, -ENOMEM, "out of memory");
	while (rc >= 0 && r.next < argc) {
		const char *arg = argv[r.next++];

		if (strcmp(arg, "--") == 0) {
			ret->rest = argv + r.next;
			ret->rest_count = (size_t)(argc - r.next);
			return 0;
		}
		if (arg[0] == '-' && arg[1] == '-')
			rc = long_read(&r, arg, err);
		else if (arg[0] == '-' && arg[1] != '\0')
			rc = short_read(&r, arg, err);
		else
			ret->operands[ret->operands_count++] = arg;
	}
	return rc;
}

void args_finish(struct args *args)
{
	free(args->operands);
	strv_free(args->flags);
	*args = (struct args){ 0 };
}
