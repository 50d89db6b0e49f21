/*
 * The parts of the interpreter among themselves: tokens, the tree, values.
 */
#ifndef KILN_RUNTIMES_LOLCODE_PRIV_H
#define KILN_RUNTIMES_LOLCODE_PRIV_H

#include "lolcode/lolcode.h"

#include <stdbool.h>

/* Tokens. A phrase such as BOTH SAEM is two words. */

enum token_kind {
	TOKEN_WORD,
	TOKEN_YARN,
	TOKEN_NUMBR,
	TOKEN_NUMBAR,
	TOKEN_BANG,
	TOKEN_QUESTION,
	TOKEN_LINE,
	TOKEN_END
};

struct token {
	enum token_kind kind;
	const char *text; /* in the source; of a YARN without its quotes, escapes as they stand */
	size_t len;
	unsigned line;
};

struct token_list {
	struct token *items; /* the last one is TOKEN_END */
	size_t count;
};

/* 0 and *ret (free items), or -1 with a sentence. Lines that hold nothing leave no token. */
int lol_lex(const char *source, size_t len, struct token_list *ret, char error[LOL_ERROR_MAX]);

/* Values. A YARN is shared and never changed. */

enum value_type { TYPE_NOOB, TYPE_TROOF, TYPE_NUMBR, TYPE_NUMBAR, TYPE_YARN };

struct yarn {
	size_t refs, len;
	char text[]; /* a NUL behind it */
};

struct value {
	enum value_type type;
	union {
		bool troof;
		int64_t numbr;
		double numbar;
		struct yarn *yarn;
	};
};

/* NULL: no memory. */
struct yarn *yarn_create(const char *text, size_t len);

struct value value_copy(struct value value);
void value_drop(struct value value);

bool value_is_true(struct value value);
bool value_equal(struct value a, struct value b);

/* Makes *value one of another type; its old content is dropped. NULL, or what is wrong (static); *value is as it was. */
const char *value_cast(struct value *value, enum value_type type, bool is_explicit);

/* The same to whichever of NUMBR and NUMBAR it is. */
const char *value_make_number(struct value *value);

/* The tree. */

enum node_kind {
	/* expressions */
	NODE_LITERAL,	 /* value */
	NODE_TEXT,	 /* children: the parts of a YARN with variables in it */
	NODE_VARIABLE,	 /* name */
	NODE_ARITHMETIC, /* op, two children */
	NODE_LOGIC,	 /* op, children */
	NODE_NOT,
	NODE_SAME,   /* op 'S' or 'D' */
	NODE_SMOOSH, /* children */
	NODE_CAST,   /* child, type */
	NODE_CALL,   /* name of a function, children: arguments */
	/* statements */
	NODE_VISIBLE, /* children; op 1: no line feed */
	NODE_GIMMEH,  /* name */
	NODE_DECLARE, /* name, child or type */
	NODE_ASSIGN,  /* name, child */
	NODE_RECAST,  /* name, type */
	NODE_BARE,    /* child, to IT */
	NODE_IF,      /* children: NODE_BRANCH */
	NODE_SWITCH,  /* children: NODE_BRANCH */
	NODE_BRANCH,  /* child: the condition or literal, NULL: always; body */
	NODE_LOOP,    /* name or -1, op '+' or '-', child: condition or NULL, type 1: until; body */
	NODE_GTFO,
	NODE_FOUND, /* child */
};

struct node {
	enum node_kind kind;
	unsigned line;
	int op;
	int name; /* index of a name, or -1 */
	enum value_type type;
	struct value value;
	struct node *child, *body;
	struct node *next;    /* of the list that it stands in */
	struct node *created; /* of all that the program owns */
};

struct lol_function {
	bool defined;
	unsigned line;
	int *arguments; /* names */
	size_t arguments_count;
	struct node *body;
};

#define NAME_IT 0

struct lol_program {
	char **names; /* names[NAME_IT] is "IT" */
	size_t names_count, names_room;
	struct lol_function *functions; /* by name; as many as names_room */
	struct node *body;
	struct node *created;
};

/* Running. */

struct slot {
	bool declared;
	struct value value;
};

enum flow { FLOW_NEXT, FLOW_BREAK, FLOW_RETURN, FLOW_ERROR };

struct lol_machine {
	const struct lol_program *program;
	FILE *in, *out;
	struct slot *scope; /* one for each name */
	struct value found; /* what FOUND YR gave */
	bool in_function;
	unsigned calls;
	uint64_t steps, steps_max;
	char *error;
};

/* Says what is wrong in a line; false. */
bool machine_fail(struct lol_machine *m, const struct node *node, const char *text);

/* Counts a step; false when there were too many. */
bool machine_step(struct lol_machine *m, const struct node *node);

/* True and *ret, the caller's, or false. */
bool machine_evaluate(struct lol_machine *m, const struct node *node, struct value *ret);

/* Runs statements one after the other. */
enum flow machine_run(struct lol_machine *m, const struct node *statements);

/* Takes the value over. */
void slot_set(struct slot *slot, struct value value);

#endif
