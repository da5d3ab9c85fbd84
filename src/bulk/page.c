/* SPDX-License-Identifier: MIT */
/*
 * bulk/page.c - a campaign as one HTML page
 *
 * No script and nothing to fetch, so that it can be kept, mailed and opened anywhere; the page's
 * own policy forbids both.  Foreign text (domains, replies, the title) is escaped in one place.
 */
#include "bulk/tally_int.h"

#include <stdio.h>
#include <time.h>

#define TOP 20
#define WIDTH 720
#define HEIGHT 180
#define PAGE_MAX ((size_t)16 << 20)

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "style-src 'unsafe-inline'\">\n"
    "<style>\n"
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#5b6470;--line:#d9dee4;"
    "--ok:#1f7a4d;--no:#c0392b;--wait:#b07d12;--un:#6b4fa0;--bar:#2f6db3}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e6e9ed;--dim:#9aa4b0;"
    "--line:#30363d;--ok:#4cc38a;--no:#ff7b6b;--wait:#e0b04a;--un:#b39ddb;--bar:#6aa9f0}}\n"
    "body{margin:0 auto;padding:1.2rem;max-width:48rem;background:var(--bg);color:var(--fg);"
    "font:16px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.4rem;margin:.2rem 0;overflow-wrap:anywhere}h2{font-size:1.05rem;"
    "margin:1.8rem 0 .5rem}p{margin:.3rem 0}.dim{color:var(--dim)}\n"
    ".cards{display:grid;grid-template-columns:repeat(4,1fr);gap:.6rem;"
    "margin:1rem 0}.card{border:1px solid var(--line);border-radius:.5rem;padding:.5rem .7rem}"
    ".card b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}\n"
    "table{border-collapse:collapse;width:100%;font-size:.92rem}th,td{text-align:left;"
    "padding:.3rem .4rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere;"
    "vertical-align:top}th{font-weight:600;color:var(--dim);overflow-wrap:normal}"
    ".r{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;"
    "overflow-wrap:normal}\n"
    ".d{min-width:9rem}.wide{overflow-x:auto}svg{width:100%;height:auto;display:block}"
    "svg text{fill:var(--dim);font:12px system-ui,sans-serif}\n"
    "@media(max-width:40rem){svg text{font-size:24px}.cards{grid-template-columns:repeat(2,1fr)}}\n"
    "details{margin:.5rem 0}summary{cursor:pointer;color:var(--dim)}\n"
    "svg.mix{height:.45rem;margin-top:.2rem}\n"
    ".ok{color:var(--ok)}.no{color:var(--no)}.wait{color:var(--wait)}.un{color:var(--un)}\n"
    "</style>\n";

/* ---- text ----------------------------------------------------------------------------------------- */

static void
add_text(lw_buf *b, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        switch (*p) {
        case '&': lw_buf_add_str(b, "&amp;"); break;
        case '<': lw_buf_add_str(b, "&lt;"); break;
        case '>': lw_buf_add_str(b, "&gt;"); break;
        case '"': lw_buf_add_str(b, "&quot;"); break;
        case '\'': lw_buf_add_str(b, "&#39;"); break;
        default: lw_buf_add_char(b, *p); break;
        }
    }
}

/* 1234567 as 1,234,567 */
static void
add_number(lw_buf *b, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);

    for (int i = 0; i < len; i++) {
        lw_buf_add_char(b, digits[i]);
        if ((len - i - 1) % 3 == 0 && i + 1 < len)
            lw_buf_add_char(b, ',');
    }
}

static void
add_seconds(lw_buf *b, double s)
{
    if (s < 0.001)
        lw_buf_add_fmt(b, "%.0f \xc2\xb5s", s * 1e6);
    else if (s < 1)
        lw_buf_add_fmt(b, "%.3g ms", s * 1e3);
    else if (s < 120)
        lw_buf_add_fmt(b, "%.3g s", s);
    else
        lw_buf_add_fmt(b, "%.0f min", s / 60);
}

