#include "api/sessions_priv.h"
#include "base/strv.h"
#include "run/request_read.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The body of POST /v1/sessions/{id}/runs: a run of somebody, or a refusal that can be shown. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct session_run_words words = { 0 };
	struct run_request request = { 0 };
	struct err err = ERR_INIT;
	json_t *body = NULL;
	int r = request_json_load((const char *)data, len, &body, &err);

	/* As session_body_read() has it: what is no object has no fields. */
	if (r == 0)
		r = session_run_read(body, &words, &request, &err);
	json_decref(body);
	if (r == 0) {
		assert(words.user_name && !request.language && !request.image);
		for (size_t i = 0; i < strv_len(words.remove); i++)
			assert(words.remove[i][0] && words.remove[i][0] != '/');
	} else {
		assert(r == -EINVAL && err.slug && err.text[0]);
		for (const char *c = err.text; *c; c++)
			assert((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
	free(words.user_name);
	strv_free(words.remove);
	request_finish(&request);
	return 0;
}
