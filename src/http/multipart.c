#include "http/multipart.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BOUNDARY_MAX 70 /* RFC 2046, 5.1.1 */

struct reader {
	const uint8_t *at;
	const uint8_t *end;
	char delimiter[4 + BOUNDARY_MAX + 1]; /* CRLF, two dashes, boundary */
	size_t delimiter_len;
};

/* Headers of one part; strings live in `text`. */
struct part_head {
	char text[HTTP_PART_HEAD_MAX + 1];
	char *name;
	char *file_name;
	char *content_type;
};

static int malformed(struct err *err, const char *what)
{
	return err_refuse(err, ERR_MALFORMED, "bad_multipart", NULL, "The multipart body is malformed: %s.",
			  what);
}

static char *skip_blanks(char *text)
{
	return text + strspn(text, " \t");
}

/*
 * Takes `key=value` or `key="value"` off *text (which begins behind a ';') in place. Backslash escapes a
 * quote or a backslash only: browsers send Windows paths with single ones. False when it is malformed.
 */
static bool take_param(char **text, char **ret_key, char **ret_value)
{
	char *key = skip_blanks(*text), *value = strchr(key, '='), *to;

	if (!value || value == key || strcspn(key, " \t;\"") < (size_t)(value - key))
		return false;
	*value++ = '\0';
	*ret_key = key;
	*ret_value = value;
	if (*value != '"') {
		size_t len = strcspn(value, " \t;\"");
		char *rest = skip_blanks(value + len);

		if (len == 0 || (*rest != '\0' && *rest != ';'))
			return false;
		*text = *rest ? rest + 1 : rest;
		value[len] = '\0';
		return true;
	}
	to = ++value;
	*ret_value = value;
	for (; *value && *value != '"'; value++) {
		if (*value == '\\' && (value[1] == '"' || value[1] == '\\'))
			value++;
		*to++ = *value;
	}
	if (*value != '"')
		return false;
	value = skip_blanks(value + 1);
	if (*value != '\0' && *value != ';')
		return false;
	*text = *value ? value + 1 : value;
	*to = '\0';
	return true;
}

/* "type; a=b; c=d" → behind the first ';', or NULL when the type is another. */
static char *params_of(char *value, const char *type)
{
	size_t len = strlen(type);
	char *rest;

	if (strncasecmp(value, type, len) != 0)
		return NULL;
	rest = skip_blanks(value + len);
	if (*rest == ';')
		return rest + 1;
	return *rest == '\0' ? rest : NULL;
}

static int boundary_read(const char *content_type, struct reader *r, struct err *err)
{
	char copy[256], *rest, *key, *value, *boundary = NULL;

	if (content_type && strlen(content_type) < sizeof(copy)) {
		memcpy(copy, content_type, strlen(content_type) + 1);
		rest = params_of(copy, "multipart/form-data");
	} else {
		rest = NULL;
	}
	if (!rest)
		return err_refuse(err, ERR_TYPE, "unsupported_type", NULL,
				  "The content type must be multipart/form-data.");
	while (*skip_blanks(rest)) {
		if (!take_param(&rest, &key, &value))
			return malformed(err, "the content type's parameters");
		if (strcasecmp(key, "boundary") != 0)
			continue;
		if (boundary)
			return malformed(err, "two boundaries in the content type");
		boundary = value;
	}
	if (!boundary || !*boundary || strlen(boundary) > BOUNDARY_MAX)
		return malformed(err, "the content type has no boundary of 1 to 70 characters");
	r->delimiter_len = (size_t)snprintf(r->delimiter, sizeof(r->delimiter), "\r\n--%s", boundary);
	return 0;
}

static int disposition_read(char *value, struct part_head *head, struct err *err)
{
	char *rest = params_of(value, "form-data"), *key, *text;

	if (!rest || head->name)
		return malformed(err, "a Content-Disposition that is not one form-data");
	while (*skip_blanks(rest)) {
		char **to = NULL;

		if (!take_param(&rest, &key, &text))
			return malformed(err, "the parameters of a Content-Disposition");
		if (strcasecmp(key, "name") == 0)
			to = &head->name;
		else if (strcasecmp(key, "filename") == 0)
			to = &head->file_name;
		if (to && *to)
			return malformed(err, "a Content-Disposition that gives a parameter twice");
		if (to)
			*to = text;
	}
	if (!head->name)
		return malformed(err, "a part without a name");
	return 0;
}