static void
add_time(lw_buf *b, int64_t unix_s)
{
    time_t t = (time_t)unix_s;
    struct tm tm;

    if (gmtime_r(&t, &tm) != NULL)
        lw_buf_add_fmt(b, "%04d-%02d-%02d %02d:%02d UTC", tm.tm_year + 1900, tm.tm_mon + 1,
                       tm.tm_mday, tm.tm_hour, tm.tm_min);
}

/* ---- parts ------------------------------------------------------------------------------------------- */

static void
card(lw_buf *b, const char *klass, const char *name, uint64_t n)
{
    lw_buf_add_fmt(b, "<div class=\"card\"><b class=\"%s\">", klass);
    add_number(b, n);
    lw_buf_add_fmt(b, "</b>%s</div>\n", name);
}

static void
add_top(lw_buf *b, const lw_tally_about *a)
{
    const lw_campaign_counts *c = &a->counts;
    const char *title = a->title == NULL ? "Campaign" : a->title;

    lw_buf_add_str(b, head);
    lw_buf_add_str(b, "<title>");
    add_text(b, title);
    lw_buf_add_str(b, "</title></head>\n<body><main><h1>");
    add_text(b, title);
    lw_buf_add_str(b, "</h1>\n<p class=\"dim\">ended ");
    add_time(b, a->unix_s);
    lw_buf_add_str(b, ", after ");
    add_seconds(b, a->seconds);
    lw_buf_add_str(b, "</p>\n");
    if (a->note != NULL) {
        lw_buf_add_str(b, "<p>");
        add_text(b, a->note);
        lw_buf_add_str(b, "</p>\n");
    }
    lw_buf_add_str(b, "<div class=\"cards\">\n");
    card(b, "ok", "accepted", c->accepted);
    card(b, "no", "rejected", c->rejected);
    card(b, "wait", "deferred", c->deferred);
    card(b, "un", "uncertain", c->uncertain + c->uncertain_before);
    card(b, "dim", "unsent", c->unsent);
    card(b, "dim", "bad rows", c->bad);
    card(b, "dim", "duplicates", c->duplicates);
    card(b, "dim", "accepted before", c->done_before - c->rejected_before);
    card(b, "dim", "rejected before", c->rejected_before);
    lw_buf_add_str(b, "</div>\n");
}

static void
open_svg(lw_buf *b, const char *label)
{
    lw_buf_add_fmt(b, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n"
                   "<path d=\"M40 4V%dH%d\" fill=\"none\" stroke=\"var(--line)\"/>\n",
                   WIDTH, HEIGHT + 30, label, HEIGHT, WIDTH);
}

/* a bar of a chart with n places, from a share of the height */
static void
bar(lw_buf *b, size_t i, size_t n, double bottom, double share, const char *color)
{
    double w = (double)(WIDTH - 44) / (double)n, h = share * (HEIGHT - 8);

    if (share > 0)
        lw_buf_add_fmt(b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                       "fill=\"var(--%s)\"/>\n", 42 + (double)i * w,
                       HEIGHT - bottom * (HEIGHT - 8) - h, w > 2 ? w - 1 : w, h < 1 ? 1 : h, color);
}

static void
add_rate(lw_buf *b, const lw_tally *t)
{
    uint64_t most = 0;
    size_t n = t->n_points < 10 ? 10 : t->n_points;

    for (size_t i = 0; i < t->n_points; i++)
        if (t->accepted[i] + t->failed[i] > most)
            most = t->accepted[i] + t->failed[i];
    if (most == 0)
        return;
    lw_buf_add_str(b, "<h2>Rate over time</h2>\n<p class=\"dim\">at most ");
    add_number(b, (uint64_t)((double)most / t->point_s + 0.5));
    lw_buf_add_str(b, " a second</p>\n");
    open_svg(b, "messages a second over time");
    for (size_t i = 0; i < t->n_points; i++) {
        double ok = (double)t->accepted[i] / (double)most;

        bar(b, i, n, 0, ok, "ok");
        bar(b, i, n, ok, (double)t->failed[i] / (double)most, "no");
    }
    lw_buf_add_fmt(b, "<text x=\"42\" y=\"%d\">0</text>"
                   "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">",
                   HEIGHT + 24, WIDTH - 2, HEIGHT + 24);
    add_seconds(b, (double)n * t->point_s);
    lw_buf_add_str(b, "</text></svg>\n<p class=\"dim\"><span class=\"ok\">\xe2\x96\xa0</span> "
                   "accepted <span class=\"no\">\xe2\x96\xa0</span> not accepted</p>\n");
}

