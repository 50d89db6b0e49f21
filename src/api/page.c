/*
 * GET /, and what the pages are made of: files in the program (page_files.h), compressed for who takes that.
 *
 * Names below /assets/ hold the hash of the content: those may be kept for ever. All else is asked for again, and
 * answered with 304 when it is the same. Nothing that a page shows can make it load or run anything from elsewhere,
 * even if it could slip in markup: the Content-Security-Policy allows files of this server, and images that the page
 * itself makes of collected files.
 */
#include "api/api_priv.h"

#include "api/page_files.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
	"require-trusted-types-for 'script'; trusted-types 'none'";

/* One page for each dojo: the name of the session is for the page's script. */
static const char *file_path(const char *path)
{
	static const char dojo[] = "/dojo/";
	const char *name = strncmp(path, dojo, strlen(dojo)) == 0 ? path + strlen(dojo) : "";

	return *name && !strchr(name, '/') ? "/dojo/session" : path;
}

static const struct page_file *file_find(const char *asked)
{
	const char *path = file_path(asked);

	for (unsigned long i = 0; i < page_files_count; i++) {
		if (strcmp(page_files[i].path, path) == 0)
			return &page_files[i];
	}
	return NULL;
}

/* The next item of a list with commas: its beginning, without blanks around it, and its length; NULL at the end. */
static const char *list_item(const char **rest, size_t *ret_len)
{
	const char *item = *rest + strspn(*rest, " \t,");
	size_t len = strcspn(item, ",");

	if (!*item)
		return NULL;
	*rest = item + len;
	while (len > 0 && (item[len - 1] == ' ' || item[len - 1] == '\t'))
		len--;
	*ret_len = len;
	return item;
}

/* RFC 9110, 12.5.3, as far as it matters here: gzip is named, and not with a weight of 0. */
static bool takes_gzip(const char *header)
{
	const char *item;
	size_t len;

	while (header && (item = list_item(&header, &len))) {
		size_t name = strcspn(item, "; \t,");
		const char *weight = memmem(item, len, "q=", 2);

		if (name != 4 || strncasecmp(item, "gzip", 4) != 0)
			continue;
		/* "q=0", "q=0.0", "q=0.000" */
		return !weight || strspn(weight + 2, "0.") != (size_t)(item + len - weight - 2);
	}
	return false;
}

/* RFC 9110, 13.1.2: weak comparison. */
static bool is_known(const char *header, const char *etag)
{
	const char *item;
	size_t len;

	while (header && (item = list_item(&header, &len))) {
		if (len == 1 && *item == '*')
			return true;
		if (len > 2 && strncmp(item, "W/", 2) == 0) {
			item += 2;
			len -= 2;
		}
		if (len == strlen(etag) && strncmp(item, etag, len) == 0)
			return true;
	}
	return false;
}

static void add_headers(struct http_request *request, const struct page_file *file, const char *etag)
{
	bool is_asset = strncmp(file->path, "/assets/", 8) == 0,
	     is_page = strncmp(file->type, "text/html", 9) == 0;
	bool is_widget = strcmp(file->path, "/kiln.js") == 0;

	http_respond_header(request, "ETag", etag);
	http_respond_header(request, "Vary", "Accept-Encoding");
	http_respond_header(request, "Cache-Control",
			    is_asset ? "public, max-age=31536000, immutable" : "no-cache");
	http_respond_header(request, "Referrer-Policy", "no-referrer");
	/* The widget is there for other sites. */
	http_respond_header(request, "Cross-Origin-Resource-Policy",
			    is_widget ? "cross-origin" : "same-origin");
	if (!is_page)
		return;
	http_respond_header(request, "Content-Security-Policy", policy);
	http_respond_header(request, "Cross-Origin-Opener-Policy", "same-origin");
	http_respond_header(request, "Permissions-Policy", "camera=(), geolocation=(), microphone=()");
}

void api_handle_page(struct http_request *request, void *user)
{
	const struct page_file *file = file_find(http_request_path(request));
	bool gzip = takes_gzip(http_request_header(request, "Accept-Encoding"));
	struct err err = ERR_INIT;
	char etag[40];

	if (!file) {
		err_refuse(&err, ERR_UNKNOWN, "not_found", NULL, "there is nothing at this path");
		http_respond_error(request, &err, 0);
		return;
	}
	/* Two forms of a file are two representations, and an ETag names one. */
	snprintf(etag, sizeof(etag), "\"%.16s%s\"", file->hash, gzip ? "-gzip" : "");
	add_headers(request, file, etag);
	if (is_known(http_request_header(request, "If-None-Match"), etag)) {
		http_respond_bytes(request, 304, NULL, NULL, 0);
		return;
	}
	if (gzip)
		http_respond_header(request, "Content-Encoding", "gzip");
	http_respond_bytes(request, 200, file->type, gzip ? file->gzip : file->plain,
			   gzip ? *file->gzip_size : *file->plain_size);
}
