#include "cmd/progress.h"

#include "cmd/units.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define DRAW_MS	    100
#define RATE_MIN_MS 300 /* before that a rate means nothing */
#define COLUMNS	    80
#define BAR_MAX	    30

static uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

void progress_init(struct progress *progress)
{
	struct winsize window = { 0 };

	*progress = (struct progress){ .shown = isatty(STDERR_FILENO), .columns = COLUMNS };
	if (progress->shown && ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 20)
		progress->columns = window.ws_col;
}

static void draw_bar(uint64_t done, uint64_t total, char *bar, unsigned width)
{
	uint64_t full = done >= total ? width : done * width / total;

	memset(bar, '#', full);
	memset(bar + full, '-', width - full);
	bar[width] = '\0';
}

char *progress_line(const char *phase, uint64_t done, uint64_t total, uint64_t rate, unsigned columns,
		    char *text, size_t size)
{
	char has[32] = "", of[48] = "", speed[48] = "", bar[BAR_MAX + 1] = "", one[32];
	unsigned used, width;

	if (done > 0)
		bytes_show(done, has, sizeof(has));
	if (total > 0)
		snprintf(of, sizeof(of), " of %s", bytes_show(total, one, sizeof(one)));
	if (rate > 0)
		snprintf(speed, sizeof(speed), ", %s/s", bytes_show(rate, one, sizeof(one)));
	used = (unsigned)(strlen(phase) + strlen(has) + strlen(of) + strlen(speed) + 6);
	width = used + 8 < columns ? columns - used : 0;
	width = width > BAR_MAX ? BAR_MAX : width;
	if (total > 0 && width > 0)
		draw_bar(done, total, bar, width);
	snprintf(text, size, "%s%s%s%s %s%s%s", phase, bar[0] ? " [" : "", bar, bar[0] ? "]" : "", has, of,
		 speed);
	if (strlen(text) >= columns)
		text[columns - 1] = '\0';
	return text;
}

/* But for those that whoever started us has us ignore, as nohup does. */
static void ending_signals(sigset_t *ret)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action;

	sigemptyset(ret);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(ret, numbers[i]);
	}
}

void progress_watch(struct progress *progress)
{
	sigset_t signals;

	ending_signals(&signals);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	progress->watched = true;
}

int progress_signal(struct progress *progress)
{
	const struct timespec now = { 0 };
	sigset_t signals;
	int number;

	if (!progress->watched || progress->signal)
		return progress->signal;
	ending_signals(&signals);
	number = sigtimedwait(&signals, NULL, &now);
	if (number > 0) {
		progress->signal = number;
		sigprocmask(SIG_UNBLOCK, &signals, NULL);
	}
	return progress->signal;
}

static int tell(void *user, const char *phase, uint64_t done, uint64_t total)
{
	struct progress *progress = user;
	uint64_t now = now_ms(), passed, rate;
	char text[256];

	if (progress_signal(progress))
		return -ECANCELED;
	if (!progress->shown)
		return 0;
	if (strcmp(progress->phase, phase) != 0 || done < progress->phase_from) {
		snprintf(progress->phase, sizeof(progress->phase), "%s", phase);
		progress->phase_ms = now;
		progress->phase_from = done;
		progress->drawn_ms = 0;
	}
	if (now - progress->drawn_ms < DRAW_MS)
		return 0;
	passed = now - progress->phase_ms;
	rate = passed >= RATE_MIN_MS ? (done - progress->phase_from) * 1000 / passed : 0;
	progress_line(phase, done, total, rate, progress->columns, text, sizeof(text));
	fprintf(stderr, "\r\033[K%s", text);
	progress->drawn_ms = now;
	return 0;
}

struct image_progress progress_handle(struct progress *progress)
{
	return (struct image_progress){ .tell = tell, .user = progress };
}

void progress_finish(struct progress *progress)
{
	if (progress->shown && progress->drawn_ms)
		fprintf(stderr, "\r\033[K");
	progress->shown = false;
}
