#include "base/cleanup.h"
#include "obs/log.h"
#include "obs/metrics.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

static void renders_counters_and_gauges_with_help_and_type(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(4096);
	struct metrics *m = metrics_create();
	struct metric *runs = metrics_counter(m, "kiln_runs_total", "Runs that ended.", NULL);
	struct metric *queue = metrics_gauge(m, "kiln_queue_length", "Waiting requests.", NULL);

	metric_add(runs, 2);
	metric_set(queue, -1.5);
	assert_int_equal(metrics_render(m, &text), 0);
	assert_string_equal((char *)text.data, "# HELP kiln_runs_total Runs that ended.\n"
					       "# TYPE kiln_runs_total counter\n"
					       "kiln_runs_total 2\n"
					       "# HELP kiln_queue_length Waiting requests.\n"
					       "# TYPE kiln_queue_length gauge\n"
					       "kiln_queue_length -1.5\n");
	metrics_destroy(m);
}

static void keeps_series_of_one_name_together(void **state)
{
	const struct metric_label ok[] = { { "outcome", "ok" }, { 0 } };
	const struct metric_label failed[] = { { "outcome", "failed" }, { 0 } };
	AUTO_BUF struct buf text = BUF_INIT(4096);
	struct metrics *m = metrics_create();

	metric_add(metrics_counter(m, "kiln_a_total", "A.", ok), 1);
	metrics_gauge(m, "kiln_b", "B.", NULL);
	metric_add(metrics_counter(m, "kiln_a_total", "A.", failed), 3);
	assert_int_equal(metrics_render(m, &text), 0);
	assert_non_null(strstr((char *)text.data, "# TYPE kiln_a_total counter\n"
						  "kiln_a_total{outcome=\"ok\"} 1\n"
						  "kiln_a_total{outcome=\"failed\"} 3\n"
						  "# HELP kiln_b"));
	metrics_destroy(m);
}

static void escapes_label_values_and_help(void **state)
{
	const struct metric_label labels[] = { { "tenant", "a\"b\\c\nd" }, { 0 } };
	AUTO_BUF struct buf text = BUF_INIT(4096);
	struct metrics *m = metrics_create();

	metrics_gauge(m, "kiln_x", "one\ntwo \\ \"three\"", labels);
	assert_int_equal(metrics_render(m, &text), 0);
	assert_non_null(strstr((char *)text.data, "# HELP kiln_x one\\ntwo \\\\ \"three\"\n"));
	assert_non_null(strstr((char *)text.data, "kiln_x{tenant=\"a\\\"b\\\\c\\nd\"} 0\n"));
	metrics_destroy(m);
}

static void cumulates_the_buckets_of_a_histogram(void **state)
{
	static const double bounds[] = { 0.1, 1 };
	const struct metric_label labels[] = { { "step", "run" }, { 0 } };
	AUTO_BUF struct buf text = BUF_INIT(4096);
	struct metrics *m = metrics_create();
	struct metric *h = metrics_histogram(m, "kiln_h_seconds", "H.", labels, bounds, 2);

	metric_observe(h, 0.0625);
	metric_observe(h, 0.1);
	metric_observe(h, 0.5);
	metric_observe(h, 7);
	assert_int_equal(metrics_render(m, &text), 0);
	assert_non_null(strstr((char *)text.data, "kiln_h_seconds_bucket{step=\"run\",le=\"0.1\"} 2\n"
						  "kiln_h_seconds_bucket{step=\"run\",le=\"1\"} 3\n"
						  "kiln_h_seconds_bucket{step=\"run\",le=\"+Inf\"} 4\n"
						  "kiln_h_seconds_sum{step=\"run\"} 7.66"));
	assert_non_null(strstr((char *)text.data, "kiln_h_seconds_count{step=\"run\"} 4\n"));
	metrics_destroy(m);
}

static void a_missing_metric_counts_nothing(void **state)
{
	metric_add(NULL, 1);
	metric_set(NULL, 1);
	metric_observe(NULL, 1);
	assert_null(metrics_counter(NULL, "kiln_x_total", "X.", NULL));
}

static void rendering_stops_at_the_ceiling_of_the_buffer(void **state)
{
	AUTO_BUF struct buf text = BUF_INIT(20);
	struct metrics *m = metrics_create();

	metrics_counter(m, "kiln_runs_total", "Runs that ended.", NULL);
	assert_int_equal(metrics_render(m, &text), -EMSGSIZE);
	metrics_destroy(m);
}

/* What log_write() writes, behind the time. */
static const char *logged(enum log_level threshold, enum log_level level, const char *message,
			  const struct log_field *fields)
{
	static char text[8192];
	int fds[2];
	struct log log = { .level = threshold };
	ssize_t n;

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	log.fd = fds[1];
	log_write(&log, level, message, fields);
	n = read(fds[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	close(fds[1]);
	if (n > 0)
		assert_true(n > 25 && text[10] == 'T' && text[23] == 'Z' && text[24] == ' ');
	return n > 0 ? text + 25 : "";
}

static void logs_one_line_with_pairs(void **state)
{
	assert_string_equal(logged(LOG_LEVEL_INFO, LOG_LEVEL_INFO, "listening",
				   LOG_FIELDS(log_text("address", "127.0.0.1:4597"), log_number("pid", -7),
					      log_text("empty", NULL))),
			    "info \"listening\" address=127.0.0.1:4597 pid=-7 empty=\"\"\n");
}

static void a_value_cannot_forge_a_line_or_drive_a_terminal(void **state)
{
	assert_string_equal(logged(LOG_LEVEL_INFO, LOG_LEVEL_WARN, "a\nb",
				   LOG_FIELDS(log_text("v", "x\r\n\x1b[2J\"\\ é \xff \xc2\x9b"))),
			    "warn \"a\\nb\" v=\"x\\x0d\\n\\x1b[2J\\\"\\\\ é \\xff \\xc2\\x9b\"\n");
}

static void is_silent_below_its_level(void **state)
{
	assert_string_equal(logged(LOG_LEVEL_WARN, LOG_LEVEL_INFO, "x", NULL), "");
	log_write(NULL, LOG_LEVEL_ERROR, "x", NULL);
}

static void a_long_line_is_cut_and_says_so(void **state)
{
	char value[5000];
	const char *line;

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	line = logged(LOG_LEVEL_INFO, LOG_LEVEL_INFO, "m",
		      LOG_FIELDS(log_text("v", value), log_text("w", "y")));
	assert_true(strlen(line) > 1900 && strlen(line) < 2048);
	assert_string_equal(line + strlen(line) - strlen("xx…\n"), "xx…\n");
}

static void knows_its_levels_by_name(void **state)
{
	enum log_level level = LOG_LEVEL_DEBUG;

	assert_true(log_level_by_name("error", &level));
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_false(log_level_by_name("Error", &level));
	assert_false(log_level_by_name("", &level));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(renders_counters_and_gauges_with_help_and_type),
		cmocka_unit_test(keeps_series_of_one_name_together),
		cmocka_unit_test(escapes_label_values_and_help),
		cmocka_unit_test(cumulates_the_buckets_of_a_histogram),
		cmocka_unit_test(a_missing_metric_counts_nothing),
		cmocka_unit_test(rendering_stops_at_the_ceiling_of_the_buffer),
		cmocka_unit_test(logs_one_line_with_pairs),
		cmocka_unit_test(a_value_cannot_forge_a_line_or_drive_a_terminal),
		cmocka_unit_test(is_silent_below_its_level),
		cmocka_unit_test(a_long_line_is_cut_and_says_so),
		cmocka_unit_test(knows_its_levels_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
