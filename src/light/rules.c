/*
 * Ordered rules: JSON in, colour out. The first rule whose condition holds gives the colour. All of it is read through
 * one table of fields, so that what a condition can say is data.
 */
#include "light/light_priv.h"

#include "base/cleanup.h"
#include "base/utf8.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NESTING_MAX 8
#define STATUS_MAX  16
#define PATH_BYTES  128

enum stream {
	STREAM_BOTH,
	STREAM_OUT,
	STREAM_ERR,
};

enum order {
	ORDER_EQUAL,
	ORDER_UNEQUAL,
	ORDER_LESS,
	ORDER_AT_MOST,
	ORDER_GREATER,
	ORDER_AT_LEAST,
};

/* All that is given must hold; then `negated` turns it round. Owns its texts and what `and` holds. */
struct condition {
	enum stream in;
	struct pattern pattern; /* where has_pattern */
	uint32_t options;
	const json_t *regex; /* while it is read */
	char *literal;
	size_t literal_len;
	int status[STATUS_MAX];
	size_t status_count;
	bool has_pattern, has_compare, negated;
	uint32_t group;
	enum order order;
	char *value; /* compared as text, or NULL: with `number` */
	int64_t number;
	struct condition *and;
	size_t and_count;
};

struct rule {
	enum light_colour colour;
	bool has_colour;
	struct condition condition;
};

struct rule_list {
	struct rule *rules;
	size_t count;
};

/* What is being read: where in the request, and how much there has been. */
struct reading {
	const char *path;
	size_t conditions, bytes, nesting;
	size_t compiled; /* bytes of all patterns */
	struct err *err;
};

/* A table's row; `target` is a condition, but for `colour`, which only rules have. */
struct field {
	const char *name;
	int (*read)(struct reading *in, const json_t *v, struct condition *target);
};

static int refuse_type(const struct reading *in, const char *must)
{
	return err_refuse(in->err, ERR_MALFORMED, "wrong_type", in->path, "%s must be %s", in->path, must);
}

static int refuse_value(const struct reading *in, const char *must)
{
	return err_refuse(in->err, ERR_MALFORMED, "bad_value", in->path, "%s must be %s", in->path, must);
}

static int read_text(struct reading *in, const json_t *v, size_t *ret_len)
{
	if (!json_is_string(v))
		return refuse_type(in, "a string");
	*ret_len = json_string_length(v);
	in->bytes += *ret_len;
	if (in->bytes > LIGHT_RULES_BYTES)
		return err_refuse(in->err, ERR_TOO_LARGE, "too_large", in->path,
				  "the texts of the rules have more than %d bytes together",
				  LIGHT_RULES_BYTES);
	return 0;
}

/* A word of a list; its index in *ret. */
static int read_word(struct reading *in, const json_t *v, const char *const *words, size_t count,
		     const char *must, size_t *ret)
{
	if (!json_is_string(v))
		return refuse_type(in, "a string");
	for (size_t i = 0; i < count; i++) {
		if (strcmp(words[i], json_string_value(v)) == 0) {
			*ret = i;
			return 0;
		}
	}
	return refuse_value(in, must);
}

static int read_in(struct reading *in, const json_t *v, struct condition *to)
{
	static const char *const words[] = { "both", "stdout", "stderr" };
	size_t word;
	int r = read_word(in, v, words, ARRAY_LEN(words), "\"stdout\", \"stderr\" or \"both\"", &word);

	if (r == 0)
		to->in = (enum stream)word;
	return r;
}

/* Compiled when `flags` are known too. */
static int read_regex(struct reading *in, const json_t *v, struct condition *to)
{
	size_t len = 0;
	int r = read_text(in, v, &len);

	if (r == 0 && len > LIGHT_PATTERN_BYTES)
		return err_refuse(in->err, ERR_TOO_LARGE, "too_large", in->path,
				  "%s has %zu bytes, of at most %d", in->path, len, LIGHT_PATTERN_BYTES);
	to->regex = v;
	return r;
}

static int read_flags(struct reading *in, const json_t *v, struct condition *to)
{
	if (!json_is_string(v))
		return refuse_type(in, "a string");
	for (const char *c = json_string_value(v); *c; c++) {
		if (*c != 'i' && *c != 's' && *c != 'x')
			return refuse_value(
				in, "made of the letters i (any case), s (a dot is any character) and x "
				    "(spaces and comments do not count)");
		to->options |= *c == 'i' ? PATTERN_CASELESS : *c == 's' ? PATTERN_DOTALL : PATTERN_EXTENDED;
	}
	return 0;
}

