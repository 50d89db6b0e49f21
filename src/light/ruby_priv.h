/*
 * The small Ruby of traffic-light lambdas: its tree, and what its lexer, parser and evaluator share.
 */
#ifndef KILN_LIGHT_RUBY_PRIV_H
#define KILN_LIGHT_RUBY_PRIV_H

#include "light/light_priv.h"

#define RUBY_DEPTH    120 /* of the tree, which bounds every recursion over it */
#define RUBY_LOCALS   256 /* variables of one lambda */
#define RUBY_NODES    20000
#define RUBY_ARGS     32 /* of one call */
#define RUBY_PATTERNS 500

enum node_kind {
	NODE_NIL,
	NODE_TRUE,
	NODE_FALSE,
	NODE_INT,		 /* number */
	NODE_STRING,		 /* text */
	NODE_INTERPOLATED,	 /* a: its parts */
	NODE_SYMBOL,		 /* text */
	NODE_REGEX,		 /* pattern */
	NODE_REGEX_INTERPOLATED, /* a: its parts; number: options */
	NODE_ARRAY,		 /* a: elements */
	NODE_RANGE,		 /* a, b, either may be NULL; number: 1 without its end */
	NODE_REGEXP_CLASS,	 /* the constant Regexp */
	NODE_LOCAL,		 /* number: slot */
	NODE_ASSIGN,		 /* number: slot; a */
	NODE_ASSIGN_MANY,	 /* a: targets, NODE_LOCAL or NODE_PARAMS; b: value */
	NODE_ASSIGN_MATCH,	 /* number: first slot of b's names; a: the match; b: NODE_REGEX */
	NODE_CALL, /* a: receiver; text: name; b: arguments; c: NODE_BLOCK or NODE_BLOCK_SYMBOL; number: 1 for &. */
	NODE_BLOCK,	   /* a: parameters as in ASSIGN_MANY; b: body; number, count: its own slots */
	NODE_BLOCK_SYMBOL, /* text: a method */
	NODE_PARAMS,	   /* a: nested targets */
	NODE_AND,	   /* a, b */
	NODE_OR,
	NODE_NOT,      /* a */
	NODE_IF,       /* a: condition; b; c; either may be NULL */
	NODE_CASE,     /* a: subject or NULL; b: NODE_WHEN…; c: else */
	NODE_WHEN,     /* a: tests; b: body */
	NODE_SEQUENCE, /* a: statements */
	NODE_RETURN,   /* a or NULL; the same for the next two */
	NODE_NEXT,
	NODE_BREAK,
	NODE_RAISE,	 /* a: what, or NULL */
	NODE_GROUP_REF,	 /* $1: number */
	NODE_MATCH_REF,	 /* $~ and others: number is the character */
	NODE_NAME_ERROR, /* text: a name that nothing has; number: 1 when it was called */
	NODE_LAMBDA,	 /* a: parameters, NODE_LOCAL; b: body; count: of parameters */
};

struct node {
	enum node_kind kind;
	uint32_t at; /* byte of the source */
	uint16_t depth, count;
	int64_t number;
	struct text text;
	struct node *a, *b, *c;
	struct node *next; /* in a list */
	struct pattern *pattern;
};

struct ruby_program {
	struct arena arena; /* of the tree, the source and itself */
	struct text source;
	struct node *before; /* assignments in front of the lambda */
	struct node *lambda;
	struct pattern *patterns;
	size_t locals;
};

/* Sets line and column of a fault that has none yet. Returns `r`. */
int fault_place(struct light_fault *fault, struct text source, size_t at, int r);

enum token_kind {
	TOKEN_END,
	TOKEN_NEWLINE, /* or ';' */
	TOKEN_INT,
	TOKEN_NAME, /* a local or method, `?` or `!` at its end included */
	TOKEN_CONSTANT,
	TOKEN_KEYWORD,
	TOKEN_SYMBOL,
	TOKEN_LABEL,  /* `name:` */
	TOKEN_GLOBAL, /* $1, $~ */
	TOKEN_PUNCT,  /* an operator or bracket */
	TOKEN_QUOTED, /* begins a string, word list or regular expression; the place is behind its opening */
};

