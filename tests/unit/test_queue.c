#include "run/queue.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000ull

struct guest {
	struct queue *queue;
	struct queue_entry *entry;
	char name;
	bool fails; /* leaves in its turn */
};

/* The order of turns, one letter each; lower case: pushed out. */
static char turns[64];

static void on_turn(void *user, enum queue_turn turn)
{
	struct guest *guest = user;
	size_t n = strlen(turns);

	turns[n] = turn == QUEUE_TURN_RUN ? guest->name : (char)(guest->name - 'A' + 'a');
	turns[n + 1] = '\0';
	if (guest->fails)
		queue_leave(guest->queue, guest->entry, 0);
}

static struct queue *queue_of(unsigned parallel, unsigned waiting)
{
	struct queue *queue = NULL;

	turns[0] = '\0';
	assert_int_equal(queue_create(parallel, waiting, &queue, NULL), 0);
	return queue;
}

static int enter(struct queue *queue, const char *tenant, char name, struct guest *guest)
{
	*guest = (struct guest){ .queue = queue, .name = name };
	return queue_enter(queue, tenant, 0, on_turn, guest, &guest->entry, NULL);
}

static void gives_a_slot_at_once_while_there_are_some(void **state)
{
	struct queue *queue = queue_of(2, 1);
	struct guest g[3];

	assert_int_equal(enter(queue, "", 'A', &g[0]), 1);
	assert_int_equal(enter(queue, "", 'B', &g[1]), 1);
	assert_int_equal(enter(queue, "", 'C', &g[2]), 0);
	assert_int_equal(queue_stats(queue).running, 2);
	assert_int_equal(queue_stats(queue).waiting, 1);
	assert_string_equal(turns, "");
	queue_leave(queue, g[1].entry, 5);
	assert_string_equal(turns, "C");
	assert_int_equal(queue_stats(queue).running, 2);
	queue_destroy(queue);
}

static void refuses_with_busy_when_the_list_is_full(void **state)
{
	struct queue *queue = queue_of(1, 1);
	struct guest g[3];
	struct err err = ERR_INIT;
	struct queue_entry *entry = NULL;

	assert_int_equal(enter(queue, "", 'A', &g[0]), 1);
	assert_int_equal(enter(queue, "", 'B', &g[1]), 0);
	assert_int_equal(queue_enter(queue, "", 0, on_turn, &g[2], &entry, &err), -EBUSY);
	assert_int_equal(err.kind, ERR_BUSY);
	assert_string_equal(err.slug, "queue_full");
	assert_null(entry);
	assert_int_equal(queue_stats(queue).refused, 1);
	queue_destroy(queue);
}

static void keeps_a_list_of_length_zero(void **state)
{
	struct queue *queue = queue_of(1, 0);
	struct guest g[2];

	assert_int_equal(enter(queue, "", 'A', &g[0]), 1);
	assert_int_equal(enter(queue, "", 'B', &g[1]), -EBUSY);
	queue_leave(queue, g[0].entry, 1);
	assert_int_equal(enter(queue, "", 'B', &g[1]), 1);
	queue_destroy(queue);
}

static void lets_tenants_take_turns(void **state)
{
	struct queue *queue = queue_of(1, 10);
	struct guest g[8];

	enter(queue, "x", 'X', &g[0]);
	enter(queue, "a", 'A', &g[1]);
	enter(queue, "a", 'B', &g[2]);
	enter(queue, "a", 'C', &g[3]);
	enter(queue, "b", 'S', &g[4]);
	enter(queue, "c", 'T', &g[5]);
	enter(queue, "b", 'U', &g[6]);
	queue_leave(queue, g[0].entry, 0);
	queue_leave(queue, g[1].entry, 0);
	queue_leave(queue, g[4].entry, 0);
	queue_leave(queue, g[5].entry, 0);
	queue_leave(queue, g[2].entry, 0);
	queue_leave(queue, g[6].entry, 0);
	assert_string_equal(turns, "ASTBUC");
	queue_destroy(queue);
}

static void tells_the_position_in_the_order_of_turns(void **state)
{
	struct queue *queue = queue_of(1, 10);
	struct guest g[6];

	enter(queue, "x", 'X', &g[0]);
	enter(queue, "a", 'A', &g[1]);
	enter(queue, "a", 'B', &g[2]);
	enter(queue, "b", 'S', &g[3]);
	enter(queue, "a", 'C', &g[4]);
	assert_int_equal(queue_position(queue, g[0].entry), 0);
	assert_int_equal(queue_position(queue, g[1].entry), 1);
	assert_int_equal(queue_position(queue, g[3].entry), 2);
	assert_int_equal(queue_position(queue, g[2].entry), 3);
	assert_int_equal(queue_position(queue, g[4].entry), 4);
	queue_destroy(queue);
}

