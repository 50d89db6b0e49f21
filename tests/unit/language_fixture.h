/*
 * What the tests of language files share: the least that is a file, and reading one.
 */
#ifndef KILN_TEST_LANGUAGE_FIXTURE_H
#define KILN_TEST_LANGUAGE_FIXTURE_H

#include "base/err.h"
#include "run/language_priv.h"

/* What every language file must have; tests put their line after it. */
#define MINIMAL                                                                                              \
	"id: toy\n"                                                                                          \
	"name: Toy\n"                                                                                        \
	"image: host\n"                                                                                      \
	"source_file: main.toy\n"                                                                            \
	"run: {command: [toy, \"{entry}\"]}\n"                                                               \
	"hello: |\n"                                                                                         \
	"  say hello\n"

/* All versions that a file called toy.yaml has. */
int parse_list(const char *text, struct language_list *ret, struct err *err);

/* Of a file with one version. */
int parse(const char *text, struct language *ret, struct err *err);

/* That the file is refused, with just this sentence. */
void assert_refused(const char *text, const char *sentence);

#endif
