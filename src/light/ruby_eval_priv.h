/*
 * Values of the small Ruby and what evaluates them. All memory of an evaluation is in its arena; a value is a reference
 * to what it is, so that `<<` is seen through every variable that has it, as in Ruby.
 */
#ifndef KILN_LIGHT_RUBY_EVAL_PRIV_H
#define KILN_LIGHT_RUBY_EVAL_PRIV_H

#include "light/ruby_priv.h"

enum value_kind {
	VALUE_NIL,
	VALUE_FALSE,
	VALUE_TRUE,
	VALUE_INT,
	VALUE_SYMBOL,
	VALUE_STRING,
	VALUE_REGEX,
	VALUE_REGEXP_CLASS,
	VALUE_MATCH,
	VALUE_ARRAY,
	VALUE_RANGE,
	VALUE_KINDS,
};

struct string {
	struct text text; /* valid UTF-8; the bytes never change, `<<` makes others */
};

struct match {
	const struct pattern *pattern;
	struct text subject;
	size_t *offsets; /* 2 × (groups + 1); SIZE_MAX where a group took no part */
};

struct value {
	enum value_kind kind;
	union {
		int64_t number;
		struct string *string; /* of symbols too */
		const struct pattern *regex;
		struct match *match;
		struct array *array;
		struct range *range;
	};
};

struct array {
	struct value *items;
	size_t len, room;
};

struct range {
	struct value low, high;
	bool exclusive;
};

/* How a part of the tree ended, where that is not a negative errno. */
enum flow {
	FLOW_ON = 0,
	FLOW_RETURN, /* with eval->result; so do the next two */
	FLOW_NEXT,
	FLOW_BREAK,
};

struct eval {
	const struct ruby_program *program;
	struct arena arena;
	struct meter meter;
	struct light_fault *fault;
	struct value locals[RUBY_LOCALS];
	struct match *last; /* $~ */
	struct value result;
	struct pattern *patterns; /* made on the way */
	size_t patterns_count;
};

/* A call of a method. */
struct call {
	struct eval *e;
	const struct node *node;
	struct value self;
	const struct value *args;
	size_t argc;
	const struct node *block; /* or NULL */
};

/* Sets *ret and returns FLOW_ON, or another flow, or a negative errno with the fault set. */
typedef int (*method_fn)(const struct call *c, struct value *ret);

struct method {
	const char *name;
	method_fn run;
	uint8_t min, max; /* arguments */
	enum {
		BLOCK_NEVER,
		BLOCK_MAY,
		BLOCK_MUST,
	} block;
};

struct method_table {
	const struct method *methods;
	size_t count;
};

extern const struct method_table string_methods, string_edit_methods, string_regex_methods, regex_methods,
	regexp_class_methods, match_methods, text_match_methods, array_methods, array_query_methods,
	int_methods, symbol_methods, range_methods, nil_methods, bool_methods, any_methods;

/* ruby_eval.c */
[[nodiscard]] int eval_node(struct eval *e, const struct node *node, struct value *ret);
[[nodiscard]] int block_call(const struct call *c, const struct value *args, size_t count, struct value *ret);
/* The block's value as a condition. */
[[nodiscard]] int block_test(const struct call *c, struct value item, bool *ret);

/* methods.c: calls a method by name, whatever the type. */
[[nodiscard]] int method_call(const struct call *c, struct text name, struct value *ret);
/* `a === b` */
[[nodiscard]] int case_equal(const struct call *c, struct value pattern, struct value value, bool *ret);

/* Faults at a node; -EINVAL. */
int eval_wrong(struct eval *e, const struct node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int eval_unsupported(struct eval *e, const struct node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int eval_limit(struct eval *e, const struct node *node, const char *what);
/* Work in proportion to `bytes`; -EINVAL when there was too much. */
[[nodiscard]] int eval_work(struct eval *e, const struct node *node, size_t bytes);

/* "String", "nil"… for people. */
const char *value_kind_name(enum value_kind kind);

static inline bool value_true(struct value v)
{
	return v.kind != VALUE_NIL && v.kind != VALUE_FALSE;
}

static inline struct value value_nil(void)
{
	return (struct value){ .kind = VALUE_NIL };
}

static inline struct value value_bool(bool b)
{
	return (struct value){ .kind = b ? VALUE_TRUE : VALUE_FALSE };
}

static inline struct value value_int(int64_t n)
{
	return (struct value){ .kind = VALUE_INT, .number = n };
}

/* ruby_value.c; what allocates returns 0 or -EINVAL: too much memory. */
[[nodiscard]] int value_text(const struct call *c, struct text text,
			     struct value *ret); /* a string on these bytes */
[[nodiscard]] int value_copy(const struct call *c, struct text text, struct value *ret);
[[nodiscard]] int value_concat(const struct call *c, struct text a, struct text b, struct value *ret);
[[nodiscard]] int value_array(const struct call *c, size_t room, struct value *ret);
[[nodiscard]] int array_push(const struct call *c, struct array *array, struct value item);
[[nodiscard]] int value_match(const struct call *c, const struct pattern *pattern, struct text subject,
			      const size_t *offsets, struct value *ret);
bool value_equal(struct value a, struct value b);
/* -1, 0, 1; false when the two cannot be compared. */
bool value_compare(struct value a, struct value b, int *ret);
/* to_s, as interpolation does it. */
[[nodiscard]] int value_to_s(const struct call *c, struct value v, struct text *ret);
/* The argument as text: a String, else a TypeError. */
[[nodiscard]] int argument_text(const struct call *c, size_t index, struct text *ret);
[[nodiscard]] int argument_int(const struct call *c, size_t index, int64_t *ret);

/* Characters of a text, and where the n-th begins (the end when there are fewer). */
size_t text_chars(struct text text);
size_t text_offset(struct text text, size_t chars);
struct text text_sub(struct text text, size_t begin, size_t end);
/* The first place of `what` at or behind `from`, or SIZE_MAX. */
size_t text_find(struct text text, struct text what, size_t from);

/* methods_regex.c: one match at or behind `start`; 1 with *ret, 0, or negative. Does not touch $~. */
[[nodiscard]] int regex_match(const struct call *c, const struct pattern *pattern, struct text subject,
			      size_t start, struct value *ret);
/* The same from a value: a Regexp, or a String that becomes one. */
[[nodiscard]] int regex_from(const struct call *c, struct value v, bool literal, const struct pattern **ret);
[[nodiscard]] int regex_make(struct eval *e, const struct node *node, struct text source, uint32_t options,
			     const struct pattern **ret);
/* The text of a group, or false: it took no part. */
bool match_group(const struct match *match, size_t group, struct text *ret);
[[nodiscard]] int match_group_value(const struct call *c, const struct match *match, size_t group,
				    struct value *ret);
/* The place behind a match that the next search starts from. */
size_t match_next(const struct match *match);

#endif
