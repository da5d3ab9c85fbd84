/* SPDX-License-Identifier: MIT */
/*
 * bulk/campaign_rows.c - which row is next: what the journal says of it, whether its address was
 * there, and its message
 */
#include "bulk/campaign_int.h"

#include <time.h>

uint64_t
lw_campaign_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- slots ---------------------------------------------------------------------------------- */

lw_row
lw_slot_row(const lw_slot *s)
{
    return (lw_row){ .number = s->number, .line = s->line, .values = s->values, .n = s->n_values };
}

void
lw_slot_free(lw_campaign *c, lw_slot *s)
{
    if (s == NULL)
        return;
    lw_message_free(s->message);
    lw_release(&c->alloc, s);
}

/* slot, array and octets in one block */
static lw_slot *
make_slot(lw_campaign *c, const lw_row *row)
{
    size_t bytes = sizeof(lw_slot) + row->n * sizeof(lw_span);
    lw_slot *s;
    char *p;

    for (size_t i = 0; i < row->n; i++)
        if (!lw_add_size(&bytes, bytes, row->values[i].len))
            return NULL;
    if ((s = lw_malloc(&c->alloc, bytes)) == NULL)
        return NULL;
    *s = (lw_slot){ .number = row->number, .line = row->line, .attempt = 1, .bytes = bytes,
                    .values = (lw_span *)(s + 1), .n_values = row->n };
    p = (char *)(s->values + row->n);
    for (size_t i = 0; i < row->n; i++) {
        s->values[i] = (lw_span){ p, row->values[i].len };
        if (row->values[i].len > 0)
            memcpy(p, row->values[i].ptr, row->values[i].len);
        p += row->values[i].len;
    }
    s->print = lw_row_print(row);
    lw_row own = lw_slot_row(s);
    s->address = lw_mailing_address(c->opts.mailing, &own);
    return s;
}

/* ---- rows that are not sent -------------------------------------------------------------------- */

static lw_code
bad(lw_campaign *c, const lw_row *row, lw_span address, const lw_error *why)
{
    lw_error err;

    c->counts.bad++;
    lw_campaign_tell(c, &(lw_row_event){ .fate = LW_FATE_BAD, .row = row->number, .line = row->line,
                                         .address = address, .text = why->text });
    if (!c->opts.is_strict)
        return LW_AGAIN;
    lw_fail(&err, why->code, LW_STAGE_COMPOSE, "row %llu (line %llu): %s",
            (unsigned long long)row->number, (unsigned long long)row->line, why->text);
    return lw_campaign_fail(c, why->code, &err);
}

/* Of the rows with one address the first is sent that can be: a bad one does not count. */
static lw_code
remember(lw_campaign *c, lw_span address)
{
    lw_code rc = c->opts.keep_duplicates ? LW_OK : lw_seen_add(c->seen, address, NULL);

    return rc < 0 ? lw_campaign_fail(c, rc, NULL) : LW_OK;
}

static lw_code
known(lw_campaign *c, const lw_row *row, lw_span address, lw_fate fate,
      const lw_entry *e)
{
    bool is_accepted = e->mark == LW_MARK_ACCEPTED, is_done = fate == LW_FATE_DONE;
    lw_code rc;

    lw_campaign_tell(c, &(lw_row_event){
        .fate = fate, .row = row->number, .line = row->line, .address = address, .code = e->code,
        .outcome = is_accepted ? LW_OUTCOME_ACCEPTED
                               : is_done ? LW_OUTCOME_REJECTED : LW_OUTCOME_UNCERTAIN,
        .attempt = e->attempt,
        .text = is_done ? "an earlier run got this answer"
                        : "an earlier run ended while it was on its way: it may have been accepted" });
    rc = remember(c, address);
    return rc < 0 ? rc : LW_AGAIN;
}

/* What the journal says.  LW_OK: it may be sent; LW_AGAIN: not; LW_ECONFIG: another list. */
static lw_code
ask_journal(lw_campaign *c, const lw_row *row, lw_span address)
{
    lw_entry e = lw_journal_row(c->journal, row->number);
    lw_error err;

    if (e.mark == LW_MARK_NONE)
        return LW_OK;
    if (e.print != (uint32_t)lw_row_print(row)) {
        lw_fail(&err, LW_ECONFIG, LW_STAGE_NONE, "journal %s: row %llu of the list is not the row "
                "that it knows: it belongs to another list, or the list was changed",
                c->opts.journal, (unsigned long long)row->number);
        return lw_campaign_fail(c, LW_ECONFIG, &err);
    }
    if (e.mark == LW_MARK_ACCEPTED || e.mark == LW_MARK_REJECTED)
        return known(c, row, address, LW_FATE_DONE, &e);
    if ((e.mark == LW_MARK_OFFERED || e.mark == LW_MARK_UNCERTAIN) &&
        !c->opts.resend_uncertain)
        return known(c, row, address, LW_FATE_UNCERTAIN, &e);
    return LW_OK;
}

static lw_code
is_new(lw_campaign *c, const lw_row *row, lw_span address)
{
    if (c->opts.keep_duplicates || !lw_seen_has(c->seen, address))
        return LW_OK;
    c->counts.duplicates++;
    lw_campaign_tell(c, &(lw_row_event){ .fate = LW_FATE_DUPLICATE, .row = row->number,
                                         .line = row->line, .address = address,
                                         .text = "its address stands in an earlier row" });
    return LW_AGAIN;
}

