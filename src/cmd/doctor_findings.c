#include "cmd/doctor.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const status_names[] = {
	[FINDING_PRESENT] = "present",
	[FINDING_DEGRADED] = "degraded",
	[FINDING_MISSING] = "missing",
};

const char *finding_status_name(enum finding_status status)
{
	return status_names[status];
}

void finding_add(struct findings *to, const char *name, enum finding_status status, const char *mend,
		 const char *why, ...)
{
	struct finding *finding;
	va_list args;

	if (to->count == FINDINGS_MAX)
		return;
	finding = &to->list[to->count++];
	*finding = (struct finding){ .name = name, .status = status };
	va_start(args, why);
	vsnprintf(finding->why, sizeof(finding->why), why, args);
	va_end(args);
	if (status != FINDING_PRESENT)
		snprintf(finding->mend, sizeof(finding->mend), "%s", mend);
}
