#include "lolcode/lolcode_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct yarn *yarn_create(const char *text, size_t len)
{
	struct yarn *yarn = malloc(sizeof(*yarn) + len + 1);

	if (!yarn)
		return NULL;
	*yarn = (struct yarn){ .refs = 1, .len = len };
	if (len)
		memcpy(yarn->text, text, len);
	yarn->text[len] = '\0';
	return yarn;
}

struct value value_copy(struct value value)
{
	if (value.type == TYPE_YARN)
		value.yarn->refs++;
	return value;
}

void value_drop(struct value value)
{
	if (value.type == TYPE_YARN && --value.yarn->refs == 0)
		free(value.yarn);
}

bool value_is_true(struct value value)
{
	switch (value.type) {
	case TYPE_NOOB:
		return false;
	case TYPE_TROOF:
		return value.troof;
	case TYPE_NUMBR:
		return value.numbr != 0;
	case TYPE_NUMBAR:
		return value.numbar != 0;
	case TYPE_YARN:
		return value.yarn->len > 0;
	}
	return false;
}

static double as_double(struct value value)
{
	return value.type == TYPE_NUMBAR ? value.numbar : (double)value.numbr;
}

/* Nothing is cast for a comparison, but a NUMBR beside a NUMBAR is one. */
bool value_equal(struct value a, struct value b)
{
	bool numbers = (a.type == TYPE_NUMBR || a.type == TYPE_NUMBAR) &&
		       (b.type == TYPE_NUMBR || b.type == TYPE_NUMBAR);

	if (a.type != b.type)
		return numbers && as_double(a) == as_double(b);
	switch (a.type) {
	case TYPE_NOOB:
		return true;
	case TYPE_TROOF:
		return a.troof == b.troof;
	case TYPE_NUMBR:
		return a.numbr == b.numbr;
	case TYPE_NUMBAR:
		return a.numbar == b.numbar;
	case TYPE_YARN:
		return a.yarn->len == b.yarn->len && memcmp(a.yarn->text, b.yarn->text, a.yarn->len) == 0;
	}
	return false;
}

/* What an int64 can hold: doubles from -2^63 up to, not including, 2^63. */
static const char *numbr_of_double(double number, int64_t *ret)
{
	if (!(number >= -9223372036854775808.0 && number < 9223372036854775808.0))
		return "a number does not fit into a NUMBR";
	*ret = (int64_t)number;
	return NULL;
}

static const char not_a_number[] = "a YARN is no number";

static const char *numbr_of_yarn(const struct yarn *yarn, int64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(yarn->text, &end, 10);
	if (errno == ERANGE)
		return "a number does not fit into a NUMBR";
	return yarn->len == 0 || end != yarn->text + yarn->len ? not_a_number : NULL;
}

static const char *numbar_of_yarn(const struct yarn *yarn, double *ret)
{
	char *end;

	/* strtod() also takes "inf", "nan" and hexadecimal ones. */
	if (yarn->len == 0 || strspn(yarn->text, "+-0123456789.") != yarn->len)
		return not_a_number;
	*ret = strtod(yarn->text, &end);
	return end != yarn->text + yarn->len ? not_a_number : NULL;
}

static const char *to_numbr(struct value from, struct value *ret)
{
	ret->type = TYPE_NUMBR;
	switch (from.type) {
	case TYPE_NOOB:
		ret->numbr = 0;
		return NULL;
	case TYPE_TROOF:
		ret->numbr = from.troof;
		return NULL;
	case TYPE_NUMBR:
		ret->numbr = from.numbr;
		return NULL;
	case TYPE_NUMBAR:
		return numbr_of_double(from.numbar, &ret->numbr);
	case TYPE_YARN:
		return numbr_of_yarn(from.yarn, &ret->numbr);
	}
	return not_a_number;
}

static const char *to_numbar(struct value from, struct value *ret)
{
	const char *wrong = NULL;

	*ret = (struct value){ .type = TYPE_NUMBAR };
	if (from.type == TYPE_YARN)
		wrong = numbar_of_yarn(from.yarn, &ret->numbar);
	else if (from.type == TYPE_NUMBAR)
		ret->numbar = from.numbar;
	else if (from.type == TYPE_NUMBR)
		ret->numbar = (double)from.numbr;
	else
		ret->numbar = from.type == TYPE_TROOF && from.troof;
	return wrong;
}

/* Cut, not rounded, to two digits behind the point. */
static size_t print_numbar(double number, char *text, size_t size)
{
	size_t len = (size_t)snprintf(text, size, "%.10f", number);
	const char *point = strchr(text, '.');

	return point ? (size_t)(point - text) + 3 : len;
}

static const char *to_yarn(struct value from, struct value *ret)
{
	char text[400] = "";
	size_t len = 0;

	if (from.type == TYPE_YARN) {
		*ret = value_copy(from);
		return NULL;
	}
	if (from.type == TYPE_TROOF)
		len = (size_t)snprintf(text, sizeof(text), "%s", from.troof ? "WIN" : "FAIL");
	else if (from.type == TYPE_NUMBR)
		len = (size_t)snprintf(text, sizeof(text), "%lld", (long long)from.numbr);
	else if (from.type == TYPE_NUMBAR)
		len = print_numbar(from.numbar, text, sizeof(text));
	*ret = (struct value){ .type = TYPE_YARN, .yarn = yarn_create(text, len) };
	return ret->yarn ? NULL : "no memory";
}

const char *value_cast(struct value *value, enum value_type type, bool is_explicit)
{
	struct value made = { .type = TYPE_NOOB };
	const char *wrong = NULL;

	if (value->type == TYPE_NOOB && type != TYPE_TROOF && type != TYPE_NOOB && !is_explicit)
		return "a NOOB has no value";
	if (type == TYPE_TROOF)
		made = (struct value){ .type = TYPE_TROOF, .troof = value_is_true(*value) };
	else if (type == TYPE_NUMBR)
		wrong = to_numbr(*value, &made);
	else if (type == TYPE_NUMBAR)
		wrong = to_numbar(*value, &made);
	else if (type == TYPE_YARN)
		wrong = to_yarn(*value, &made);
	if (wrong)
		return wrong;
	value_drop(*value);
	*value = made;
	return NULL;
}

const char *value_make_number(struct value *value)
{
	bool point = value->type == TYPE_YARN && memchr(value->yarn->text, '.', value->yarn->len);

	if (value->type == TYPE_NUMBR || value->type == TYPE_NUMBAR)
		return NULL;
	return value_cast(value, point ? TYPE_NUMBAR : TYPE_NUMBR, false);
}