/* ---- the next one ---------------------------------------------------------------------------------- */

/* the message of a slot into the batch; LW_AGAIN: the row is bad */
static lw_code
compose(lw_campaign *c, lw_slot *s)
{
    lw_row row = lw_slot_row(s);
    lw_error err;
    lw_code rc = lw_mailing_compose(c->opts.mailing, &row, &s->message, &err);

    if (rc < 0 && rc != LW_ENOMEM) {
        rc = bad(c, &row, s->address, &err);
        lw_slot_free(c, s);
        return rc;
    }
    c->batch[c->n_batch++] = s; /* without memory it is dropped with the batch */
    return rc < 0 ? lw_campaign_fail(c, rc, &err) : LW_OK;
}

static lw_code
take_slot(lw_campaign *c, lw_slot *s)
{
    lw_code rc = compose(c, s);

    c->n_offered += rc == LW_OK;
    return rc;
}

/* ---- what an earlier run tried, in a run with a limit ---------------------------------------------- */

static bool
goes_behind(const lw_campaign *c, uint64_t number)
{
    return c->opts.limit > 0 && lw_journal_row(c->journal, number).mark != LW_MARK_NONE;
}

static lw_code
keep_aside(lw_campaign *c, const lw_row *row)
{
    lw_slot *s = make_slot(c, row);

    if (s == NULL)
        return lw_campaign_fail(c, LW_ENOMEM, NULL);
    if (c->aside_bytes + s->bytes > LW_CAMPAIGN_RETRY_BYTES) {
        lw_slot_free(c, s);
        return LW_AGAIN;
    }
    if (c->aside.last == NULL)
        c->aside.first = s;
    else
        c->aside.last->next = s;
    c->aside.last = s;
    c->n_aside++;
    c->aside_bytes += s->bytes;
    return LW_AGAIN;
}

/* Not more than may have their turn are kept, the others wait for another run. */
static lw_code
put_aside(lw_campaign *c, const lw_row *row, lw_span address)
{
    lw_code rc = remember(c, address);

    if (rc < 0)
        return rc;
    return c->n_aside < c->opts.limit ? keep_aside(c, row) : LW_AGAIN;
}

static lw_slot *
take_aside(lw_campaign *c)
{
    lw_slot *s = c->aside.first;

    c->aside.first = s->next;
    if (c->aside.first == NULL)
        c->aside.last = NULL;
    c->n_aside--;
    c->aside_bytes -= s->bytes;
    return s;
}

void
lw_campaign_free_aside(lw_campaign *c)
{
    while (c->aside.first != NULL)
        lw_slot_free(c, take_aside(c));
}

/* ---- a row of the list ------------------------------------------------------------------------------- */

static lw_code
take_row(lw_campaign *c, const lw_row *row)
{
    lw_span address = lw_mailing_address(c->opts.mailing, row);
    lw_slot *s;
    lw_code rc;

    /* the journal first: what it counts as done is no duplicate, whatever this run is asked for */
    if ((rc = ask_journal(c, row, address)) != LW_OK ||
        (rc = is_new(c, row, address)) != LW_OK)
        return rc;
    if (goes_behind(c, row->number))
        return put_aside(c, row, address);
    if ((s = make_slot(c, row)) == NULL)
        return lw_campaign_fail(c, LW_ENOMEM, NULL);
    rc = take_slot(c, s);
    return rc == LW_OK ? remember(c, s->address) : rc;
}

static lw_code
read_row(lw_campaign *c)
{
    lw_error err = { .code = LW_OK };
    lw_row row;
    lw_code rc = c->opts.rows.next(c->opts.rows.ctx, &row, &err);

    c->rows_say = rc == LW_DONE || rc == LW_AGAIN ? rc : LW_OK;
    if (c->rows_say != LW_OK)
        return LW_DONE;
    if (rc < 0 && rc != LW_EMESSAGE)
        return lw_campaign_fail(c, rc, &err);
    c->counts.rows++;
    if (rc == LW_EMESSAGE)
        return bad(c, &row, LW_NO_SPAN, &err);
    if (row.number > LW_JOURNAL_MAX_ROW || row.number == 0) {
        lw_fail(&err, LW_ELIMIT, LW_STAGE_COMPOSE, "the list has more rows than a journal can count");
        return lw_campaign_fail(c, LW_ELIMIT, &err);
    }
    return take_row(c, &row);
}

bool
lw_campaign_has_rows(const lw_campaign *c)
{
    return (c->rows_say != LW_DONE || c->aside.first != NULL) &&
           (c->opts.limit == 0 || c->n_offered < c->opts.limit);
}

lw_code
lw_campaign_next_row(lw_campaign *c)
{
    lw_slot *due = lw_campaign_due(c, lw_campaign_now_ns() / 1000000);

    if (due != NULL)
        return compose(c, due);
    if (!lw_campaign_has_rows(c))
        return LW_DONE;
    return c->rows_say != LW_DONE ? read_row(c) : take_slot(c, take_aside(c));
}
