/* SPDX-License-Identifier: MIT */
/* bulk/tally.c - sums over a campaign, each in a table of fixed size */
#include "bulk/tally_int.h"

lw_tally *
lw_tally_new(const lw_alloc *alloc)
{
    lw_tally *t = lw_zalloc(alloc, sizeof *t);

    if (t == NULL)
        return NULL;
    t->alloc = *lw_alloc_or_default(alloc);
    t->point_s = 1;
    return t;
}

void
lw_tally_free(lw_tally *t)
{
    if (t == NULL)
        return;
    lw_alloc alloc = t->alloc;
    lw_release(&alloc, t);
}

/* ---- domains ------------------------------------------------------------------------------------ */

static void
domain_of(char out[LW_TALLY_TEXT], lw_span address)
{
    size_t at = address.len, n = 0;

    while (at > 0 && address.ptr[at - 1] != '@')
        at--;
    while (at > 0 && at + n < address.len && n < LW_TALLY_TEXT - 1) {
        out[n] = lw_lower(address.ptr[at + n]);
        n++;
    }
    out[n] = '\0';
}

static lw_tally_slot *
find_domain(lw_tally *t, const char *name)
{
    lw_tally_slot *others = &t->domains[LW_TALLY_DOMAINS];
    lw_sip s;
    size_t i;

    lw_sip_init(&s, (lw_sip_key){ 0, 0 });
    lw_sip_add(&s, lw_span_str(name));
    for (i = lw_sip_end(&s) % LW_TALLY_SLOTS; t->table[i] != 0; i = (i + 1) % LW_TALLY_SLOTS)
        if (strcmp(t->domains[t->table[i] - 1].name, name) == 0)
            return &t->domains[t->table[i] - 1];
    if (t->n_domains == LW_TALLY_DOMAINS) {
        memcpy(others->name, "(others)", sizeof "(others)");
        return others;
    }
    t->table[i] = (uint16_t)++t->n_domains;
    memcpy(t->domains[t->n_domains - 1].name, name, strlen(name) + 1);
    return &t->domains[t->n_domains - 1];
}

/* ---- refusals -------------------------------------------------------------------------------------- */

/* the text in one line, without the address: so that equal reasons look equal */
static void
reason(char out[LW_TALLY_TEXT], const char *text, lw_span address)
{
    lw_span rest = lw_span_str(text);
    char plain[LW_TALLY_TEXT];
    size_t n = 0;

    while (rest.len > 0 && n < sizeof plain - 2) {
        if (address.len > 0 && rest.len >= address.len &&
            lw_span_eq_nocase((lw_span){ rest.ptr, address.len }, address)) {
            plain[n++] = '*';
            rest.ptr += address.len;
            rest.len -= address.len;
            continue;
        }
        plain[n++] = *rest.ptr == '\n' ? ' ' : *rest.ptr;
        rest.ptr++;
        rest.len--;
    }
    lw_print_safe(out, LW_TALLY_TEXT, (lw_span){ plain, n });
}

static void
add_refusal(lw_tally *t, const lw_row_event *ev)
{
    char text[LW_TALLY_TEXT];
    size_t i = 0;

    reason(text, ev->text, ev->address);
    while (i < t->n_refusals &&
           (t->refusals[i].code != ev->code || strcmp(t->refusals[i].text, text) != 0))
        i++;
    if (i == t->n_refusals && i < LW_TALLY_REFUSALS) {
        memcpy(t->refusals[i].text, text, sizeof text);
        t->refusals[i].code = ev->code;
        t->n_refusals++;
    } else if (i == LW_TALLY_REFUSALS) {
        memcpy(t->refusals[i].text, "(others)", sizeof "(others)");
    }
    t->refusals[i].n++;
}

/* ---- time --------------------------------------------------------------------------------------------- */

static void
halve(lw_tally *t)
{
    for (size_t i = 0; i < LW_TALLY_POINTS; i++) {
        bool has_pair = i < LW_TALLY_POINTS / 2;

        t->accepted[i] = has_pair ? t->accepted[2 * i] + t->accepted[2 * i + 1] : 0;
        t->failed[i] = has_pair ? t->failed[2 * i] + t->failed[2 * i + 1] : 0;
    }
    t->point_s *= 2;
    t->n_points = (t->n_points + 1) / 2;
}

static void
add_point(lw_tally *t, bool is_accepted, double now_s)
{
    size_t i;

    if (!(now_s >= 0) || now_s > 1e9)
        return;
    while (now_s >= t->point_s * LW_TALLY_POINTS)
        halve(t);
    i = (size_t)(now_s / t->point_s);
    if (i >= t->n_points)
        t->n_points = i + 1;
    if (is_accepted)
        t->accepted[i]++;
    else
        t->failed[i]++;
}