enum quote_kind {
	QUOTE_SINGLE,  /* '…', %q */
	QUOTE_DOUBLE,  /* "…", %Q, %() */
	QUOTE_SYMBOL,  /* :"…" */
	QUOTE_WORDS,   /* %w */
	QUOTE_SYMBOLS, /* %i */
	QUOTE_REGEX,   /* /…/, %r */
};

struct token {
	enum token_kind kind;
	struct text text; /* as written; of a symbol without its colon */
	size_t at;
	int64_t number;
	bool space_before, space_behind;
	enum quote_kind quote;
	char open, close; /* delimiters of a quoted one; open is 0 where it is the same as close */
};

struct lexer {
	struct text source;
	size_t at;
	struct token token; /* the current one */
	bool value_before;  /* the token before it ends a value, so that `/` divides */
	bool method_before; /* it follows a `.` */
	struct light_fault *fault;
};

/* Reads the next token into lexer->token. 0, or -EINVAL with a fault. */
[[nodiscard]] int lexer_next(struct lexer *lexer);

/* Faults at a byte of the source; all return -EINVAL. */
int lexer_wrong(struct lexer *lexer, size_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int lexer_unsupported(struct lexer *lexer, size_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int lexer_limit(struct lexer *lexer, size_t at, const char *what);

/* A variable that a part of the program knows. */
struct variable {
	struct text name;
	size_t slot;
};

struct parser {
	struct lexer lexer;
	struct ruby_program *program;
	struct light_fault *fault;
	struct variable variables[RUBY_LOCALS];
	size_t visible; /* of them, now */
	size_t depth;	/* of the recursion */
	size_t nodes;
	size_t patterns, compiled; /* regular expressions, and what they come to in bytes */
};

/* NULL with the fault set: over RUBY_NODES, or out of memory. */
struct node *parser_node(struct parser *p, enum node_kind kind, size_t at);

/* parser.c, for the files that parse values and calls. Each sets *ret, or returns a negative errno. */
[[nodiscard]] int parse_statements(struct parser *p, struct node **ret);
[[nodiscard]] int parse_expression(struct parser *p, struct node **ret); /* with `and`, `or`, `not` */
[[nodiscard]] int parse_operators(struct parser *p,
				  struct node **ret);		      /* ternary and above, and assignments */
[[nodiscard]] int parse_postfix(struct parser *p, struct node **ret); /* a value with its calls */
[[nodiscard]] int parse_primary(struct parser *p, struct node **ret);
[[nodiscard]] int parse_quoted(struct parser *p, struct node **ret);
[[nodiscard]] int parse_control(struct parser *p, struct node **ret); /* if, unless, case, begin, return… */
[[nodiscard]] int parse_block(struct parser *p, struct node **ret);
[[nodiscard]] int parse_targets(struct parser *p, const char *close, bool fresh, struct node **ret);
[[nodiscard]] int parse_statement(struct parser *p, struct node **ret);

/* Sets depths. -EINVAL when the tree becomes too deep. */
[[nodiscard]] int parser_adopt(struct parser *p, struct node *parent);

bool token_is(const struct parser *p, const char *text); /* punctuation or keyword */
[[nodiscard]] int parser_next(struct parser *p);
/* Takes the token `text`, or refuses. */
[[nodiscard]] int parser_expect(struct parser *p, const char *text);
[[nodiscard]] int parser_skip_newlines(struct parser *p);
int parser_unexpected(struct parser *p);
/* True when a `return` or `raise` has no value. */
bool parser_value_missing(const struct parser *p);

/* The slot of a name, or -1. parser_declare() makes one where there is none; -EINVAL: too many. */
long parser_find(const struct parser *p, struct text name);
[[nodiscard]] int parser_declare(struct parser *p, struct text name, size_t *ret);

/* True when some type has a method of this name (methods.c). */
bool method_known(struct text name);

/* True for functions of Kernel that are not evaluated here. */
bool kernel_known(struct text name);

#endif
