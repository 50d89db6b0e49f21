/* Counts the primes below a million with the sieve of Eratosthenes. */
#include <stdbool.h>
#include <stdio.h>

#define BELOW 1000000

static bool composite[BELOW];

int main(void)
{
	int count = 0;

	for (long i = 2; i < BELOW; i++) {
		if (composite[i])
			continue;
		count++;
		for (long multiple = i * i; multiple < BELOW; multiple += i)
			composite[multiple] = true;
	}
	printf("%d primes below %d\n", count, BELOW);
	return 0;
}
