/*
 * Lines of the history for which nobody waits: noted at once, and given to the worker when anything else is asked for
 * of their session, or with the next tick.
 */
#include "session/task.h"

#include "base/cleanup.h"

#include <string.h>

struct session_line {
	struct session_line *next;
	int64_t number;
	char *run, *detail;
};

/* On their way to the database. */
struct lining {
	struct session_task task;
	struct session_line *first;
	struct store_lines what;
	struct store_line lines[];
};

static void lines_free(struct session_line *line)
{
	while (line) {
		struct session_line *next = line->next;

		free(line->run);
		free(line->detail);
		free(line);
		line = next;
	}
}

bool session_line_add(struct session *session, int64_t number, char **run, char **detail)
{
	const struct store_line noted = { .run = *run, .detail = *detail, .number = number };
	struct session_line *line;

	if (!*run)
		return false;
	line = calloc(1, sizeof(*line));
	if (!line)
		return false;
	if (!session_store_note(session->all->options.store, session->key, &noted)) {
		free(line);
		/* It may be full. */
		sessions_lines_post(session->all);
		return false;
	}
	*line = (struct session_line){ .number = number, .run = TAKE_PTR(*run), .detail = TAKE_PTR(*detail) };
	if (session->lines_count++ == 0)
		session->first_line = line;
	else
		session->last_line->next = line;
	session->last_line = line;
	if (!session->first_untold)
		session->first_untold = line;
	return true;
}

void session_lines_tell(struct session *session)
{
	for (const struct session_line *line = TAKE_PTR(session->first_untold); line; line = line->next)
		session_tell_run(session, line->run);
}

void session_lines_drop(struct session *session)
{
	session->first_untold = NULL;
	lines_free(TAKE_PTR(session->first_line));
	if (session->lines_count > 0)
		session_store_noted(session->all->options.store, session->lines_count);
	session->lines_count = 0;
}

static int line_piece(struct session_task *task, struct session_store *store, struct err *err)
{
	const struct lining *lining = (const struct lining *)task;
	int r = session_store_lines(store, &lining->what, err);

	/* As with changes. */
	if (r == -ENOSPC && session_store_forget(store, NULL) == 0)
		r = session_store_lines(store, &lining->what, err);
	return r;
}

static void on_lined(struct session_task *task, struct session *session, const struct err *err)
{
	struct lining *lining = (struct lining *)task;

	/* Those that could not be written stay noted, for the next one that opens the database. */
	if (!err)
		session_store_noted(task->all->options.store, lining->what.count);
	lines_free(lining->first);
	free(lining);
}

void session_lines_post(struct session *session)
{
	size_t count = session->lines_count, bytes = 0, i = 0;
	struct lining *lining;

	if (count == 0)
		return;
	session_lines_tell(session);
	lining = calloc(1, sizeof(*lining) + count * sizeof(lining->lines[0]));
	if (!lining)
		return; /* they are noted */
	lining->task.piece = line_piece;
	lining->task.done = on_lined;
	lining->what = (struct store_lines){ .key = lining->task.key,
					     .lines = lining->lines,
					     .count = count,
					     .runs_kept = SESSION_RUNS_KEPT,
					     .past_bytes = SESSION_PAST_BYTES };
	for (const struct session_line *line = session->first_line; line; line = line->next, i++) {
		lining->lines[i] = (struct store_line){ .run = line->run,
							.detail = line->detail,
							.number = line->number };
		bytes += strlen(line->run) + (line->detail ? strlen(line->detail) : 0);
	}
	/* First, since what is posted asks for it. */
	session->lines_count = 0;
	lining->first = TAKE_PTR(session->first_line);
	if (session_task_post(session, &lining->task, bytes, NULL) == 0)
		return;
	session->lines_count = count;
	session->first_line = lining->first;
	free(lining);
}

void sessions_lines_post(struct sessions *all)
{
	for (struct session *s = all->first; s; s = s->next)
		session_lines_post(s);
}
