/*
 * How it works: PCRE2's own limits count per starting point and see nothing of what a possessive run skips, so every
 * pattern is compiled with automatic callouts: PCRE2 calls before each item, tells where it is, and the meter is
 * charged for the call and for the way since the last one. That bounds the work of a match, backtracking and scanning
 * alike, without a clock. The just-in-time compiler is used where the process may have executable memory (the server's
 * front may not), and a match that does not fit onto its stack is tried again without.
 */
#include "light/light_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>

#define CALLOUT_WORK	 8
#define MATCH_WORK	 64
#define HEAP_KIB	 (32 * 1024)
#define BACKTRACKS	 10000000
#define PARENTHESES_DEEP 100

static void compile_context_free(pcre2_compile_context **context)
{
	pcre2_compile_context_free(*context);
}

static void match_context_free(pcre2_match_context **context)
{
	pcre2_match_context_free(*context);
}

static const struct {
	uint32_t ours, theirs;
} option_names[] = {
	{ PATTERN_CASELESS, PCRE2_CASELESS },
	{ PATTERN_EXTENDED, PCRE2_EXTENDED },
	{ PATTERN_DOTALL, PCRE2_DOTALL },
};

static uint32_t pcre_options(uint32_t options)
{
	uint32_t result = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C |
			  PCRE2_AUTO_CALLOUT;

	for (size_t i = 0; i < ARRAY_LEN(option_names); i++)
		result |= options & option_names[i].ours ? option_names[i].theirs : 0;
	return result;
}

/* PCRE2's faults that are Ruby's too; all others may come from what one knows and the other does not. */
static bool wrong_in_ruby_too(int error)
{
	static const int errors[] = {
		PCRE2_ERROR_MISSING_CLOSING_PARENTHESIS, PCRE2_ERROR_UNMATCHED_CLOSING_PARENTHESIS,
		PCRE2_ERROR_MISSING_SQUARE_BRACKET,	 PCRE2_ERROR_QUANTIFIER_OUT_OF_ORDER,
		PCRE2_ERROR_CLASS_RANGE_ORDER,		 PCRE2_ERROR_END_BACKSLASH,
	};

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		if (errors[i] == error)
			return true;
	}
	return false;
}

/* Returns 0, or PCRE2's error with its place in *ret_offset. */
static int compile(struct text source, uint32_t options, struct pattern *ret, size_t *ret_offset)
{
	__attribute__((cleanup(compile_context_free))) pcre2_compile_context *context =
		pcre2_compile_context_create(NULL);
	int error = PCRE2_ERROR_HEAP_FAILED;
	pcre2_code *code;

	if (!context)
		return error;
	pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	pcre2_set_bsr(context, PCRE2_BSR_UNICODE);
	pcre2_set_parens_nest_limit(context, PARENTHESES_DEEP);
	code = pcre2_compile((PCRE2_SPTR)(source.len > 0 ? source.data : ""), source.len,
			     pcre_options(options), &error, ret_offset, context);
	if (!code)
		return error;
	*ret = (struct pattern){ .code = code, .options = options };
	pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &ret->groups);
	pcre2_pattern_info(code, PCRE2_INFO_SIZE, &ret->bytes);
	/* Where there can be no executable memory the pattern is interpreted. */
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return 0;
}

size_t patterns_bytes_max(size_t source_len)
{
	return 65536 + 16 * source_len;
}

static int check_length(struct text source, struct light_fault *fault)
{
	if (source.len <= LIGHT_PATTERN_BYTES)
		return 0;
	return fault_set(fault, LIGHT_LIMIT, "a regular expression has %zu bytes, of at most %d", source.len,
			 LIGHT_PATTERN_BYTES);
}

int pattern_compile(struct text source, uint32_t options, struct pattern *ret, struct light_fault *fault)
{
	PCRE2_UCHAR message[160];
	size_t offset = 0;
	int error, r = check_length(source, fault);

	if (r < 0)
		return r;
	error = compile(source, options, ret, &offset);
	if (error == 0)
		return 0;
	if (error == PCRE2_ERROR_HEAP_FAILED)
		return fault_no_memory(fault);
	pcre2_get_error_message(error, message, sizeof(message));
	return fault_set(fault, LIGHT_WRONG, "the regular expression is wrong at byte %zu: %s", offset,
			 (const char *)message);
}