static int read_literal(struct reading *in, const json_t *v, struct condition *to)
{
	int r = read_text(in, v, &to->literal_len);

	if (r < 0)
		return r;
	to->literal = malloc(to->literal_len + 1);
	if (!to->literal)
		return err_set(in->err, -ENOMEM, "reading rules");
	memcpy(to->literal, json_string_value(v), to->literal_len + 1);
	return 0;
}

static int add_status(struct reading *in, const json_t *v, struct condition *to)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v))
		return refuse_type(in, "an integer or an array of integers");
	if (n < 0 || n > 255)
		return refuse_value(in, "between 0 and 255");
	if (to->status_count == STATUS_MAX)
		return err_refuse(in->err, ERR_TOO_LARGE, "too_many", in->path, "%s has more than %d numbers",
				  in->path, STATUS_MAX);
	to->status[to->status_count++] = (int)n;
	return 0;
}

static int read_status(struct reading *in, const json_t *v, struct condition *to)
{
	int r = 0;

	if (!json_is_array(v))
		return add_status(in, v, to);
	if (json_array_size(v) == 0)
		return refuse_value(in, "an integer or a non-empty array of integers");
	for (size_t i = 0; r == 0 && i < json_array_size(v); i++)
		r = add_status(in, json_array_get(v, i), to);
	return r;
}

static int read_group(struct reading *in, const json_t *v, struct condition *to)
{
	if (!json_is_integer(v))
		return refuse_type(in, "an integer");
	if (json_integer_value(v) < 0 || json_integer_value(v) > 1000)
		return refuse_value(in, "between 0 and 1000");
	to->group = (uint32_t)json_integer_value(v);
	return 0;
}

static int read_is(struct reading *in, const json_t *v, struct condition *to)
{
	static const char *const words[] = { "==", "!=", "<", "<=", ">", ">=" };
	size_t word;
	int r = read_word(in, v, words, ARRAY_LEN(words), "one of ==, !=, <, <=, > and >=", &word);

	if (r == 0)
		to->order = (enum order)word;
	return r;
}

static int read_value(struct reading *in, const json_t *v, struct condition *to)
{
	size_t len;
	int r;

	to->has_compare = true;
	to->number = json_integer_value(v);
	if (json_is_integer(v))
		return 0;
	if (!json_is_string(v))
		return refuse_type(in, "a string or an integer");
	r = read_text(in, v, &len);
	if (r < 0)
		return r;
	to->value = strdup(json_string_value(v));
	return to->value ? 0 : err_set(in->err, -ENOMEM, "reading rules");
}

static int read_not(struct reading *in, const json_t *v, struct condition *to)
{
	if (!json_is_boolean(v))
		return refuse_type(in, "true or false");
	to->negated = json_is_true(v);
	return 0;
}

static int read_condition(struct reading *in, const json_t *v, struct condition *to, struct rule *rule);

static int read_and(struct reading *in, const json_t *v, struct condition *to)
{
	const char *path = in->path;
	char here[PATH_BYTES];
	int r = 0;

	if (!json_is_array(v))
		return refuse_type(in, "an array of conditions");
	if (in->nesting == NESTING_MAX)
		return err_refuse(in->err, ERR_TOO_LARGE, "too_many", in->path,
				  "%s is nested more than %d deep", in->path, NESTING_MAX);
	to->and = calloc(json_array_size(v) + 1, sizeof(*to->and));
	if (!to->and)
		return err_set(in->err, -ENOMEM, "reading rules");
	in->nesting++;
	for (size_t i = 0; r == 0 && i < json_array_size(v); i++) {
		snprintf(here, sizeof(here), "%s[%zu]", path, i);
		in->path = here;
		to->and_count++;
		r = read_condition(in, json_array_get(v, i), &to->and[i], NULL);
	}
	in->path = path;
	in->nesting--;
	return r;
}

static const struct field fields[] = {
	{ "in", read_in },	     { "regex", read_regex },	{ "flags", read_flags },
	{ "literal", read_literal }, { "status", read_status }, { "group", read_group },
	{ "is", read_is },	     { "value", read_value },	{ "not", read_not },
	{ "and", read_and },
};

static int read_colour(struct reading *in, const json_t *v, struct rule *rule)
{
	static const char *const words[] = { "red", "amber", "green" };
	size_t word;
	int r = read_word(in, v, words, ARRAY_LEN(words), "\"red\", \"amber\" or \"green\"", &word);

	if (r == 0) {
		rule->colour = (enum light_colour)word;
		rule->has_colour = true;
	}
	return r;
}

