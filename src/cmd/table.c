#include "cmd/table.h"

#include "cmd/show.h"

#include <assert.h>

void table_print(const char *const *cells, size_t rows, size_t columns)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };

	assert(columns >= 1 && columns <= TABLE_COLUMNS_MAX);
	for (size_t i = 0; i < rows * columns; i++) {
		size_t width = show_text(NULL, cells[i]);

		if (width > widths[i % columns])
			widths[i % columns] = width;
	}
	for (size_t i = 0; i < rows * columns; i++) {
		size_t width = show_text(stdout, cells[i]);

		if (i % columns == columns - 1)
			printf("\n");
		else
			printf("%*s", (int)(widths[i % columns] - width + 2), "");
	}
}
