/*
 * Any bytes as a language file: read or refused with a sentence, and what was read must keep what its readers rely on.
 */
#include "run/language_priv.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct language language;
	struct err err = ERR_INIT;

	if (language_parse("fuzz.yaml", data, size, &language, &err) < 0) {
		assert(err.code < 0 && err.text[0]);
		return 0;
	}
	assert(language.id[0] && language.image[0] && language.source_file[0] != '/');
	assert(language.run.command && language.run.command[0]);
	assert(language.version && strlen(language.version) < 64);
	language_version_fits(language.version, language.hello);
	language_finish(&language);
	return 0;
}
