/*
 * Text in aligned columns on stdout, widths counted in characters; shown as by show_text().
 */
#ifndef KILN_CMD_TABLE_H
#define KILN_CMD_TABLE_H

#include <stddef.h>

#define TABLE_COLUMNS_MAX 8

/* Prints rows × columns cells, row by row; the last column is not padded. A NULL cell is empty. */
void table_print(const char *const *cells, size_t rows, size_t columns);

#endif
