/*
 * The native engine over a keeper and inits that the test plays itself. All in one thread: the test holds the other
 * ends of the sockets and turns the loop until nothing moves.
 */
#ifndef KILN_TESTS_NATIVE_FIXTURE_H
#define KILN_TESTS_NATIVE_FIXTURE_H

#include "base/cleanup.h"
#include "engine/native/native.h"
#include "wire/init_proto.h"
#include "wire/keeper_proto.h"

#define OUTPUT_LIMIT 1000
#define COLLECT_MAX  100

enum told {
	TOLD_READY,
	TOLD_UPLOADED,
	TOLD_OUTPUT,
	TOLD_STDIN,
	TOLD_STEP,
	TOLD_FILE,
	TOLD_DATA,
	TOLD_COLLECTED,
	TOLD_FAILED,
	TOLD_COUNT,
};

struct fixture {
	uv_loop_t loop;
	struct engine *engine;
	int keeper_fd; /* our end */
	unsigned lost;
	uint32_t next_slot;
};

/* One sandbox with both of its ends, and what the engine told of it. */
struct guest {
	struct fixture *fx;
	struct engine_sandbox *sb;
	int init_fd; /* init's end of its socket */
	uint32_t slot;
	unsigned told[TOLD_COUNT];
	int destroy_at;	    /* an enum told in which it destroys itself, or -1 */
	struct guest *also; /* destroyed with it */
	int error;	    /* of uploaded, step_ended, collected or failed */
	size_t output_bytes, data_bytes, stdin_bytes;
	struct step_facts facts;
	char name[64];
};

extern const struct engine_events guest_events;
extern const struct keeper_hello keeper_hello; /* what the keeper says of its host */

void keeper_say(const struct fixture *fx, const struct keeper_message *message, int fd);
/* The next request, which must be there and be this one. */
struct keeper_request keeper_hear(const struct fixture *fx, enum keeper_op op);
bool keeper_heard_nothing(const struct fixture *fx);
/* Turns the loop until nothing moves. */
void settle(struct fixture *fx);
void keeper_tell(struct guest *g, enum keeper_event event, uint32_t oom_kills);
void keeper_answer(struct guest *g, enum keeper_op op, int error);
int native_setup(void **state);
int native_teardown(void **state);
void init_say(struct guest *g, uint8_t type, uint8_t stream, const void *payload, size_t len);
void init_say_number(struct guest *g, uint8_t type, uint32_t number);
/* Whether a frame of this type comes from the host; those before it are swallowed. */
bool init_hears(struct guest *g, uint8_t type);
struct limits some_limits(void);
void guest_create(struct fixture *fx, struct guest *g);
/* Answers the CREATE of this tag. */
void guest_give(struct guest *g, uint32_t tag);
void guest_greeting(struct fixture *fx, struct guest *g);
void guest_idle(struct fixture *fx, struct guest *g);
void guest_uploading(struct fixture *fx, struct guest *g);
void step_begin(struct guest *g);
void step_begin_with(struct guest *g, const struct limits *limits);
void guest_preparing(struct fixture *fx, struct guest *g);
void guest_running(struct fixture *fx, struct guest *g);
void exit_say(struct guest *g, const struct wire_exit *end);
void guest_ending(struct fixture *fx, struct guest *g);
void guest_collecting(struct fixture *fx, struct guest *g);
void collected_say(struct guest *g, uint64_t size, uint64_t sent);
void guest_in_a_file(struct fixture *fx, struct guest *g);
/* Destroys it, and forgets what was asked of the keeper. */
void guest_finish(struct guest *g);
void assert_failed_once(struct guest *g);
/* Whatever its neighbour did: a running guest goes to its end and is collected. */
void assert_goes_on(struct guest *g);

/* Each brings a new guest into another of the states in which an init can speak. */
#define GUEST_STATES 8
extern void (*const reach[GUEST_STATES])(struct fixture *fx, struct guest *g);

#define with_engine(test) cmocka_unit_test_setup_teardown(test, native_setup, native_teardown)

#endif
