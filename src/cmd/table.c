#include "cmd/table.h"

#include <assert.h>

/* Characters of UTF-8: the bytes that do not continue one. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; text && *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void table_print(const char *const *cells, size_t rows, size_t columns)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };

	assert(columns >= 1 && columns <= TABLE_COLUMNS_MAX);
	for (size_t i = 0; i < rows * columns; i++) {
		if (width(cells[i]) > widths[i % columns])
			widths[i % columns] = width(cells[i]);
	}
	for (size_t i = 0; i < rows * columns; i++) {
		const char *cell = cells[i] ? cells[i] : "";

		if (i % columns == columns - 1)
			printf("%s\n", cell);
		else
			printf("%s%*s", cell, (int)(widths[i % columns] - width(cell) + 2), "");
	}
}
