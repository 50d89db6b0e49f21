/* Where traffic lights come from, and what they say. */
#include "api/dialects/cyber_dojo_priv.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void source_free(struct dojo_source *source)
{
	free(source->image);
	free(source->text);
	free(source);
}

const struct dojo_source *dojo_source_find(struct cyber_dojo *dojo, const char *image)
{
	for (struct dojo_source **link = &dojo->sources; *link; link = &(*link)->next) {
		struct dojo_source *source = *link;

		if (strcmp(source->image, image) != 0)
			continue;
		*link = source->next;
		source->next = dojo->sources;
		dojo->sources = source;
		return source;
	}
	return NULL;
}

static void forget_last(struct cyber_dojo *dojo)
{
	struct dojo_source **link = &dojo->sources;

	while ((*link)->next)
		link = &(*link)->next;
	dojo->sources_count--;
	dojo->sources_bytes -= (*link)->len;
	source_free(*link);
	*link = NULL;
}

void dojo_source_keep(struct cyber_dojo *dojo, const char *image, const char *text, size_t len)
{
	struct dojo_source *source;

	if (len > DOJO_LIGHTS_CACHED_BYTES || dojo_source_find(dojo, image))
		return;
	while (dojo->sources && (dojo->sources_count >= DOJO_LIGHTS_CACHED ||
				 dojo->sources_bytes + len > DOJO_LIGHTS_CACHED_BYTES))
		forget_last(dojo);
	source = calloc(1, sizeof(*source));
	if (!source)
		return;
	source->image = strdup(image);
	source->text = malloc(len ? len : 1);
	source->len = len;
	if (!source->image || !source->text) {
		source_free(source);
		return;
	}
	memcpy(source->text, text, len);
	source->next = dojo->sources;
	dojo->sources = source;
	dojo->sources_count++;
	dojo->sources_bytes += len;
}

void dojo_sources_free(struct cyber_dojo *dojo)
{
	while (dojo->sources)
		forget_last(dojo);
}

struct light_input dojo_light_input(const struct dojo_call *call)
{
	return (struct light_input){
		.out = call->out.data,
		.out_len = call->out.len,
		.err = call->err.data,
		.err_len = call->err.len,
		.status = dojo_status_of(call->result),
	};
}

static void blame(struct dojo_call *call, const struct light_fault *fault, bool called)
{
	call->unsupported = fault->kind == LIGHT_UNSUPPORTED;
	dojo_light_blame(&call->light, fault, called);
}

void dojo_light_take(struct dojo_light *light, const struct run_ruby_verdict *verdict)
{
	static const enum dojo_fault faults[] = {
		[RUN_RUBY_NONE] = DOJO_FAULT_NONE,
		[RUN_RUBY_SOURCE] = DOJO_FAULT_SOURCE,
		[RUN_RUBY_CALL] = DOJO_FAULT_CALL,
		[RUN_RUBY_COLOUR] = DOJO_FAULT_COLOUR,
	};

	light->fault = faults[verdict->fault];
	light->colour = verdict->colour;
	snprintf(light->class_name, sizeof(light->class_name), "%s", verdict->class_name);
	buf_finish(&light->message);
	light->message = BUF_INIT(verdict->message_len);
	if (buf_append(&light->message, verdict->message, verdict->message_len) < 0)
		light->message.len = 0;
}

void dojo_light_judge(struct dojo_call *call)
{
	const struct light_input input = dojo_light_input(call);
	struct dojo_light *light = &call->light;
	struct light_verdict verdict = { 0 };

	if (light->fault != DOJO_FAULT_NONE || call->judged)
		return;
	call->judged = true;
	if (!call->compiled) {
		if (light_compile_ruby(light->source, light->source_len, &call->compiled, &verdict.fault) <
		    0) {
			blame(call, &verdict.fault, false);
			return;
		}
		call->compiled_here = true;
	}
	light_judge(call->compiled, &input, &verdict);
	light->colour = verdict.colour;
	if (verdict.colour == LIGHT_FAULTY)
		blame(call, &verdict.fault, true);
}
