/*
 * How many sandboxes to hold in stock: pure arithmetic over times that are given, in microseconds.
 *
 * Two things are measured of one shelf: how runs arrive, and how long a sandbox takes to make. By Little's law
 * rate × time are under way at any moment; the rest of the stock is for arrivals that come together, of which the
 * largest number lately seen is remembered, and forgotten by half each minute.
 */
#ifndef KILN_POOL_DEMAND_H
#define KILN_POOL_DEMAND_H

#include <stdbool.h>
#include <stdint.h>

struct demand {
	uint64_t window_us; /* when the present window began; 0: nothing was ever seen */
	unsigned arrived;   /* in it */
	double rate;	    /* arrivals a second, smoothed over ten seconds */
	double burst;	    /* most arrivals in one window, fading */
	double make_us;	    /* time to make one, smoothed; 0: not known */
	uint64_t last_us;   /* of the last arrival */
};

void demand_arrival(struct demand *demand, uint64_t now_us);
void demand_made(struct demand *demand, uint64_t took_us);

/* Lets time pass; to be called now and then also when nothing arrives. */
void demand_tick(struct demand *demand, uint64_t now_us);

/* Sandboxes to hold, 0 when nothing arrived for idle_us. */
unsigned demand_target(const struct demand *demand, uint64_t now_us, uint64_t idle_us);

#endif