double
lw_tally_bucket_s(size_t bucket)
{
    size_t doubling = bucket / LW_TALLY_STEPS, step = bucket % LW_TALLY_STEPS;

    return 1e-6 * (double)(UINT64_C(1) << doubling) *
           (1.0 + (double)step / LW_TALLY_STEPS);
}

static void
add_latency(lw_tally *t, double seconds)
{
    size_t b = 0;

    while (b + 1 < LW_TALLY_BUCKETS && lw_tally_bucket_s(b + 1) <= seconds)
        b += b + LW_TALLY_STEPS < LW_TALLY_BUCKETS &&
                     lw_tally_bucket_s(b + LW_TALLY_STEPS) <= seconds
                 ? LW_TALLY_STEPS : 1;
    t->latency[b]++;
    t->n_latencies++;
}

double
lw_tally_latency(const lw_tally *t, double fraction)
{
    double wanted;
    uint64_t n = 0;
    size_t b = 0;

    if (t == NULL || t->n_latencies == 0)
        return -1;
    wanted = fraction * (double)t->n_latencies;
    while (b < LW_TALLY_BUCKETS && (n += t->latency[b]) < wanted)
        b++;
    return lw_tally_bucket_s(b < LW_TALLY_BUCKETS ? b + 1 : LW_TALLY_BUCKETS);
}

/* ---- in and out ------------------------------------------------------------------------------------------ */

static void
add_answer(lw_tally *t, const lw_row_event *ev)
{
    if (ev->code > 0 && ev->seconds > 0) /* a 421 in place of a greeting answers no message */
        add_latency(t, ev->seconds);
    if (ev->outcome != LW_OUTCOME_ACCEPTED)
        add_refusal(t, ev);
}

void
lw_tally_add(lw_tally *t, const lw_row_event *ev, double now_s)
{
    char domain[LW_TALLY_TEXT];

    if (t == NULL || ev == NULL)
        return;
    if (ev->fate != LW_FATE_SENT && ev->fate != LW_FATE_RETRY && ev->fate != LW_FATE_ENDED)
        return;
    if (ev->fate != LW_FATE_ENDED)
        add_answer(t, ev);
    if (ev->fate == LW_FATE_RETRY)
        return;
    domain_of(domain, ev->address);
    find_domain(t, domain)->counts.n[ev->outcome]++;
    add_point(t, ev->outcome == LW_OUTCOME_ACCEPTED, now_s);
}

static uint64_t
sum(const lw_tally_counts *c)
{
    uint64_t n = 0;

    for (size_t i = 0; i < LW_COUNT(c->n); i++)
        n += c->n[i];
    return n;
}

/* Insertion into the sorted first max; the others, which come last, stay there.  What is frequent is
 * met early: also where all are asked for little is moved. */
size_t
lw_tally_domains(const lw_tally *t, lw_tally_domain *out, size_t max)
{
    size_t n = 0;

    if (t == NULL)
        return 0;
    for (size_t i = 0; i <= LW_TALLY_DOMAINS; i++) {
        lw_tally_domain d = { t->domains[i].name, t->domains[i].counts };
        size_t at = n;

        if (sum(&d.counts) == 0)
            continue;
        if (out == NULL) {
            n++;
            continue;
        }
        while (i < LW_TALLY_DOMAINS && at > 0 && sum(&out[at - 1].counts) < sum(&d.counts))
            at--;
        if (at == max)
            continue;
        n += n < max;
        memmove(out + at + 1, out + at, (n - at - 1) * sizeof *out);
        out[at] = d;
    }
    return n;
}

size_t
lw_tally_refusals(const lw_tally *t, lw_tally_refusal *out, size_t max)
{
    size_t n = 0;

    if (t == NULL)
        return 0;
    for (size_t i = 0; i <= LW_TALLY_REFUSALS; i++) {
        lw_tally_refusal r = { t->refusals[i].code, t->refusals[i].text, t->refusals[i].n };
        size_t at = n;

        if (r.n == 0)
            continue;
        if (out == NULL) {
            n++;
            continue;
        }
        while (i < LW_TALLY_REFUSALS && at > 0 && out[at - 1].n < r.n)
            at--;
        if (at == max)
            continue;
        n += n < max;
        memmove(out + at + 1, out + at, (n - at - 1) * sizeof *out);
        out[at] = r;
    }
    return n;
}
