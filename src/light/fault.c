#include "light/light_priv.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is quoted in a sentence comes from strangers, and may have been cut in the middle of a character. */
static void make_showable(char *text)
{
	size_t valid = 0;
	bool utf8 = utf8_valid_but_tail(text, strlen(text), &valid);

	if (utf8)
		text[valid] = '\0';
	for (char *c = text; *c; c++) {
		unsigned char byte = (unsigned char)*c;

		if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !utf8))
			*c = '?';
	}
}

int fault_set(struct light_fault *fault, enum light_fault_kind kind, const char *format, ...)
{
	va_list args;

	*fault = (struct light_fault){ .kind = kind };
	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	make_showable(fault->text);
	return kind == LIGHT_NO_MEMORY ? -ENOMEM : -EINVAL;
}

int fault_no_memory(struct light_fault *fault)
{
	return fault_set(fault, LIGHT_NO_MEMORY, "out of memory");
}

void light_fault_explain(const struct light_fault *fault, char *text, size_t size)
{
	const char *kind = fault->kind == LIGHT_UNSUPPORTED ? "not supported: " : "";

	if (fault->line > 0)
		snprintf(text, size, "line %u, column %u: %s%s", fault->line, fault->column, kind,
			 fault->text);
	else
		snprintf(text, size, "%s%s", kind, fault->text);
}