static void
latency_range(const lw_tally *t, size_t *from, size_t *to)
{
    *from = 0;
    *to = LW_TALLY_BUCKETS;
    while (*from < *to && t->latency[*from] == 0)
        ++*from;
    while (*to > *from && t->latency[*to - 1] == 0)
        --*to;
    *from = *from > 4 ? *from - 4 : 0;
    *to = *to + 4 < LW_TALLY_BUCKETS ? *to + 4 : LW_TALLY_BUCKETS;
}

static void
add_latency(lw_buf *b, const lw_tally *t)
{
    static const double fractions[] = { 0.5, 0.95, 0.99 };
    static const char *const names[] = { "half below ", ", 95% below ", ", 99% below " };
    uint64_t most = 0;
    size_t from, to;

    if (t->n_latencies == 0)
        return;
    latency_range(t, &from, &to);
    for (size_t i = from; i < to; i++)
        most = t->latency[i] > most ? t->latency[i] : most;
    lw_buf_add_str(b, "<h2>Time to the answer</h2>\n<p class=\"dim\">");
    for (size_t i = 0; i < LW_COUNT(fractions); i++) {
        lw_buf_add_str(b, names[i]);
        add_seconds(b, lw_tally_latency(t, fractions[i]));
    }
    lw_buf_add_str(b, "</p>\n");
    open_svg(b, "histogram of the time from when a connection has a message to the answer");
    for (size_t i = from; i < to; i++)
        bar(b, i - from, to - from, 0, (double)t->latency[i] / (double)most, "bar");
    lw_buf_add_fmt(b, "<text x=\"42\" y=\"%d\">", HEIGHT + 24);
    add_seconds(b, lw_tally_bucket_s(from));
    lw_buf_add_fmt(b, "</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">", WIDTH - 2, HEIGHT + 24);
    add_seconds(b, lw_tally_bucket_s(to));
    lw_buf_add_str(b, "</text></svg>\n");
}

static void
cell(lw_buf *b, uint64_t n)
{
    lw_buf_add_str(b, "<td class=\"r\">");
    if (n > 0)
        add_number(b, n);
    lw_buf_add_str(b, "</td>");
}

/* a domain's outcomes as parts of one bar */
static void
mix(lw_buf *b, const lw_tally_counts *c)
{
    static const struct {
        lw_outcome outcome;
        const char *color;
    } parts[] = { { LW_OUTCOME_ACCEPTED, "ok" }, { LW_OUTCOME_REJECTED, "no" },
                  { LW_OUTCOME_DEFERRED, "wait" }, { LW_OUTCOME_UNCERTAIN, "un" },
                  { LW_OUTCOME_UNSENT, "line" } };
    double all = 0, x = 0;

    for (size_t i = 0; i < LW_COUNT(parts); i++)
        all += (double)c->n[parts[i].outcome];
    lw_buf_add_str(b, "<svg class=\"mix\" viewBox=\"0 0 100 4\" preserveAspectRatio=\"none\">");
    for (size_t i = 0; i < LW_COUNT(parts) && all > 0; i++) {
        double w = 100 * (double)c->n[parts[i].outcome] / all;

        if (w > 0)
            lw_buf_add_fmt(b, "<rect x=\"%.2f\" width=\"%.2f\" height=\"4\" "
                           "fill=\"var(--%s)\"/>", x, w, parts[i].color);
        x += w;
    }
    lw_buf_add_str(b, "</svg>");
}

static void
domain_rows(lw_buf *b, const lw_tally_domain *d, size_t n)
{
    lw_buf_add_str(b, "<div class=\"wide\"><table><tr><th class=\"d\">domain</th>"
                   "<th class=\"r\">accepted</th><th class=\"r\">rejected</th>"
                   "<th class=\"r\">deferred</th><th class=\"r\">uncertain</th>"
                   "<th class=\"r\">unsent</th></tr>\n");
    for (size_t i = 0; i < n; i++) {
        lw_buf_add_str(b, "<tr><td>");
        add_text(b, d[i].name);
        mix(b, &d[i].counts);
        lw_buf_add_str(b, "</td>");
        cell(b, d[i].counts.n[LW_OUTCOME_ACCEPTED]);
        cell(b, d[i].counts.n[LW_OUTCOME_REJECTED]);
        cell(b, d[i].counts.n[LW_OUTCOME_DEFERRED]);
        cell(b, d[i].counts.n[LW_OUTCOME_UNCERTAIN]);
        cell(b, d[i].counts.n[LW_OUTCOME_UNSENT]);
        lw_buf_add_str(b, "</tr>\n");
    }
    lw_buf_add_str(b, "</table></div>\n");
}

/* what is behind the first TOP is there, and folded up */
static void
open_rest(lw_buf *b, size_t n, const char *what)
{
    lw_buf_add_str(b, "<details><summary>and ");
    add_number(b, n - TOP);
    lw_buf_add_fmt(b, " more %s%s</summary>\n", what, n - TOP == 1 ? "" : "s");
}

static lw_code
add_domains(lw_buf *b, const lw_tally *t)
{
    size_t n = lw_tally_domains(t, NULL, 0);
    lw_tally_domain *d;

    if (n == 0)
        return LW_OK;
    if ((d = lw_zalloc_array(&t->alloc, n, sizeof *d)) == NULL)
        return LW_ENOMEM;
    (void)lw_tally_domains(t, d, n);
    lw_buf_add_str(b, "<h2>By domain</h2>\n");
    domain_rows(b, d, n < TOP ? n : TOP);
    if (n > TOP) {
        open_rest(b, n, "domain");
        domain_rows(b, d + TOP, n - TOP);
        lw_buf_add_str(b, "</details>\n");
    }
    lw_release(&t->alloc, d);
    return LW_OK;
}

static void
refusal_rows(lw_buf *b, const lw_tally_refusal *r, size_t n)
{
    lw_buf_add_str(b, "<table><tr><th class=\"r\">times</th><th>code</th><th>text</th></tr>\n");
    for (size_t i = 0; i < n; i++) {
        lw_buf_add_str(b, "<tr>");
        cell(b, r[i].n);
        lw_buf_add_str(b, "<td>");
        if (r[i].code > 0)
            lw_buf_add_uint(b, (uint64_t)r[i].code);
        lw_buf_add_str(b, "</td><td>");
        add_text(b, r[i].text);
        lw_buf_add_str(b, "</td></tr>\n");
    }
    lw_buf_add_str(b, "</table>\n");
}

static void
add_refusals(lw_buf *b, const lw_tally *t)
{
    lw_tally_refusal r[LW_TALLY_REFUSALS + 1];
    size_t n = lw_tally_refusals(t, r, LW_COUNT(r));

    if (n == 0)
        return;
    lw_buf_add_str(b, "<h2>What was said where it was not accepted</h2>\n");
    refusal_rows(b, r, n < TOP ? n : TOP);
    if (n <= TOP)
        return;
    open_rest(b, n, "text");
    refusal_rows(b, r + TOP, n - TOP);
    lw_buf_add_str(b, "</details>\n");
}

lw_code
lw_tally_page(const lw_tally *t, const lw_tally_about *about,
              lw_code (*write)(void *ctx, const char *p, size_t n), void *ctx)
{
    lw_buf b;
    lw_code rc;

    if (t == NULL || about == NULL || write == NULL)
        return LW_EUSAGE;
    lw_buf_init(&b, &t->alloc, PAGE_MAX);
    add_top(&b, about);
    add_rate(&b, t);
    rc = add_domains(&b, t);
    add_refusals(&b, t);
    add_latency(&b, t);
    lw_buf_add_str(&b, "</main></body></html>\n");
    if (rc == LW_OK && (rc = lw_buf_finish(&b)) == LW_OK)
        rc = write(ctx, b.ptr, b.len);
    lw_buf_deinit(&b);
    return rc;
}
