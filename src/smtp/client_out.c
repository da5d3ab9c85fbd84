/* SPDX-License-Identifier: MIT */
/* smtp/client_out.c - the gather list, and the replies that are awaited for what is in it */
#include "smtp/client_int.h"

static segment *
push(lw_smtp *e, lw_span s, lw_slice_kind kind)
{
    segment *seg;

    lw_assert(e->n_seg < N_SEGMENTS && s.len > 0);
    seg = &e->seg[(e->seg_first + e->n_seg++) % N_SEGMENTS];
    *seg = (segment){ .ptr = s.ptr, .len = s.len, .kind = kind, .slot = NO_SLOT };
    e->out_offset += s.len;
    return seg;
}

/* commands that follow each other in cmd become one segment */
void
lw_smtp_out_text(lw_smtp *e, lw_span text)
{
    char *at = e->cmd + e->cmd_len;

    lw_assert(e->cmd_len + text.len <= CMD_BYTES);
    if (at != text.ptr)
        memcpy(at, text.ptr, text.len);
    e->cmd_len += text.len;
    if (e->n_seg > 0) {
        segment *last = &e->seg[(e->seg_first + e->n_seg - 1) % N_SEGMENTS];
        if (last->kind == LW_SLICE_COMMAND && !last->ends_data && last->ptr + last->len == at) {
            last->len += text.len;
            e->out_offset += text.len;
            return;
        }
    }
    push(e, (lw_span){ at, text.len }, LW_SLICE_COMMAND);
}

static void
own(lw_smtp *e, segment *seg, uint32_t i)
{
    if (seg->slot == NO_SLOT)
        lw_smtp_slot(e, i)->n_queued++;
    seg->slot = i;
}

/* the data of a slot ends with what was queued last */
void
lw_smtp_out_ends_data(lw_smtp *e, uint32_t i)
{
    segment *last = &e->seg[(e->seg_first + e->n_seg - 1) % N_SEGMENTS];

    lw_assert(e->n_seg > 0);
    own(e, last, i);
    last->ends_data = true;
}

void
lw_smtp_out_ref(lw_smtp *e, lw_span s, lw_slice_kind kind)
{
    if (s.len > 0)
        push(e, s, kind);
}

void
lw_smtp_out_body(lw_smtp *e, lw_span s, uint32_t i)
{
    if (s.len > 0)
        own(e, push(e, s, LW_SLICE_BODY), i);
}

int
lw_smtp_out(lw_smtp *e, lw_slice *v, int n)
{
    int count = 0;
    step s;

    if (e == NULL || v == NULL)
        return 0;
    /* the last step of a transaction makes room for the next one: it may go out at once */
    while ((s = lw_smtp_next_step(e)) != STEP_NONE) {
        lw_smtp_make_step(e, s);
        if (e->cur == NO_SLOT || e->has_event)
            lw_smtp_settle(e);
    }
    lw_smtp_settle(e);
    for (uint32_t i = 0; i < e->n_seg && count < n; i++, count++) {
        const segment *seg = &e->seg[(e->seg_first + i) % N_SEGMENTS];
        v[count] = (lw_slice){ seg->ptr, seg->len, seg->kind };
    }
    return count;
}

static void
drop_first_segment(lw_smtp *e)
{
    segment *seg = &e->seg[e->seg_first];

    if (seg->slot != NO_SLOT)
        lw_smtp_slot(e, seg->slot)->n_queued--;
    if (seg->ends_data)
        lw_smtp_slot(e, seg->slot)->data_left = true;
    e->seg_first = (e->seg_first + 1) % N_SEGMENTS;
    e->n_seg--;
    if (e->n_seg > 0)
        return;
    if (e->cmd_most < e->cmd_len)
        e->cmd_most = e->cmd_len;
    e->cmd_len = 0;
}

void
lw_smtp_sent(lw_smtp *e, size_t n)
{
    if (e == NULL)
        return;
    if (n > 0 && e->has_waited) {
        e->has_waited = false;
        e->flights++;
    }
    if (n > 0)
        e->since_ms = e->now_ms;
    e->sent_offset += n;
    while (n > 0 && e->n_seg > 0) {
        segment *seg = &e->seg[e->seg_first];
        size_t part = n < seg->len ? n : seg->len;
        seg->ptr += part;
        seg->len -= part;
        n -= part;
        if (seg->len == 0)
            drop_first_segment(e);
    }
    lw_assert(n == 0);
}

/* ---- awaited replies ---------------------------------------------------------------- */

void
lw_smtp_await(lw_smtp *e, awaited_kind kind, uint32_t i)
{
    awaited *last;

    if (i != NO_SLOT) {
        lw_smtp_slot(e, i)->n_awaited++;
        e->has_group |= e->n_await > 0;
    }
    if (e->n_await > 0 && (kind == AWAIT_RCPT || kind == AWAIT_CHUNK)) {
        last = &e->await[lw_ring(e->await_first + e->n_await - 1, e->await_cap)];
        if (last->kind == kind && last->slot == i) {
            last->count++;
            return;
        }
    }
    lw_assert(e->n_await < e->await_cap);
    e->await[lw_ring(e->await_first + e->n_await++, e->await_cap)] =
        (awaited){ kind, i, 1, e->out_offset };
}

void
lw_smtp_answered(lw_smtp *e)
{
    awaited *a = lw_smtp_awaited(e);

    lw_assert(a != NULL && a->count > 0);
    if (a->slot != NO_SLOT)
        lw_smtp_slot(e, a->slot)->n_awaited--;
    if (--a->count > 0)
        return;
    e->await_first = lw_ring(e->await_first + 1, e->await_cap);
    e->n_await--;
}
