#include "base/cleanup.h"
#include "run/message.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A text message of a live connection: one that can be acted upon, or a refusal that can be shown. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct request_bounds bounds = {
		.files = 16, .files_bytes = 4096, .steps = 4, .args_bytes = 1024, .stdin_bytes = 512
	};
	struct run_message message;
	struct err err = ERR_INIT;
	int r = run_message_parse((const char *)data, len, &bounds, &message, &err);

	if (r == 0) {
		const struct engine_tty *tty = &message.request.tty;

		assert(message.type < RUN_MESSAGE_TYPES && !message.request_refused);
		assert((message.type == RUN_MESSAGE_START) ==
		       (message.request.language || message.request.image));
		assert(message.type != RUN_MESSAGE_SIGNAL || (message.signal > 0 && message.signal < NSIG));
		assert((message.type == RUN_MESSAGE_RESIZE) == (message.size.rows > 0));
		assert(!message.size.rows == !message.size.cols && !tty->rows == !tty->cols);
		assert(tty->rows <= RUN_MESSAGE_TTY_MAX && tty->cols <= RUN_MESSAGE_TTY_MAX);
	} else {
		assert(r == -EINVAL && err.slug && err.text[0]);
		assert(!message.request_refused || message.type == RUN_MESSAGE_START);
		for (const char *c = err.text; *c; c++)
			assert((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
	run_message_finish(&message);
	return 0;
}
