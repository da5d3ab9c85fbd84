/* SPDX-License-Identifier: MIT */
/*
 * base/base.h - what every room stands on: spans, buffers with a maximum, errors, memory
 *
 * No system calls here but malloc's default.  The parts: span.c (text), buf.c (builders),
 * alloc.c and arena.c (memory), error.c (codes and sentences), base64.c, utf8.c.
 */
#ifndef LW_BASE_BASE_H
#define LW_BASE_BASE_H

#include <letterwing/base.h>

#include <assert.h>
#include <stdarg.h>
#include <string.h>

/** lw_assert - proven true from this code alone; off in release builds (NDEBUG) */
#define lw_assert(x) assert(x)
/** LW_NEVER - believed impossible; the branch behind it handles it simply */
#ifdef NDEBUG
#define LW_NEVER(x) (x)
#else
#define LW_NEVER(x) (assert(!(x)), (x))
#endif
#define LW_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- spans ------------------------------------------------------------------------- */

/** LW_LIT - a span of a string literal */
#define LW_LIT(s) ((lw_span){ "" s, sizeof(s) - 1 })
#define LW_NO_SPAN ((lw_span){ NULL, 0 })

/** lw_span_str - a span of NUL-terminated text; NULL gives an empty one */
lw_span lw_span_str(const char *s);
bool lw_span_eq(lw_span a, lw_span b);
/** lw_span_eq_nocase, lw_span_starts_nocase - ASCII case only, no locale */
bool lw_span_eq_nocase(lw_span a, lw_span b);
bool lw_span_starts_nocase(lw_span s, lw_span prefix);
/** lw_span_trim - without SP and HTAB at both ends */
lw_span lw_span_trim(lw_span s);
/** lw_span_token - the next run of octets up to sep, moved out of *rest; false at the end */
bool lw_span_token(lw_span *rest, char sep, lw_span *token);
/** lw_span_uint - decimal digits only, the whole span, at most max; false otherwise */
bool lw_span_uint(lw_span s, uint64_t max, uint64_t *value);
#define LW_UINT_DIGITS 20
/** lw_uint_write - n in decimal at dst, not NUL-terminated; gives the number of digits */
size_t lw_uint_write(char dst[LW_UINT_DIGITS], uint64_t n);
/** lw_span_find - index of the first c, or s.len */
size_t lw_span_find(lw_span s, char c);
/** lw_span_dup - NUL-terminated copy, NULL when out of memory */
char *lw_span_dup(const lw_alloc *alloc, lw_span s);
/** lw_span_has_ctl - holds an octet below 0x20 or 0x7f (CR, LF, NUL and HTAB among them) */
bool lw_span_has_ctl(lw_span s);
/** lw_span_has_eol - holds CR, LF or NUL: what must never reach a header or a command */
bool lw_span_has_eol(lw_span s);
/** lw_span_is_ascii - no octet above 0x7f */
bool lw_span_is_ascii(lw_span s);

/* ---- characters, without locale ------------------------------------------------------ */

static inline char lw_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static inline char lw_upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 32) : c; }
static inline bool lw_is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool lw_is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static inline bool lw_is_alnum(char c) { return lw_is_digit(c) || lw_is_alpha(c); }
/** lw_hex_value - 0..15, or -1 */
int lw_hex_value(char c);

/* ---- memory ---------------------------------------------------------------------------- */

/** lw_alloc_default - malloc, realloc, free */
extern const lw_alloc lw_alloc_default;
/** lw_alloc_or_default - the default for NULL */
const lw_alloc *lw_alloc_or_default(const lw_alloc *a);
void *lw_malloc(const lw_alloc *a, size_t n);
void *lw_zalloc(const lw_alloc *a, size_t n);
/** lw_zalloc_array - n zeroed elements; NULL also if n * size overflows */
void *lw_zalloc_array(const lw_alloc *a, size_t n, size_t size);
void *lw_resize(const lw_alloc *a, void *p, size_t n);
void lw_release(const lw_alloc *a, void *p);
char *lw_strdup(const lw_alloc *a, const char *s); /* NULL gives NULL */
/** lw_wipe - zero memory so that the compiler cannot leave it out */
void lw_wipe(void *p, size_t n);
/** lw_wipe_str - wipe and free NUL-terminated text (a password); NULL is fine */
void lw_wipe_str(const lw_alloc *a, char *s);
/** lw_add_size, lw_mul_size - false on overflow */
bool lw_add_size(size_t *sum, size_t a, size_t b);
bool lw_mul_size(size_t *product, size_t a, size_t b);

/* ---- arenas: memory that lives as long as its owner ------------------------------------------ */

/** Memory by the block; nothing is given back before all of it.  A copy marks where it stands. */
typedef struct lw_arena {
    const lw_alloc *alloc;
    struct lw_arena_block *blocks;
    char *at, *end; /* what is free in the newest block, or of what was lent */
} lw_arena;

void lw_arena_init(lw_arena *a, const lw_alloc *alloc);
void lw_arena_deinit(lw_arena *a);
/** lw_arena_lend - memory that lives as long as the arena, and that it need not allocate */
void lw_arena_lend(lw_arena *a, char *room, size_t n);
/** lw_arena_room - n octets (1 or more), not aligned, or NULL */
char *lw_arena_room(lw_arena *a, size_t n);
/** lw_arena_reserve - the same, but they may be taken again by the next call */
char *lw_arena_reserve(lw_arena *a, size_t n);
/** lw_arena_rewind - give back all that was taken since *before was copied from *a */
void lw_arena_rewind(lw_arena *a, const lw_arena *before);
/** lw_arena_span, lw_arena_str - a NUL-terminated copy; NULL when out of memory (or s is NULL) */
char *lw_arena_span(lw_arena *a, lw_span s);
char *lw_arena_str(lw_arena *a, const char *s);
/** lw_arena_array - n zeroed elements, aligned; NULL also if n * size overflows */
void *lw_arena_array(lw_arena *a, size_t n, size_t size);
/** lw_arena_grow - room for one more behind the n elements of an array, which may move to twice the
 *  room; false when out of memory.  The old room is not used again: it is never more than the new. */
