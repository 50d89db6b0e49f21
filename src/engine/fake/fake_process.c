/* What a program of the fake engine can do. */
#include "engine/fake/fake_priv.h"

#include "base/strv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

char *const *fake_process_argv(const struct fake_process *process)
{
	return process->argv;
}

char *const *fake_process_envp(const struct fake_process *process)
{
	return process->envp;
}

const void *fake_process_file(const struct fake_process *process, const char *name, size_t *ret_len)
{
	const struct fake_file *file = fake_file_find(process->sb, name);

	if (!file || file->removed || file->is_dir)
		return NULL;
	*ret_len = file->len;
	return file->data;
}

void fake_process_print(struct fake_process *process, int stream, const void *data, size_t len)
{
	struct fake_event *event;

	assert(!process->ending && (stream == 1 || stream == 2));
	if (stream == 1)
		process->facts.stdout_bytes += len;
	else
		process->facts.stderr_bytes += len;
	event = fake_post(process->sb, FAKE_EVENT_OUTPUT);
	event->stream = stream;
	event->data = fake_copy(data, len);
	event->len = len;
}

void fake_process_write(struct fake_process *process, const char *name, const void *data, size_t len,
			uint32_t mode)
{
	const struct engine_file file = { .name = name, .data = data, .len = len, .mode = mode };

	fake_file_put(process->sb, &file, false);
}

void fake_process_remove(struct fake_process *process, const char *name)
{
	struct fake_file *file = fake_file_find(process->sb, name);

	if (file)
		file->removed = true;
}

void fake_process_want(struct fake_process *process, size_t len)
{
	fake_post(process->sb, FAKE_EVENT_STDIN_WANTED)->len = len;
}

struct engine_tty fake_process_tty(const struct fake_process *process)
{
	return process->tty;
}

int fake_process_signal(const struct fake_process *process)
{
	return process->signal;
}

bool fake_process_is_held(const struct fake_process *process)
{
	return process->held;
}

void fake_process_exit(struct fake_process *process, int exit_code)
{
	struct step_facts facts = process->facts;

	facts.exit_code = exit_code;
	fake_process_end(process, &facts, NULL);
}

void fake_process_end(struct fake_process *process, const struct step_facts *facts, const struct err *err)
{
	struct fake_event *event;

	assert(!process->ending);
	process->ending = true;
	event = fake_post(process->sb, FAKE_EVENT_STEP_ENDED);
	event->facts = *facts;
	event->has_err = err != NULL;
	if (err)
		event->err = *err;
}

void fake_process_destroy(struct fake_process *process)
{
	if (!process)
		return;
	strv_free(process->argv);
	strv_free(process->envp);
	free(process);
}