static int header_line(char *line, struct part_head *head, struct err *err)
{
	char *colon = strchr(line, ':'), *value;
	size_t len;

	if (!colon || colon == line || strcspn(line, " \t\r\n") < (size_t)(colon - line))
		return malformed(err, "a part's header line");
	*colon = '\0';
	value = skip_blanks(colon + 1);
	len = strlen(value);
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		value[--len] = '\0';
	if (strpbrk(value, "\r\n"))
		return malformed(err, "a lone CR or LF in a part's header");

	if (strcasecmp(line, "Content-Disposition") == 0)
		return disposition_read(value, head, err);
	if (strcasecmp(line, "Content-Type") == 0) {
		if (head->content_type)
			return malformed(err, "two Content-Types in a part");
		head->content_type = value;
	} else if (strcasecmp(line, "Content-Transfer-Encoding") == 0 && strcasecmp(value, "binary") != 0 &&
		   strcasecmp(value, "8bit") != 0 && strcasecmp(value, "7bit") != 0) {
		return malformed(err, "a part's Content-Transfer-Encoding, which RFC 7578 does not allow");
	}
	return 0;
}

/* Reads the headers of a part and leaves r->at at its data. */
static int head_read(struct reader *r, struct part_head *head, struct err *err)
{
	const uint8_t *stop = memmem(r->at, (size_t)(r->end - r->at), "\r\n\r\n", 4);
	size_t len;
	char *line;

	head->name = head->file_name = head->content_type = NULL;
	if (!stop)
		return malformed(err, "a part whose headers do not end");
	len = (size_t)(stop - r->at);
	if (len > HTTP_PART_HEAD_MAX)
		return malformed(err, "a part's headers are larger than 4 KiB");
	if (memchr(r->at, '\0', len))
		return malformed(err, "a NUL in a part's headers");
	memcpy(head->text, r->at, len);
	head->text[len] = '\0';
	for (line = head->text; line;) {
		char *next = strstr(line, "\r\n");
		int result;

		if (next) {
			*next = '\0';
			next += 2;
		}
		result = header_line(line, head, err);
		if (result < 0)
			return result;
		line = next;
	}
	if (!head->name)
		return malformed(err, "a part without a Content-Disposition");
	r->at = stop + 4;
	return 0;
}

static size_t left_of(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

static bool take_text(struct reader *r, const char *text)
{
	if (left_of(r) < 2 || memcmp(r->at, text, 2) != 0)
		return false;
	r->at += 2;
	return true;
}

/* Behind a delimiter: 1 another part follows, 0 that was the last, negative malformed. */
static int delimiter_tail(struct reader *r, struct err *err)
{
	bool last = take_text(r, "--");
	size_t padding = 0;

	while (padding < left_of(r) && (r->at[padding] == ' ' || r->at[padding] == '\t'))
		padding++;
	if (padding > HTTP_PADDING_MAX)
		return malformed(err, "more than 256 blanks behind a boundary");
	r->at += padding;
	if (last && r->at == r->end)
		return 0;
	if (!take_text(r, "\r\n"))
		return malformed(err, "a boundary that is not followed by CRLF");
	if (last && left_of(r) > HTTP_PREAMBLE_MAX)
		return malformed(err, "more than 4 KiB behind the closing boundary");
	return last ? 0 : 1;
}

/*
 * Goes behind the first delimiter, which lacks its CRLF where it stands at the very beginning. What is before it, and
 * behind the last one, is for readers who know no MIME (RFC 2046, 5.1.1): nobody looks at it.
 */
static int preamble_skip(struct reader *r, struct err *err)
{
	size_t first = r->delimiter_len - 2, seen = left_of(r);
	const uint8_t *found;

	if (seen >= first && memcmp(r->at, r->delimiter + 2, first) == 0) {
		r->at += first;
		return 0;
	}
	if (seen > HTTP_PREAMBLE_MAX + r->delimiter_len)
		seen = HTTP_PREAMBLE_MAX + r->delimiter_len;
	found = memmem(r->at, seen, r->delimiter, r->delimiter_len);
	if (!found)
		return malformed(err, "the boundary is not in its first 4 KiB");
	r->at = found + r->delimiter_len;
	return 0;
}

static int part_read(struct reader *r, http_part_fn part, void *user, struct err *err)
{
	struct part_head head;
	const uint8_t *data, *stop;
	int result = head_read(r, &head, err);

	if (result < 0)
		return result;
	data = r->at;
	stop = memmem(data, (size_t)(r->end - data), r->delimiter, r->delimiter_len);
	if (!stop)
		return malformed(err, "the closing boundary is missing");
	result = part(user, head.name, head.file_name, head.content_type, data, (size_t)(stop - data), err);
	if (result < 0)
		return result;
	r->at = stop + r->delimiter_len;
	return 0;
}

int http_multipart_parse(const char *content_type, const uint8_t *body, size_t len, http_part_fn part,
			 void *user, struct err *err)
{
	struct reader r = { .at = body, .end = body + len };
	int result = boundary_read(content_type, &r, err);

	if (result >= 0)
		result = preamble_skip(&r, err);
	if (result < 0)
		return result;
	for (int parts = 0;; parts++) {
		result = delimiter_tail(&r, err);
		if (result <= 0)
			return result;
		if (parts == HTTP_PARTS_MAX)
			return malformed(err, "more than 64 parts");
		result = part_read(&r, part, user, err);
		if (result < 0)
			return result;
	}
}
