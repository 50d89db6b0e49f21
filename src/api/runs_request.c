/*
 * The three shapes of a run request: JSON, a form with the archive beside it, a raw archive with the JSON in
 * the query.
 */
#include "api/api_priv.h"

#include "base/cleanup.h"
#include "run/request.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static int read_json(const struct http_request *request, struct run_request *ret, struct err *err)
{
	size_t len;
	const uint8_t *body = http_request_body(request, &len);

	return request_parse((const char *)body, len, &request_bounds_default, ret, err);
}

/* What the parts of a form are; they lie in the request's body and stay there. */
struct form {
	const uint8_t *run, *archive;
	size_t run_len, archive_len;
};

static int form_part(void *user, const char *name, const char *file_name, const char *content_type,
		     const uint8_t *data, size_t len, struct err *err)
{
	struct form *form = user;
	bool is_run = strcmp(name, "run") == 0;
	const uint8_t **to = is_run ? &form->run : &form->archive;

	if (!is_run && strcmp(name, "archive") != 0)
		return err_refuse(err, ERR_MALFORMED, "unknown_field", name,
				  "a form has the parts \"run\" and \"archive\", not \"%.64s\"", name);
	if (*to)
		return err_refuse(err, ERR_MALFORMED, "duplicate_field", name,
				  "the form has this part twice");
	*to = data;
	*(is_run ? &form->run_len : &form->archive_len) = len;
	return 0;
}

static int read_form(const struct http_request *request, struct run_request *ret, struct err *err)
{
	struct form form = { 0 };
	int r = http_request_multipart(request, form_part, &form, err);

	if (r < 0)
		return r;
	if (!form.run)
		return err_refuse(err, ERR_MALFORMED, "missing_field", "run",
				  "the form has no part \"run\" with the JSON");
	r = request_parse((const char *)form.run, form.run_len, &request_bounds_default, ret, err);
	if (r < 0 || !form.archive)
		return r;
	if (ret->archive_given)
		return err_refuse(err, ERR_MALFORMED, "duplicate_field", "archive",
				  "the archive is given in the JSON and as a part of the form");
	return request_add_archive(ret, form.archive, form.archive_len, &request_bounds_default, err);
}

static int read_raw(const struct http_request *request, struct run_request *ret, struct err *err)
{
	const char *json = http_request_query(request, "run");
	size_t len;
	const uint8_t *body = http_request_body(request, &len);
	int r;

	if (!json)
		return err_refuse(
			err, ERR_MALFORMED, "missing_field", "run",
			"with an archive as the body, the JSON goes into the query parameter \"run\"");
	r = request_parse(json, strlen(json), &request_bounds_default, ret, err);
	if (r < 0)
		return r;
	if (ret->archive_given)
		return err_refuse(err, ERR_MALFORMED, "duplicate_field", "archive",
				  "the archive is given in the JSON and as the body");
	return request_add_archive(ret, body, len, &request_bounds_default, err);
}

static const struct {
	const char *type;
	int (*read)(const struct http_request *request, struct run_request *ret, struct err *err);
} shapes[] = {
	{ "application/json", read_json }, { "multipart/form-data", read_form },
	{ "application/gzip", read_raw },  { "application/x-tar", read_raw },
	{ "application/zip", read_raw },
};

/* Compares a media type without its parameters (RFC 9110, 8.3.1). */
static bool type_is(const char *header, const char *type)
{
	size_t len = strlen(type);

	if (strncasecmp(header, type, len) != 0)
		return false;
	return strchr(" \t;", header[len]) != NULL;
}

int api_request_read(const struct http_request *request, struct run_request *ret, struct err *err)
{
	const char *type = http_request_header(request, "Content-Type");
	const char *encoding = http_request_header(request, "Content-Encoding");

	*ret = (struct run_request){ 0 };
	if (encoding && strcasecmp(encoding, "identity") != 0)
		return err_refuse(err, ERR_TYPE, "unsupported_encoding", NULL,
				  "the body must not have a content encoding");
	for (size_t i = 0; type && i < ARRAY_LEN(shapes); i++) {
		if (!type_is(type, shapes[i].type))
			continue;
		if (shapes[i].read != read_raw && http_request_query(request, "run"))
			return err_refuse(err, ERR_MALFORMED, "duplicate_field", "run",
					  "the JSON is given in the body and in the query");
		return shapes[i].read(request, ret, err);
	}
	return err_refuse(err, ERR_TYPE, "unsupported_type", NULL,
			  "the body must be application/json, multipart/form-data, application/gzip, "
			  "application/x-tar or application/zip");
}
