/*
 * What a client sends: text messages are gathered and parsed, binary ones pass through to the run that their head
 * names, as they come. A frame for a run that is over is one that met its result on the way, and is nothing; one for a
 * run that never was, or that does not fit the run's state, ends the connection.
 */
#include "api/ws_priv.h"

#include "base/utf8.h"

#include <errno.h>

#define CODE_POLICY 1008

static uint32_t head_number(const uint8_t head[WS_HEAD_BYTES])
{
	return (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
}

/* The run that a message is about; NULL: it is over, or the connection is. */
static struct ws_run *find(struct ws *ws, uint32_t number)
{
	struct ws_run *run = ws_run_find(ws, number);

	if (!run && !ws_run_was(ws, number))
		ws_break(ws, CODE_POLICY, "run %u: there is none of this number", number);
	return run;
}

/* ---- text ---- */

static void on_start(struct ws *ws, struct run_message *message)
{
	if (ws_run_find(ws, message->run))
		ws_break(ws, CODE_POLICY, "run %u: there is one of this number already", message->run);
	else
		ws_run_start(ws, message);
}

static void on_stdin_eof(struct ws *ws, struct run_message *message)
{
	struct ws_run *run = find(ws, message->run);

	if (!run)
		return;
	if (!run->takes_stdin || run->stdin_ended)
		ws_break(ws, CODE_POLICY, "run %u: stdin_eof, but %s", run->number,
			 run->takes_stdin ? "its stdin has ended" : "its stdin does not follow");
	else
		ws_run_stdin_eof(run);
}

static void on_cancel(struct ws *ws, struct run_message *message)
{
	struct ws_run *run = find(ws, message->run);

	if (run)
		ws_run_cancel(run);
}

static void on_resize(struct ws *ws, struct run_message *message)
{
	struct ws_run *run = find(ws, message->run);

	if (run && run->has_tty)
		ws_run_resize(run, &message->size);
	else if (run)
		ws_break(ws, CODE_POLICY, "run %u: has no terminal", run->number);
}

static void on_signal(struct ws *ws, struct run_message *message)
{
	struct ws_run *run = find(ws, message->run);

	if (run)
		ws_run_signal(run, message->signal);
}

static void (*const handlers[RUN_MESSAGE_TYPES])(struct ws *ws, struct run_message *message) = {
	[RUN_MESSAGE_START] = on_start,	  [RUN_MESSAGE_STDIN_EOF] = on_stdin_eof,
	[RUN_MESSAGE_CANCEL] = on_cancel, [RUN_MESSAGE_RESIZE] = on_resize,
	[RUN_MESSAGE_SIGNAL] = on_signal,
};

static void text_came(struct ws *ws)
{
	struct run_message message;
	struct err err = ERR_INIT;
	int r = run_message_parse(ws->text.data ? (const char *)ws->text.data : "", ws->text.len,
				  &request_bounds_default, &message, &err);

	ws_gathered_free(ws, &ws->text);
	if (r == 0)
		handlers[message.type](ws, &message);
	else if (message.request_refused && !ws_run_find(ws, message.run))
		ws_refuse(ws, message.run, &err);
	else
		ws_break(ws, CODE_POLICY, "%s", err.text);
	run_message_finish(&message);
}

/* ---- binary ---- */

/* What is wrong with a binary message for this run, or NULL. */
static const char *target_fault(const struct ws_run *run, unsigned channel)
{
	if (channel > WS_STDIN)
		return "there is no such channel: 0 is the archive, 1 is stdin";
	if (channel == WS_ARCHIVE && run->state != WS_RUN_ARCHIVE)
		return "no archive is awaited";
	if (channel == WS_STDIN && !run->takes_stdin)
		return "its stdin does not follow";
	if (channel == WS_STDIN && run->stdin_ended)
		return "its stdin has ended";
	return NULL;
}

static void head_came(struct ws *ws)
{
	struct ws_run *run = find(ws, head_number(ws->head));
	const char *fault = run ? target_fault(run, ws->head[4]) : NULL;

	if (fault) {
		ws_break(ws, CODE_POLICY, "run %u: %s", run->number, fault);
		return;
	}
	ws->target = run;
	ws->channel = (enum ws_channel)ws->head[4];
}

/* Takes the head off a binary message; false: it is not complete, or the connection is over. */
static bool head_take(struct ws *ws, const uint8_t **data, size_t *len)
{
	if (ws->head_len == WS_HEAD_BYTES)
		return true;
	while (ws->head_len<WS_HEAD_BYTES && * len> 0) {
		ws->head[ws->head_len++] = *(*data)++;
		(*len)--;
	}
	if (ws->head_len == WS_HEAD_BYTES)
		head_came(ws);
	return ws->head_len == WS_HEAD_BYTES;
}

static void binary_came(struct ws *ws, const uint8_t *data, size_t len, bool last)
{
	struct ws_run *run;

	if (!head_take(ws, &data, &len)) {
		if (last)
			ws_break(ws, CODE_POLICY,
				 "a binary message begins with 4 bytes of the run's number and one of the "
				 "channel");
		return;
	}
	run = ws->target;
	if (run && ws->channel == WS_STDIN && len > 0)
		ws_run_stdin(run, data, len);
	else if (run && ws->channel == WS_ARCHIVE && !ws_gather(ws, &run->archive, data, len))
		return;
	if (!last)
		return;
	ws->head_len = 0;
	ws->target = NULL;
	if (run && ws->channel == WS_ARCHIVE)
		ws_run_archive_came(run);
}

void ws_data(void *user, bool binary, const uint8_t *data, size_t len, bool last)
{
	struct ws *ws = user;

	if (binary)
		binary_came(ws, data, len, last);
	else if (ws_gather(ws, &ws->text, data, len) && last)
		text_came(ws);
}
