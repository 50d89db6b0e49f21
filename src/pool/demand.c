#include "pool/demand.h"

#include <math.h>

#define WINDOW_US	  100000u
#define RATE_SMOOTHING_S  10.0
#define BURST_HALF_LIFE_S 60.0
#define MAKE_SMOOTHING	  0.2
#define MAKE_DEFAULT_US	  10000.0
/* Making and running share the processors: under load it takes longer than it did when it was measured. */
#define SAFETY 2.0

void demand_tick(struct demand *demand, uint64_t now_us)
{
	double seconds, weight;

	if (!demand->window_us || now_us < demand->window_us + WINDOW_US)
		return;
	seconds = (double)(now_us - demand->window_us) / 1e6;
	weight = 1.0 - exp(-seconds / RATE_SMOOTHING_S);
	demand->rate += weight * (demand->arrived / seconds - demand->rate);
	demand->burst *= exp2(-seconds / BURST_HALF_LIFE_S);
	if (demand->arrived > demand->burst)
		demand->burst = demand->arrived;
	demand->arrived = 0;
	demand->window_us = now_us;
}

void demand_arrival(struct demand *demand, uint64_t now_us)
{
	demand_tick(demand, now_us);
	if (!demand->window_us)
		demand->window_us = now_us;
	demand->arrived++;
	demand->last_us = now_us;
	/* A burst is met while it lasts, not when its window is over. */
	if (demand->arrived > demand->burst)
		demand->burst = demand->arrived;
}

void demand_made(struct demand *demand, uint64_t took_us)
{
	if (demand->make_us == 0)
		demand->make_us = (double)took_us;
	else
		demand->make_us += MAKE_SMOOTHING * ((double)took_us - demand->make_us);
}

unsigned demand_target(const struct demand *demand, uint64_t now_us, uint64_t idle_us)
{
	double make_s = (demand->make_us > 0 ? demand->make_us : MAKE_DEFAULT_US) / 1e6;

	if (!demand->window_us || now_us - demand->last_us > idle_us)
		return 0;
	return (unsigned)ceil(demand->rate * make_s * SAFETY + demand->burst) + 1;
}