static void pushes_the_greediest_out_for_somebody_with_less(void **state)
{
	struct queue *queue = queue_of(1, 3);
	struct guest g[7];

	enter(queue, "a", 'X', &g[0]);
	enter(queue, "a", 'A', &g[1]);
	enter(queue, "a", 'B', &g[2]);
	enter(queue, "a", 'C', &g[3]);
	assert_int_equal(enter(queue, "b", 'S', &g[4]), 0);
	assert_string_equal(turns, "c");
	/* Now a has two places and b one: another of b's would only turn it round. */
	assert_int_equal(enter(queue, "b", 'T', &g[5]), -EBUSY);
	assert_int_equal(enter(queue, "a", 'D', &g[6]), -EBUSY);
	assert_int_equal(queue_stats(queue).waiting, 3);
	assert_int_equal(queue_stats(queue).pushed_out, 1);
	queue_destroy(queue);
}

static void forgets_one_that_leaves_while_waiting(void **state)
{
	struct queue *queue = queue_of(1, 10);
	struct guest g[4];

	enter(queue, "", 'A', &g[0]);
	enter(queue, "", 'B', &g[1]);
	enter(queue, "", 'C', &g[2]);
	enter(queue, "", 'D', &g[3]);
	queue_leave(queue, g[2].entry, 0);
	queue_leave(queue, g[0].entry, 0);
	queue_leave(queue, g[1].entry, 0);
	assert_string_equal(turns, "BD");
	queue_leave(queue, g[3].entry, 0);
	assert_int_equal(queue_stats(queue).running, 0);
	queue_destroy(queue);
}

static void goes_on_when_one_leaves_in_its_turn(void **state)
{
	struct queue *queue = queue_of(1, 10);
	struct guest g[4];

	enter(queue, "", 'A', &g[0]);
	enter(queue, "", 'B', &g[1]);
	enter(queue, "", 'C', &g[2]);
	enter(queue, "", 'D', &g[3]);
	g[1].fails = g[2].fails = true;
	queue_leave(queue, g[0].entry, 0);
	assert_string_equal(turns, "BCD");
	assert_int_equal(queue_stats(queue).running, 1);
	assert_int_equal(queue_stats(queue).waiting, 0);
	queue_destroy(queue);
}

static void refuses_newcomers_while_draining_but_keeps_the_others(void **state)
{
	struct queue *queue = queue_of(1, 10);
	struct guest g[3];
	struct err err = ERR_INIT;

	enter(queue, "", 'A', &g[0]);
	enter(queue, "", 'B', &g[1]);
	queue_drain(queue);
	assert_int_equal(queue_enter(queue, "", 0, on_turn, &g[2], &g[2].entry, &err), -EBUSY);
	assert_string_equal(err.slug, "draining");
	queue_leave(queue, g[0].entry, 0);
	assert_string_equal(turns, "B");
	queue_destroy(queue);
}

static void estimates_the_wait_from_what_runs_took(void **state)
{
	struct queue *queue = queue_of(2, 10);
	struct guest g[6];

	assert_int_equal(queue_retry_after_s(queue), 1);
	enter(queue, "", 'A', &g[0]);
	queue_leave(queue, g[0].entry, 4 * SECOND);
	for (int i = 0; i < 5; i++)
		enter(queue, "", 'A', &g[i]);
	/* Three wait, each takes four seconds, two run at a time. */
	assert_int_equal(queue_retry_after_s(queue), 8);
	queue_leave(queue, g[0].entry, 1000 * SECOND);
	assert_int_equal(queue_retry_after_s(queue), 60);
	queue_destroy(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_a_slot_at_once_while_there_are_some),
		cmocka_unit_test(refuses_with_busy_when_the_list_is_full),
		cmocka_unit_test(keeps_a_list_of_length_zero),
		cmocka_unit_test(lets_tenants_take_turns),
		cmocka_unit_test(tells_the_position_in_the_order_of_turns),
		cmocka_unit_test(pushes_the_greediest_out_for_somebody_with_less),
		cmocka_unit_test(forgets_one_that_leaves_while_waiting),
		cmocka_unit_test(goes_on_when_one_leaves_in_its_turn),
		cmocka_unit_test(refuses_newcomers_while_draining_but_keeps_the_others),
		cmocka_unit_test(estimates_the_wait_from_what_runs_took),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
