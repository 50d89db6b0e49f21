#include "run/message.h"

#include "base/cleanup.h"
#include "run/request_priv.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static const struct path run_path = { .key = "run" };
static const struct path type_path = { .key = "type" };

static const char *const type_names[RUN_MESSAGE_TYPES] = {
	[RUN_MESSAGE_START] = "start",	 [RUN_MESSAGE_STDIN_EOF] = "stdin_eof",
	[RUN_MESSAGE_CANCEL] = "cancel", [RUN_MESSAGE_RESIZE] = "resize",
	[RUN_MESSAGE_SIGNAL] = "signal",
};

/* Those that one sends by hand; the others are the kernel's to send. */
static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "HUP", SIGHUP },   { "INT", SIGINT },	  { "QUIT", SIGQUIT }, { "KILL", SIGKILL },
	{ "TERM", SIGTERM }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "ALRM", SIGALRM },
	{ "CONT", SIGCONT }, { "STOP", SIGSTOP }, { "TSTP", SIGTSTP }, { "WINCH", SIGWINCH },
};

/* ---- values ---- */

static int read_size(struct reader *r, const json_t *v, const struct path *p, void *number)
{
	json_int_t value = json_integer_value(v);

	if (!json_is_integer(v))
		return request_refuse_type(r->err, p, v, "an integer");
	if (value < 1 || value > RUN_MESSAGE_TTY_MAX)
		return request_refuse(r->err, p, ERR_MALFORMED, "bad_value", "must be from 1 to %d",
				      RUN_MESSAGE_TTY_MAX);
	*(uint16_t *)number = (uint16_t)value;
	return 0;
}

static const struct field size_fields[] = {
	{ "rows", read_size, offsetof(struct engine_tty, rows) },
	{ "cols", read_size, offsetof(struct engine_tty, cols) },
};

static int check_size(struct reader *r, const struct engine_tty *size, const struct path *up)
{
	const struct path missing = { .up = up, .key = size->rows ? "cols" : "rows" };

	if (size->rows && size->cols)
		return 0;
	return request_refuse(r->err, &missing, ERR_MALFORMED, "missing_field", "is missing");
}

int read_tty(struct reader *r, const json_t *v, const struct path *p, void *engine_tty)
{
	int ret = object_read(r, v, p, size_fields, ARRAY_LEN(size_fields), engine_tty);

	return ret < 0 ? ret : check_size(r, engine_tty, p);
}

int read_switch(struct reader *r, const json_t *v, const struct path *p, void *flag)
{
	if (!json_is_boolean(v))
		return request_refuse_type(r->err, p, v, "true or false");
	*(bool *)flag = json_is_true(v);
	return 0;
}

static int read_signal(struct reader *r, const json_t *v, const struct path *p, void *number)
{
	const char *name = json_string_value(v);

	if (!name)
		return request_refuse_type(r->err, p, v, "a string");
	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (strcmp(name, signals[i].name) == 0) {
			*(int *)number = signals[i].number;
			return 0;
		}
	}
	return request_refuse(
		r->err, p, ERR_MALFORMED, "bad_value",
		"must be HUP, INT, QUIT, KILL, TERM, USR1, USR2, ALRM, CONT, STOP, TSTP or WINCH");
}

/* ---- messages ---- */

/* Read before all else, since what is said of the rest depends on it. */
static int read_nothing(struct reader *r, const json_t *v, const struct path *p, void *target)
{
	return 0;
}

#define HEAD                                                                                                 \
	{ "run", read_nothing, 0 },                                                                          \
	{                                                                                                    \
		"type", read_nothing, 0                                                                      \
	}
#define MESSAGE(member) offsetof(struct run_message, member)

static const struct field start_fields[] = { HEAD, { "request", read_nothing, 0 } };
static const struct field bare_fields[] = { HEAD };
static const struct field resize_fields[] = {
	HEAD,
	{ "rows", read_size, MESSAGE(size.rows) },
	{ "cols", read_size, MESSAGE(size.cols) },
};
static const struct field signal_fields[] = { HEAD, { "signal", read_signal, MESSAGE(signal) } };

static const struct {
	const struct field *fields;
	size_t count;
} forms[RUN_MESSAGE_TYPES] = {
	[RUN_MESSAGE_START] = { start_fields, ARRAY_LEN(start_fields) },
	[RUN_MESSAGE_STDIN_EOF] = { bare_fields, ARRAY_LEN(bare_fields) },
	[RUN_MESSAGE_CANCEL] = { bare_fields, ARRAY_LEN(bare_fields) },
	[RUN_MESSAGE_RESIZE] = { resize_fields, ARRAY_LEN(resize_fields) },
	[RUN_MESSAGE_SIGNAL] = { signal_fields, ARRAY_LEN(signal_fields) },
};

static int read_head(const json_t *root, struct run_message *ret, struct err *err)
{
	const json_t *run = json_object_get(root, "run"), *type = json_object_get(root, "type");
	const char *name = json_string_value(type);
	json_int_t number = json_integer_value(run);

	if (!run || !type)
		return request_refuse(err, run ? &type_path : &run_path, ERR_MALFORMED, "missing_field",
				      "is missing");
	if (!json_is_integer(run) || number < 0 || number > UINT32_MAX)
		return request_refuse(err, &run_path, ERR_MALFORMED, "bad_value",
				      "must be an integer from 0 to 4294967295");
	ret->run = (uint32_t)number;
	for (int i = 0; name && i < RUN_MESSAGE_TYPES; i++) {
		if (strcmp(name, type_names[i]) == 0) {
			ret->type = (enum run_message_type)i;
			return 0;
		}
	}
	return request_refuse(err, &type_path, ERR_MALFORMED, "bad_value",
			      "must be start, stdin_eof, cancel, resize or signal");
}

static int read_start(const json_t *root, const struct request_bounds *bounds, struct run_message *ret,
		      struct err *err)
{
	const struct path path = { .key = "request" };
	const json_t *request = json_object_get(root, "request");
	int r;

	if (!request)
		return request_refuse(err, &path, ERR_MALFORMED, "missing_field", "is missing");
	r = request_read(request, true, bounds, &ret->request, err);
	ret->request_refused = r < 0;
	return r;
}

static int read_message(const json_t *root, const struct request_bounds *bounds, struct run_message *ret,
			struct err *err)
{
	struct reader reader = { .bounds = bounds, .err = err };
	const struct path missing = { .key = "signal" };
	int r = read_head(root, ret, err);

	if (r == 0)
		r = object_read(&reader, root, NULL, forms[ret->type].fields, forms[ret->type].count, ret);
	if (r < 0)
		return r;
	switch (ret->type) {
	case RUN_MESSAGE_START:
		return read_start(root, bounds, ret, err);
	case RUN_MESSAGE_RESIZE:
		return check_size(&reader, &ret->size, NULL);
	case RUN_MESSAGE_SIGNAL:
		return ret->signal
			       ? 0
			       : request_refuse(err, &missing, ERR_MALFORMED, "missing_field", "is missing");
	default:
		return 0;
	}
}

int run_message_parse(const char *text, size_t len, const struct request_bounds *bounds,
		      struct run_message *ret, struct err *err)
{
	json_t *root;
	int r;

	*ret = (struct run_message){ 0 };
	r = request_json_load(text, len, &root, err);
	if (r < 0)
		return r;
	r = read_message(root, bounds, ret, err);
	json_decref(root);
	return r;
}

void run_message_finish(struct run_message *message)
{
	request_finish(&message->request);
}