int pattern_compile_ruby(struct text source, uint32_t options, struct pattern *ret, struct light_fault *fault)
{
	AUTO_BUF struct buf translated = BUF_INIT(16 * LIGHT_PATTERN_BYTES);
	PCRE2_UCHAR message[160];
	size_t offset;
	int error, r = check_length(source, fault);

	if (r == 0)
		r = regex_translate(source, options, &translated, fault);
	if (r < 0)
		return r;
	error = compile((struct text){ (const char *)translated.data, translated.len },
			options & ~(uint32_t)PATTERN_EXTENDED, ret, &offset);
	ret->options = options;
	if (error == 0)
		return 0;
	if (error == PCRE2_ERROR_HEAP_FAILED)
		return fault_no_memory(fault);
	pcre2_get_error_message(error, message, sizeof(message));
	return fault_set(fault, wrong_in_ruby_too(error) ? LIGHT_WRONG : LIGHT_UNSUPPORTED,
			 "a regular expression that cannot be compiled here: %s", (const char *)message);
}

void pattern_finish(struct pattern *pattern)
{
	pcre2_code_free(pattern->code);
	pattern->code = NULL;
}

/* Where the last callout was, and what it is charged to. */
struct watch {
	struct meter *meter;
	size_t at;
};

static int on_callout(pcre2_callout_block *block, void *user)
{
	struct watch *watch = user;
	size_t now = block->current_position;
	size_t way = now > watch->at ? now - watch->at : watch->at - now;

	watch->at = now;
	return meter_take(watch->meter, CALLOUT_WORK + way) ? 0 : PCRE2_ERROR_MATCHLIMIT;
}

static int explain_match(int error, struct light_fault *fault)
{
	PCRE2_UCHAR message[160];

	switch (error) {
	case PCRE2_ERROR_MATCHLIMIT:
	case PCRE2_ERROR_DEPTHLIMIT:
		return fault_set(fault, LIGHT_LIMIT, "a regular expression takes too long on this output");
	case PCRE2_ERROR_HEAPLIMIT:
		return fault_set(fault, LIGHT_LIMIT,
				 "a regular expression needs too much memory on this output");
	case PCRE2_ERROR_NOMEMORY:
		return fault_no_memory(fault);
	default:
		pcre2_get_error_message(error, message, sizeof(message));
		return fault_set(fault, LIGHT_UNSUPPORTED, "a regular expression that failed: %s",
				 (const char *)message);
	}
}

int pattern_match(const struct pattern *pattern, struct text subject, size_t start, pcre2_match_data *data,
		  struct meter *meter, struct light_fault *fault)
{
	__attribute__((cleanup(match_context_free))) pcre2_match_context *context =
		pcre2_match_context_create(NULL);
	PCRE2_SPTR bytes = (PCRE2_SPTR)(subject.len > 0 ? subject.data : "");
	struct watch watch = { .meter = meter, .at = start };
	int r;

	if (!context)
		return fault_no_memory(fault);
	/* Start optimisations look through the whole rest before the first callout. */
	if (!meter_take(meter, MATCH_WORK + (subject.len - start) / 8))
		return explain_match(PCRE2_ERROR_MATCHLIMIT, fault);
	pcre2_set_match_limit(context, BACKTRACKS);
	pcre2_set_heap_limit(context, HEAP_KIB);
	pcre2_set_callout(context, on_callout, &watch);
	r = pcre2_match(pattern->code, bytes, subject.len, start, PCRE2_NO_UTF_CHECK, data, context);
	if (r == PCRE2_ERROR_JIT_STACKLIMIT)
		r = pcre2_match(pattern->code, bytes, subject.len, start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
				data, context);
	if (r == PCRE2_ERROR_NOMATCH)
		return 0;
	return r < 0 ? explain_match(r, fault) : 1;
}
