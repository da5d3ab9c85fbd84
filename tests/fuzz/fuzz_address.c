/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_address.c - address lists: what parses can be written, and parses again equal
 *
 * What is written is a legal header field: only CRLF line ends, lines of at most 998 octets,
 * ASCII unless an address is not.
 */
#include "mime/mime_int.h"

#include <stdlib.h>

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static void
check_field(lw_span field, bool is_ascii)
{
    size_t line = 0;

    for (size_t i = 0; i < field.len; i++, line++) {
        must(field.ptr[i] != '\n' && field.ptr[i] != '\0');
        must(!is_ascii || (unsigned char)field.ptr[i] < 0x80);
        if (field.ptr[i] == '\r') {
            must(field.ptr[++i] == '\n' && line <= LW_LINE_MAX);
            must(i + 1 == field.len || field.ptr[i + 1] == ' ' || field.ptr[i + 1] == '\t');
            line = (size_t)-1;
        }
    }
}

/* the addresses alone, written as a list, are the same addresses */
static void
check_addresses(const lw_mailboxes *l)
{
    lw_arena arena;
    lw_mailboxes again;
    lw_buf b;

    lw_arena_init(&arena, NULL);
    lw_mailboxes_init(&again, &arena);
    lw_buf_init(&b, NULL, SIZE_MAX / 2);
    for (size_t i = 0; i < l->n; i++) {
        lw_error e;
        must(lw_addr_check(lw_span_str(l->items[i].addr), "again", &e) == LW_OK);
        lw_buf_add_str(&b, i > 0 ? ", <" : "<");
        lw_buf_add_str(&b, l->items[i].addr);
        lw_buf_add_char(&b, '>');
    }
    must(lw_mailboxes_parse(&again, lw_buf_span(&b), "again", NULL) == LW_OK);
    must(again.n == l->n);
    for (size_t i = 0; i < l->n; i++)
        must(strcmp(again.items[i].addr, l->items[i].addr) == 0);
    lw_buf_deinit(&b);
    lw_arena_deinit(&arena);
}

/* what is written is read as the same list; names in encoded words are not decoded here */
static void
check_written(const lw_mailboxes *l)
{
    bool is_ascii = true;
    lw_arena arena;
    lw_mailboxes again;
    lw_field_writer w;
    lw_buf b, flat;

    lw_buf_init(&b, NULL, SIZE_MAX / 2);
    lw_buf_init(&flat, NULL, SIZE_MAX / 2);
    lw_arena_init(&arena, NULL);
    lw_mailboxes_init(&again, &arena);
    for (size_t i = 0; i < l->n; i++)
        is_ascii = is_ascii && lw_span_is_ascii(lw_span_str(l->items[i].addr));
    lw_field_begin(&w, &b, LW_LIT("To"));
    lw_field_mailboxes(&w, l);
    lw_field_end(&w);
    check_field(lw_buf_span(&b), is_ascii);
    for (size_t i = 3; i < b.len; i++)
        if (b.ptr[i] != '\r' && b.ptr[i] != '\n')
            lw_buf_add_char(&flat, b.ptr[i]);
    must(lw_mailboxes_parse(&again, lw_buf_span(&flat), "written", NULL) == LW_OK);
    must(again.n == l->n);
    for (size_t i = 0; i < l->n; i++) {
        const char *name = again.items[i].name;
        must(strcmp(again.items[i].addr, l->items[i].addr) == 0);
        must((name == NULL) == (l->items[i].name == NULL));
        must(name == NULL || strstr(name, "=?UTF-8?") != NULL || strcmp(name, l->items[i].name) == 0);
    }
    lw_arena_deinit(&arena);
    lw_buf_deinit(&flat);
    lw_buf_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lw_span in = { (const char *)data, size };
    lw_arena arena;
    lw_mailboxes l;
    lw_error e;

    lw_arena_init(&arena, NULL);
    lw_mailboxes_init(&l, &arena);
    lw_code rc = lw_mailboxes_parse_with(&l, in, "fuzz", LW_LIST_MAY_BE_EMPTY, &e);
    must(rc == LW_OK || (rc == LW_EADDRESS && e.text[0] != '\0' && l.n == 0));
    if (l.n > 0) {
        check_addresses(&l);
        check_written(&l);
    }
    lw_arena_deinit(&arena);
    return 0;
}
