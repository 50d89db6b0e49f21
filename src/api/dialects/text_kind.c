#include "api/dialects/text_kind.h"

#include <errno.h>
#include <magic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define LOOK_BYTES (64 * 1024)

#define ENCODING_ONLY                                                                                        \
	(MAGIC_MIME_ENCODING | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_TAR | MAGIC_NO_CHECK_SOFT |          \
	 MAGIC_NO_CHECK_APPTYPE | MAGIC_NO_CHECK_ELF | MAGIC_NO_CHECK_TEXT | MAGIC_NO_CHECK_CDF |            \
	 MAGIC_NO_CHECK_CSV | MAGIC_NO_CHECK_TOKENS | MAGIC_NO_CHECK_JSON)

struct text_kind {
	magic_t magic;
	uv_mutex_t lock; /* a magic_t is for one thread at a time */
};

int text_kind_create(struct text_kind **ret, struct err *err)
{
	struct text_kind *kind = calloc(1, sizeof(*kind));

	if (!kind)
		return err_set(err, -ENOMEM, "text detection");
	if (uv_mutex_init(&kind->lock) < 0) {
		free(kind);
		return err_set(err, -ENOMEM, "text detection");
	}
	kind->magic = magic_open(ENCODING_ONLY);
	if (!kind->magic || magic_load(kind->magic, NULL) < 0) {
		int r = err_set(err, -ENOENT, "text detection: libmagic: %s",
				kind->magic ? magic_error(kind->magic) : "out of memory");

		text_kind_destroy(kind);
		return r;
	}
	*ret = kind;
	return 0;
}

bool text_kind_is_text(struct text_kind *kind, const void *data, size_t len)
{
	const char *encoding;
	bool text;

	if (len <= 1)
		return true;
	uv_mutex_lock(&kind->lock);
	encoding = magic_buffer(kind->magic, data, len < LOOK_BYTES ? len : LOOK_BYTES);
	text = encoding && !strstr(encoding, "binary");
	uv_mutex_unlock(&kind->lock);
	return text;
}

void text_kind_destroy(struct text_kind *kind)
{
	if (!kind)
		return;
	if (kind->magic)
		magic_close(kind->magic);
	uv_mutex_destroy(&kind->lock);
	free(kind);
}
