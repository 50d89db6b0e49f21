#include "light/light_priv.h"

#include "base/cleanup.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *light_colour_name(enum light_colour colour)
{
	static const char *const names[] = {
		[LIGHT_RED] = "red",
		[LIGHT_AMBER] = "amber",
		[LIGHT_GREEN] = "green",
		[LIGHT_FAULTY] = "faulty",
	};

	return names[colour];
}

int light_text_clean(const void *text, size_t len, size_t max_chars, struct buf *ret, bool *ret_truncated)
{
	const uint8_t *bytes = text;
	size_t begin = 0, at = 0, chars = 0;
	int r = 0;

	*ret_truncated = false;
	while (r == 0 && at < len) {
		uint32_t point;
		int step = utf8_decode(bytes + at, len - at, &point);

		if (step > 0 && chars == max_chars) {
			*ret_truncated = true;
			break;
		}
		if (step > 0) {
			at += (size_t)step;
			chars++;
			continue;
		}
		r = buf_append(ret, bytes + begin, at - begin);
		begin = ++at;
	}
	return r < 0 ? r : buf_append(ret, bytes + begin, at - begin);
}

/* The stream as it is judged: itself where it is clean, else what is left of it in `copy`. */
static int clean(const void *data, size_t len, struct buf *copy, struct text *ret)
{
	bool truncated;
	int r;

	if (len > LIGHT_TEXT_BYTES)
		len = LIGHT_TEXT_BYTES;
	*ret = (struct text){ len > 0 ? data : "", len };
	if (utf8_valid(ret->data, len))
		return 0;
	r = light_text_clean(data, len, SIZE_MAX, copy, &truncated);
	*ret = (struct text){ copy->len > 0 ? (const char *)copy->data : "", copy->len };
	return r;
}

static int join(struct light_texts *texts, struct buf *copy)
{
	int r;

	texts->both = texts->err.len == 0 ? texts->out : texts->err;
	if (texts->out.len == 0 || texts->err.len == 0)
		return 0;
	r = buf_append(copy, texts->out.data, texts->out.len);
	if (r == 0)
		r = buf_append(copy, texts->err.data, texts->err.len);
	texts->both = (struct text){ (const char *)copy->data, copy->len };
	return r;
}

void light_judge(const struct light *light, const struct light_input *input, struct light_verdict *ret)
{
	AUTO_BUF struct buf out = BUF_INIT(LIGHT_TEXT_BYTES), err = BUF_INIT(LIGHT_TEXT_BYTES);
	AUTO_BUF struct buf both = BUF_INIT(2 * LIGHT_TEXT_BYTES);
	struct light_texts texts = { .status = input->status };
	int r = clean(input->out, input->out_len, &out, &texts.out);

	if (r == 0)
		r = clean(input->err, input->err_len, &err, &texts.err);
	if (r == 0 && light->rules)
		r = join(&texts, &both);
	if (r < 0) {
		*ret = (struct light_verdict){ .colour = LIGHT_FAULTY };
		fault_no_memory(&ret->fault);
	} else if (light->rules) {
		rules_judge(light->rules, &texts, ret);
	} else {
		ruby_judge(light->ruby, &texts, ret);
	}
}

int light_compile_ruby(const char *source, size_t len, struct light **ret, struct light_fault *ret_fault)
{
	AUTO_FREE struct light *light = calloc(1, sizeof(*light));
	int r;

	if (!light)
		return fault_no_memory(ret_fault);
	if (!utf8_valid(source, len))
		return fault_set(ret_fault, LIGHT_WRONG, "the lambda is not UTF-8");
	light->refs = 1;
	r = ruby_compile((struct text){ source, len }, &light->ruby, ret_fault);
	if (r == 0)
		*ret = TAKE_PTR(light);
	return r;
}

struct light *light_ref(struct light *light)
{
	light->refs++;
	return light;
}

void light_unref(struct light *light)
{
	if (!light || --light->refs > 0)
		return;
	ruby_destroy(light->ruby);
	rules_destroy(light->rules);
	free(light);
}
