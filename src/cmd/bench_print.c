#include "cmd/bench_print.h"

#include "base/cleanup.h"
#include "base/plural.h"
#include "cmd/table.h"

#include <errno.h>

#define COLUMNS	   7
#define CELL_BYTES 64

/* Cells and the rows of pointers to them that table_print() takes. */
struct sheet {
	char (*text)[COLUMNS][CELL_BYTES];
	const char **cells;
	size_t rows;
};

static void us_write(char cell[CELL_BYTES], double us)
{
	if (us < 10000)
		snprintf(cell, CELL_BYTES, "%.0f µs", us);
	else
		snprintf(cell, CELL_BYTES, "%.1f ms", us / 1000);
}

static void ratio_write(char cell[CELL_BYTES], const struct ratio *ratio)
{
	snprintf(cell, CELL_BYTES, "%.2f (%.2f to %.2f)", ratio->value, ratio->low, ratio->high);
}

static int row_write(struct sheet *sheet, size_t row, const struct bench_options *options,
		     const struct turn_series *series, const struct turn_series *base)
{
	char(*cell)[CELL_BYTES] = sheet->text[row];
	struct summary summary;
	struct ratio ratio;

	snprintf(cell[0], CELL_BYTES, "%s", series->name);
	if (series->failed)
		return 0;
	if (stats_summary(series->times_us.values, series->times_us.count, &summary) < 0)
		return -ENOMEM;
	us_write(cell[1], summary.p50);
	us_write(cell[2], summary.p90);
	us_write(cell[3], summary.p99);
	us_write(cell[4], summary.max);
	if (base && base != series && turn_ratio(&options->turns, series, base, 50, &ratio) >= 0)
		ratio_write(cell[5], &ratio);
	if (base && base != series && turn_ratio(&options->turns, series, base, 99, &ratio) >= 0)
		ratio_write(cell[6], &ratio);
	return 0;
}

static int sheet_print(struct sheet *sheet, const struct bench_options *options,
		       const struct bench_report *report)
{
	static const char *const head[COLUMNS] = { "WHO", "P50",	  "P90",	 "P99",
						   "MAX", "P50 / BARE'S", "P99 / BARE'S" };
	const struct turn_series *base = options->bare ? &report->series[1] : NULL;

	memcpy(sheet->cells, head, sizeof(head));
	for (size_t row = 1; row <= report->series_count; row++) {
		if (row_write(sheet, row, options, &report->series[row - 1], base) < 0)
			return -ENOMEM;
		for (size_t i = 0; i < COLUMNS; i++)
			sheet->cells[row * COLUMNS + i] = sheet->text[row][i];
	}
	table_print(sheet->cells, report->series_count + 1, COLUMNS);
	return 0;
}

static int singles_print(const struct bench_options *options, const struct bench_report *report)
{
	struct sheet sheet = {
		.text = calloc(report->series_count + 1, sizeof(*sheet.text)),
		.cells = calloc((report->series_count + 1) * COLUMNS, sizeof(*sheet.cells)),
	};
	int r = -ENOMEM;

	printf("%s: %u %s of %u %s, in turns, %u µs of rest before each%s\n\n", options->job->label,
	       options->turns.rounds, plural(options->turns.rounds, "round", "rounds"),
	       options->turns.per_round, plural(options->turns.per_round, "run", "runs"),
	       options->turns.gap_us,
	       report->pinned ? "; the server has a processor less than the machine" : "");
	if (sheet.text && sheet.cells)
		r = sheet_print(&sheet, options, report);
	free(sheet.text);
	free(sheet.cells);
	for (size_t i = 0; i < report->series_count; i++) {
		if (report->series[i].failed)
			printf("%s failed: %s\n", report->series[i].name, report->series[i].err.text);
	}
	return r;
}

static int phases_print(const struct bench_phases *phases)
{
	bool any = false;

	for (size_t i = 0; i < BENCH_PHASES; i++) {
		struct summary summary;

		if (stats_summary(phases->us[i].values, phases->us[i].count, &summary) < 0)
			return -ENOMEM;
		if (summary.count == 0)
			continue;
		printf("%s%s %.0f", any ? ", " : "\nkiln's phases, p50 in µs: ", bench_phase_names[i],
		       summary.p50);
		any = true;
	}
	if (any)
		printf("\n");
	return 0;
}

static int rates_print(const struct bench_options *options, const struct bench_rates *rates)
{
	struct summary kiln, bare;

	if (stats_summary(rates->kiln.values, rates->kiln.count, &kiln) < 0 ||
	    stats_summary(rates->bare.values, rates->bare.count, &bare) < 0)
		return -ENOMEM;
	printf("\n%u %s, %u %s of %u ms: %.0f runs a second, p50 %.1f ms, p99 %.1f ms; the load "
	       "itself took %.0f %% of a processor\n",
	       options->connections, plural(options->connections, "connection", "connections"),
	       options->rate_rounds, plural(options->rate_rounds, "round", "rounds"), options->rate_ms,
	       kiln.p50, rates->times_us.p50 / 1000, rates->times_us.p99 / 1000, rates->cpu_share * 100);
	if (rates->refused > 0)
		printf("refused with 503: %zu\n", rates->refused);
	if (rates->has_ratio)
		printf("bare: %.0f a second; kiln / bare %.2f (%.2f to %.2f)\n", bare.p50, rates->ratio.value,
		       rates->ratio.low, rates->ratio.high);
	return 0;
}

int bench_print(const struct bench_options *options, const struct bench_report *report, struct err *err)
{
	int r = 0;

	if (report->series_count > 0) {
		r = singles_print(options, report);
		if (r >= 0)
			r = phases_print(&report->phases);
	}
	if (r >= 0 && report->rates.kiln.count > 0)
		r = rates_print(options, &report->rates);
	return r < 0 ? err_set(err, r, "out of memory") : 0;
}
