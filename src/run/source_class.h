/*
 * Which class a source file is about, by the rules of Java: what its compiler demands as the file's name, and what its
 * runtime is to start. A scanner for top-level declarations, not a parser: source that is no Java finds something or
 * nothing, and the compiler then says what is wrong with it. Pure.
 */
#ifndef KILN_RUN_SOURCE_CLASS_H
#define KILN_RUN_SOURCE_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_CLASS_MAX 200

struct source_class {
	char package[SOURCE_CLASS_MAX]; /* "com.example"; "" when there is none */
	char public_type
		[SOURCE_CLASS_MAX]; /* the public class, interface, enum or record; "" when there is none */
	char main_type[SOURCE_CLASS_MAX]; /* the top-level type with a method main; "" when there is none */
};

/* Looks through a file. Names longer than SOURCE_CLASS_MAX - 1 bytes count as not there. */
void source_class_find(const uint8_t *data, size_t len, struct source_class *ret);

#endif