bool lw_arena_grow(lw_arena *a, void **items, size_t n, size_t *cap, size_t size);

/** A text in an arena that may be set again and again; text is NULL before. */
typedef struct lw_arena_slot {
    char *text;
    size_t cap;
} lw_arena_slot;

/** lw_arena_replace - n octets for a new text of a slot: those of the old if they suffice, else at
 *  least twice as many, so that a slot never holds more than four times its longest text.  NULL:
 *  out of memory, the old text stays. */
char *lw_arena_replace(lw_arena *a, lw_arena_slot *slot, size_t n);

/* ---- options ------------------------------------------------------------------------------ */

/**
 * lw_opts_copy - an option struct as this library knows it, from one that may be an older, shorter one
 *
 * @dst, @known  where, and its size; its first member is `size_t size`, which becomes known
 * @given        the caller's; nothing behind its size is read.  Members that it does not have are zero
 *
 * LW_OK; LW_EUSAGE: NULL, its size was never set, or it is larger than known (members that we
 * would ignore); then all of dst is zero.
 */
LW_MUST_USE lw_code lw_opts_copy(void *dst, size_t known, const void *given);

/* ---- buffers ------------------------------------------------------------------------------ */

/** A growing buffer with a maximum; keeps its first failure, so that building stays flat. */
typedef struct lw_buf {
    const lw_alloc *alloc;
    char *ptr;
    size_t len, cap, max;
    lw_code code; /* LW_OK, LW_ENOMEM or LW_ELIMIT: then adding does nothing */
} lw_buf;

/** lw_buf_init - empty; max octets at most (the final NUL of lw_buf_cstr not counted) */
void lw_buf_init(lw_buf *b, const lw_alloc *alloc, size_t max);
/** lw_buf_init_over - empty, over n octets of the caller's; it never allocates: no lw_buf_deinit */
void lw_buf_init_over(lw_buf *b, char *room, size_t n);
void lw_buf_deinit(lw_buf *b);
/** lw_buf_reset - empty again, failure forgotten, memory kept */
void lw_buf_reset(lw_buf *b);
void lw_buf_add(lw_buf *b, lw_span s);
void lw_buf_add_str(lw_buf *b, const char *s);
void lw_buf_add_char(lw_buf *b, char c);
void lw_buf_add_uint(lw_buf *b, uint64_t n);
void lw_buf_add_fmt(lw_buf *b, const char *fmt, ...) LW_PRINTF(2, 3);
/** lw_buf_space - n writable octets behind the end (add what was used with lw_buf_used), or NULL */
char *lw_buf_space(lw_buf *b, size_t n);
void lw_buf_used(lw_buf *b, size_t n);
/** lw_buf_finish - the one check: LW_OK or the first failure */
LW_MUST_USE lw_code lw_buf_finish(const lw_buf *b);
lw_span lw_buf_span(const lw_buf *b);
/** lw_buf_cstr - the content NUL-terminated, NULL if building failed; owned by the buffer */
const char *lw_buf_cstr(lw_buf *b);
/** lw_buf_take - the content NUL-terminated, now the caller's (lw_release), NULL if failed */
char *lw_buf_take(lw_buf *b);

/* ---- errors ---------------------------------------------------------------------------------- */

/** lw_fail - set *err (may be NULL) to code, stage and a formatted sentence; returns code.
 *  Octets of the sentence that are not printable UTF-8 are replaced by '?'. */
lw_code lw_fail(lw_error *err, lw_code code, lw_stage stage, const char *fmt, ...) LW_PRINTF(4, 5);
lw_code lw_vfail(lw_error *err, lw_code code, lw_stage stage, const char *fmt, va_list ap);
/** lw_error_clear - code LW_OK, empty text */
void lw_error_clear(lw_error *err);
/** lw_error_of_null - what the error of an object is that is NULL: LW_EUSAGE */
extern const lw_error lw_error_of_null;
/** lw_print_safe - copy src to dst (cap octets, always NUL-terminated) with controls and broken
 *  UTF-8 replaced by '?'; for showing foreign octets to people */
void lw_print_safe(char *dst, size_t cap, lw_span src);

/* ---- base64 (RFC 4648 4) --------------------------------------------------------------------- */

#define LW_BASE64_LEN(n) (((n) + 2) / 3 * 4)
/** lw_base64_encode - writes LW_BASE64_LEN(n) characters to dst, no NUL; returns that length */
size_t lw_base64_encode(char *dst, const void *src, size_t n);
/** lw_base64_decode - strict: no spaces, padding required, no bits behind it.  dst holds
 *  s.len / 4 * 3 octets.  False if malformed. */
bool lw_base64_decode(char *dst, lw_span s, size_t *n);

/* ---- UTF-8 (RFC 3629) --------------------------------------------------------------------------- */

/** lw_utf8_next - length 1..4 of the valid sequence at s.ptr, 0 if broken, overlong, surrogate */
size_t lw_utf8_next(lw_span s, uint32_t *cp);
bool lw_utf8_valid(lw_span s);

#endif
