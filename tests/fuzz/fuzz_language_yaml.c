/*
 * Any bytes as a language file: read or refused with a sentence, and what was read must keep what its readers rely on.
 */
#include "run/language_priv.h"

#include "base/strv.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct language_list list;
	struct err err = ERR_INIT;

	if (language_parse("fuzz.yaml", data, size, &list, &err) < 0) {
		assert(err.code < 0 && err.text[0]);
		return 0;
	}
	assert(list.count > 0);
	for (size_t i = 0; i < list.count; i++) {
		const struct language *language = &list.items[i];

		assert(language->id[0] && language->image[0] && language->source_file[0] != '/');
		assert(strcmp(language->id, list.items[0].id) == 0);
		assert(language->run.command && language->run.command[0]);
		assert(language->version && strlen(language->version) < 64);
		assert(language->hello || language->start.names);
		assert(strv_len(language->start.names) == strv_len(language->start.texts));
		language_version_fits(language->version, language->hello);
	}
	language_list_finish(&list);
	return 0;
}