static int refuse_field(struct reading *in, const char *key)
{
	size_t shown = strlen(key) > 40 ? 0 : strlen(key);

	return err_refuse(in->err, ERR_MALFORMED, "unknown_field", in->path, "there is no field '%.*s' here",
			  (int)shown, key);
}

static int read_field(struct reading *in, const char *key, const json_t *v, struct condition *to,
		      struct rule *rule)
{
	const char *path = in->path;
	char here[PATH_BYTES];
	int r = 1;

	for (size_t i = 0; r > 0 && i < ARRAY_LEN(fields); i++) {
		if (strcmp(fields[i].name, key) != 0)
			continue;
		snprintf(here, sizeof(here), "%s.%s", path, key);
		in->path = here;
		r = fields[i].read(in, v, to);
	}
	if (r > 0 && rule && strcmp(key, "colour") == 0) {
		snprintf(here, sizeof(here), "%s.colour", path);
		in->path = here;
		r = read_colour(in, v, rule);
	}
	in->path = path;
	return r > 0 ? refuse_field(in, key) : r;
}

static int refuse_at(struct reading *in, const char *field, const char *slug, const char *why)
{
	char here[PATH_BYTES];

	snprintf(here, sizeof(here), "%s.%s", in->path, field);
	return err_refuse(in->err, ERR_MALFORMED, slug, here, "%s: %s", here, why);
}

static int compile_regex(struct reading *in, struct condition *to)
{
	const struct text source = { json_string_value(to->regex), json_string_length(to->regex) };
	struct light_fault fault;
	int r = pattern_compile(source, to->options, &to->pattern, &fault);

	if (r == -ENOMEM)
		return err_set(in->err, r, "compiling a regular expression");
	if (r < 0)
		return refuse_at(in, "regex", "bad_value", fault.text);
	to->has_pattern = true;
	in->compiled += to->pattern.bytes;
	if (in->compiled > patterns_bytes_max(in->bytes))
		return refuse_at(in, "regex", "bad_value", "repeats too much, with those before it");
	if (to->group > to->pattern.groups)
		return refuse_at(in, "group", "bad_value", "is more than the regular expression has");
	return 0;
}

/* The fields are right each by itself: are they together? */
static int check_condition(struct reading *in, struct condition *to)
{
	if (to->regex)
		return compile_regex(in, to);
	if (to->has_compare || to->group > 0 || to->order != ORDER_EQUAL || to->options)
		return refuse_at(in, "regex", "missing_field",
				 "is missing, which flags, group, is and value are about");
	return 0;
}

static int read_condition(struct reading *in, const json_t *v, struct condition *to, struct rule *rule)
{
	const char *key;
	json_t *value;
	int r = 0;

	if (!json_is_object(v))
		return refuse_type(in, "an object");
	if (++in->conditions > LIGHT_RULES)
		return err_refuse(in->err, ERR_TOO_LARGE, "too_many", in->path,
				  "there are more than %d conditions", LIGHT_RULES);
	json_object_foreach((json_t *)v, key, value)
	{
		r = read_field(in, key, value, to, rule);
		if (r < 0)
			return r;
	}
	if (rule && !rule->has_colour)
		return refuse_at(in, "colour", "missing_field", "is missing");
	r = check_condition(in, to);
	to->regex = NULL;
	if (r == 0 && to->value && to->order > ORDER_UNEQUAL)
		return refuse_at(in, "value", "bad_value", "must be an integer, for texts are only == or !=");
	return r;
}

int light_compile_rules(const struct json_t *json, const char *field, struct light **ret, struct err *err)
{
	struct light *light = calloc(1, sizeof(*light));
	struct reading in = { .path = field, .err = err };
	size_t count = json_array_size(json);
	char here[PATH_BYTES];
	int r = 0;

	if (light)
		light->rules = calloc(1, sizeof(*light->rules));
	if (light && light->rules)
		light->rules->rules = calloc(count + 1, sizeof(*light->rules->rules));
	if (!light || !light->rules || !light->rules->rules)
		r = err_set(err, -ENOMEM, "reading rules");
	else if (!json_is_array(json))
		r = refuse_type(&in, "an array");
	else if (count == 0 || count > LIGHT_RULES)
		r = err_refuse(err, count ? ERR_TOO_LARGE : ERR_MALFORMED, count ? "too_many" : "bad_value",
			       field, "%s must have between 1 and %d rules", field, LIGHT_RULES);
	if (r == 0)
		light->refs = 1;
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct rule *rule = &light->rules->rules[i];

		snprintf(here, sizeof(here), "%s[%zu]", field, i);
		in.path = here;
		light->rules->count++;
		r = read_condition(&in, json_array_get(json, i), &rule->condition, rule);
	}
	if (r < 0) {
		if (light)
			rules_destroy(light->rules);
		free(light);
		return r;
	}
	*ret = light;
	return 0;
}

