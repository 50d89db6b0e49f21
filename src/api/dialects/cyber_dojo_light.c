/* Where traffic lights come from, and what they say. */
#include "api/dialects/cyber_dojo_priv.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
