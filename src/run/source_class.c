/*
 * How it works: a tokenizer passes over comments, strings and characters, counts braces and brackets, and hands words
 * and signs to `on_token`, which remembers what stood before: "public" up to the next declaration, the keyword of a
 * declaration until its name, "void" until "main" and its bracket.
 */
#include "run/source_class.h"

#include <stdio.h>
#include <string.h>

struct scanner {
	const uint8_t *data;
	size_t len, at;
	size_t braces, brackets;
	struct source_class *found;
	char type[SOURCE_CLASS_MAX]; /* the top-level type that it is in or behind */
	bool is_public, in_package;
	bool names_type; /* the next word is the name of a type */
	int main_seen;	 /* 1: "void", 2: "void main" */
};

struct token {
	const char *text;
	size_t len;
};

static bool is_word_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '$' || c >= 0x80;
}

static bool looking_at(const struct scanner *s, const char *text)
{
	size_t len = strlen(text);

	return s->len - s->at >= len && memcmp(s->data + s->at, text, len) == 0;
}

/* Steps behind the next `end`, or to the end of the file. */
static void pass_until(struct scanner *s, const char *end, bool escapes)
{
	while (s->at < s->len && !looking_at(s, end))
		s->at += escapes && s->data[s->at] == '\\' && s->at + 1 < s->len ? 2 : 1;
	s->at = s->at < s->len ? s->at + strlen(end) : s->len;
}

/* A literal of one line ends with it, whether it is closed or not. */
static void pass_quoted(struct scanner *s, char quote)
{
	for (s->at++; s->at < s->len && s->data[s->at] != '\n'; s->at++) {
		if (s->data[s->at] == '\\' && s->at + 1 < s->len)
			s->at++;
		else if (s->data[s->at] == (uint8_t)quote)
			break;
	}
	s->at += s->at < s->len;
}

/* True when something that is no token stood here and was passed. */
static bool pass_silent(struct scanner *s)
{
	static const struct {
		const char *begin, *end;
		bool escapes;
	} spans[] = { { "//", "\n", false }, { "/*", "*/", false }, { "\"\"\"", "\"\"\"", true } };

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		if (!looking_at(s, spans[i].begin))
			continue;
		s->at += strlen(spans[i].begin);
		pass_until(s, spans[i].end, spans[i].escapes);
		return true;
	}
	if (s->data[s->at] == '"' || s->data[s->at] == '\'') {
		pass_quoted(s, (char)s->data[s->at]);
		return true;
	}
	if (s->data[s->at] <= ' ') {
		s->at++;
		return true;
	}
	return false;
}

static bool is(struct token token, const char *word)
{
	return strlen(word) == token.len && memcmp(word, token.text, token.len) == 0;
}

static bool begins_type(struct token token)
{
	static const char *const words[] = { "class", "interface", "enum", "record" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (is(token, words[i]))
			return true;
	}
	return false;
}

static void copy(char ret[SOURCE_CLASS_MAX], struct token token)
{
	if (token.len < SOURCE_CLASS_MAX)
		snprintf(ret, SOURCE_CLASS_MAX, "%.*s", (int)token.len, token.text);
	else
		ret[0] = '\0';
}

/* A package's name comes in words and dots. */
static void add_to_package(struct scanner *s, struct token token)
{
	char *package = s->found->package;
	size_t have = strlen(package);

	if (have + token.len < SOURCE_CLASS_MAX)
		snprintf(package + have, SOURCE_CLASS_MAX - have, "%.*s", (int)token.len, token.text);
}

static void on_top_level(struct scanner *s, struct token token)
{
	if (s->in_package) {
		if (is(token, ";"))
			s->in_package = false;
		else
			add_to_package(s, token);
	} else if (s->names_type) {
		s->names_type = false;
		copy(s->type, token);
		if (s->is_public && !s->found->public_type[0])
			copy(s->found->public_type, token);
		s->is_public = false;
	} else if (is(token, "package")) {
		s->in_package = true;
	} else if (is(token, "public")) {
		s->is_public = true;
	} else if (is(token, ";")) {
		s->is_public = false;
	} else if (s->brackets == 0 && begins_type(token)) {
		s->names_type = true;
	}
}

/* "void main (" directly in a type is its main method. */
static void watch_for_main(struct scanner *s, struct token token)
{
	if (is(token, "void"))
		s->main_seen = 1;
	else if (s->main_seen == 1 && is(token, "main"))
		s->main_seen = 2;
	else if (s->main_seen == 2 && is(token, "(") && !s->found->main_type[0])
		snprintf(s->found->main_type, SOURCE_CLASS_MAX, "%s", s->type);
	else
		s->main_seen = 0;
}

static void on_token(struct scanner *s, struct token token)
{
	if (s->braces == 1)
		watch_for_main(s, token);
	if (s->braces == 0)
		on_top_level(s, token);
	if (is(token, "{"))
		s->braces++;
	else if (is(token, "}") && s->braces > 0)
		s->braces--;
	else if (is(token, "("))
		s->brackets++;
	else if (is(token, ")") && s->brackets > 0)
		s->brackets--;
}

void source_class_find(const uint8_t *data, size_t len, struct source_class *ret)
{
	struct scanner s = { .data = data, .len = len, .found = ret };

	*ret = (struct source_class){ 0 };
	while (s.at < s.len) {
		struct token token = { .text = (const char *)data + s.at, .len = 1 };

		if (pass_silent(&s))
			continue;
		while (is_word_byte(data[s.at]) && s.at + token.len < len &&
		       is_word_byte(data[s.at + token.len]))
			token.len++;
		on_token(&s, token);
		s.at += token.len;
	}
}