static void condition_finish(struct condition *condition)
{
	for (size_t i = 0; i < condition->and_count; i++)
		condition_finish(&condition->and[i]);
	free(condition->and);
	free(condition->literal);
	free(condition->value);
	pattern_finish(&condition->pattern);
}

void rules_destroy(struct rule_list *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->count; i++)
		condition_finish(&rules->rules[i].condition);
	free(rules->rules);
	free(rules);
}

/* A judgement under way. */
struct judging {
	const struct light_texts *texts;
	struct meter meter;
	struct light_fault *fault;
};

/* The number that a text begins with, as Ruby's to_i without blanks and underscores; it stops at 2^62. */
static int64_t leading_number(struct text text)
{
	bool negative = text.len > 0 && text.data[0] == '-';
	int64_t n = 0;

	for (size_t i = negative; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
		if (n > INT64_MAX / 20)
			break;
		n = 10 * n + (text.data[i] - '0');
	}
	return negative ? -n : n;
}

static bool compare_holds(const struct condition *condition, struct text group)
{
	int64_t n = leading_number(group);
	int order = (n > condition->number) - (n < condition->number);

	if (condition->value)
		order = !text_is(group, condition->value);
	switch (condition->order) {
	case ORDER_EQUAL:
		return order == 0;
	case ORDER_UNEQUAL:
		return order != 0;
	case ORDER_LESS:
		return order < 0;
	case ORDER_AT_MOST:
		return order <= 0;
	case ORDER_GREATER:
		return order > 0;
	default:
		return order >= 0;
	}
}

static void data_free(pcre2_match_data **data)
{
	pcre2_match_data_free(*data);
}

/* The first match, and then its group. 1, 0, or negative with the fault. */
static int pattern_holds(struct judging *j, const struct condition *condition, struct text text)
{
	__attribute__((cleanup(data_free))) pcre2_match_data *data =
		pcre2_match_data_create_from_pattern(condition->pattern.code, NULL);
	const size_t *offsets;
	int r;

	if (!data)
		return fault_no_memory(j->fault);
	r = pattern_match(&condition->pattern, text, 0, data, &j->meter, j->fault);
	if (r <= 0 || !condition->has_compare)
		return r;
	offsets = pcre2_get_ovector_pointer(data) + 2 * (size_t)condition->group;
	if (offsets[0] == PCRE2_UNSET || offsets[1] < offsets[0])
		return 0;
	return compare_holds(condition, (struct text){ text.data + offsets[0], offsets[1] - offsets[0] });
}

static bool status_holds(const struct condition *condition, int status)
{
	for (size_t i = 0; i < condition->status_count; i++) {
		if (condition->status[i] == status)
			return true;
	}
	return condition->status_count == 0;
}

static int condition_holds(struct judging *j, const struct condition *condition)
{
	const struct text streams[] = {
		[STREAM_BOTH] = j->texts->both,
		[STREAM_OUT] = j->texts->out,
		[STREAM_ERR] = j->texts->err,
	};
	struct text text = streams[condition->in];
	int r = status_holds(condition, j->texts->status);

	if (r > 0 && condition->literal)
		r = meter_take(&j->meter, 64 + text.len / 4)
			    ? memmem(text.data, text.len, condition->literal, condition->literal_len) != NULL
			    : fault_set(j->fault, LIGHT_LIMIT, "the rules take too long on this output");
	if (r > 0 && condition->has_pattern)
		r = pattern_holds(j, condition, text);
	for (size_t i = 0; r > 0 && i < condition->and_count; i++)
		r = condition_holds(j, &condition->and[i]);
	return r < 0 ? r : r != condition->negated;
}

void rules_judge(const struct rule_list *rules, const struct light_texts *texts, struct light_verdict *ret)
{
	struct judging j = { .texts = texts, .meter.left = LIGHT_WORK, .fault = &ret->fault };
	struct light_fault why;

	*ret = (struct light_verdict){ .colour = LIGHT_FAULTY };
	for (size_t i = 0; i < rules->count; i++) {
		int r = condition_holds(&j, &rules->rules[i].condition);

		if (r > 0)
			ret->colour = rules->rules[i].colour;
		if (r < 0) {
			why = ret->fault;
			fault_set(&ret->fault, why.kind, "rule %zu: %s", i, why.text);
		}
		if (r != 0)
			return;
	}
	fault_set(&ret->fault, LIGHT_WRONG, "no rule applies, and the last one has conditions too");
}
