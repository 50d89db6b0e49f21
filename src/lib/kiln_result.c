#include "lib/kiln_priv.h"

const char *kiln_run_outcome(const struct kiln_run *run)
{
	return run->result ? run_outcome_name(run->result->outcome) : NULL;
}

size_t kiln_run_steps(const struct kiln_run *run)
{
	return run->result ? run->result->steps_count : 0;
}

bool kiln_run_step(const struct kiln_run *run, size_t index, struct kiln_step *ret)
{
	const struct step_result *step;

	if (index >= kiln_run_steps(run) || !run->explanations)
		return false;
	step = &run->result->steps[index];
	*ret = (struct kiln_step){
		.name = step->name,
		.outcome = run_outcome_name(step->verdict.outcome),
		.explanation = step->error ? step->error : run->explanations[index],
		.exit_code = step->facts.started && !step->facts.signaled ? step->facts.exit_code : -1,
		.signal = step->facts.signaled ? step->facts.signal : 0,
		.stdout_data = step->out.data ? (const void *)step->out.data : "",
		.stdout_len = step->out.len,
		.stderr_data = step->err.data ? (const void *)step->err.data : "",
		.stderr_len = step->err.len,
		.stdout_truncated = step->out_truncated,
		.stderr_truncated = step->err_truncated,
		.wall_ms = step->facts.wall_us / 1000,
		.cpu_ms = step->facts.cpu_us / 1000,
		.memory_peak_bytes = step->facts.memory_peak_bytes,
		.processes_peak = step->facts.processes_peak,
	};
	return true;
}

const char *kiln_run_json(struct kiln_run *run)
{
	if (run->result && !run->json)
		run->json = result_to_text(run->result);
	return run->json;
}
