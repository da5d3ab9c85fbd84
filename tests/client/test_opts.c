/* SPDX-License-Identifier: MIT */
/*
 * test_opts.c - option structs of programs that were built with another header
 *
 * A shorter one lies at the end of an allocation: reading behind its size is seen by ASan and
 * valgrind.  Whatever works with defaults only must work with a struct that ends behind its size.
 */
#include "support/test.h"

#include <letterwing/bounce.h>
#include <letterwing/bulk.h>
#include <letterwing/dkim.h>
#include <letterwing/lint.h>
#include <letterwing/pool.h>
#include <letterwing/read.h>
#include <letterwing/send.h>
#include <letterwing/sink.h>

/* given is one of the library's option structs, of which only `size` octets exist */
typedef lw_code use_function(const void *given);

static lw_code
use_bounce(const void *given)
{
    lw_bounce *b;
    lw_code rc = lw_bounce_new(given, &b);

    lw_bounce_free(b);
    return rc;
}

static lw_code
use_lint(const void *given)
{
    lw_lint *l;
    lw_code rc = lw_lint_new(given, &l);

    lw_lint_free(l);
    return rc;
}

static lw_code
use_reader(const void *given)
{
    lw_reader *r;
    lw_code rc = lw_reader_new(given, &r);

    lw_reader_free(r);
    return rc;
}

static lw_code
use_template(const void *given)
{
    lw_template *t;
    lw_code rc = lw_template_new(given, LW_LIT("text"), &t, NULL);

    lw_template_free(t);
    return rc;
}

static lw_code
use_smtp(const void *given)
{
    lw_smtp *e;
    lw_code rc = lw_smtp_new(given, 0, &e);

    lw_smtp_free(e);
    return rc;
}

static lw_code
use_server(const void *given)
{
    lw_smtp_server *e;
    lw_code rc = lw_smtp_server_new(given, 0, &e);

    lw_smtp_server_free(e);
    return rc;
}

static lw_code
use_sink(const void *given)
{
    lw_sink *s;
    lw_code rc = lw_sink_open(given, &s, NULL);

    lw_sink_free(s);
    return rc;
}

static const struct {
    const char *name;
    size_t size;
    use_function *use;
} kinds[] = {
    { "lw_bounce_opts", sizeof(lw_bounce_opts), use_bounce },
    { "lw_lint_opts", sizeof(lw_lint_opts), use_lint },
    { "lw_reader_opts", sizeof(lw_reader_opts), use_reader },
    { "lw_template_opts", sizeof(lw_template_opts), use_template },
    { "lw_smtp_opts", sizeof(lw_smtp_opts), use_smtp },
    { "lw_smtp_server_opts", sizeof(lw_smtp_server_opts), use_server },
    { "lw_sink_opts", sizeof(lw_sink_opts), use_sink },
};

/* what use says to `size` octets of zero that begin with their size, told as `told` */
static lw_code
try_size(use_function *use, size_t size, size_t told)
{
    char *given = calloc(1, size);
    lw_code rc;

    assert_non_null(given);
    memcpy(given, &told, sizeof told);
    rc = use(given);
    free(given);
    return rc;
}

static void
test_sizes__shorter_ones_get_defaults_others_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < LW_COUNT(kinds); i++) {
        const struct { size_t size, told; lw_code want; } cases[] = {
            { sizeof(size_t), sizeof(size_t), LW_OK },
            { 2 * sizeof(void *), 2 * sizeof(void *), LW_OK },
            { kinds[i].size, kinds[i].size, LW_OK },
            { kinds[i].size, 0, LW_EUSAGE },
            { kinds[i].size, sizeof(size_t) - 1, LW_EUSAGE },
            { kinds[i].size, kinds[i].size + 1, LW_EUSAGE },
            { kinds[i].size, SIZE_MAX, LW_EUSAGE },
        };

        for (size_t k = 0; k < LW_COUNT(cases); k++) {
            lw_code rc = try_size(kinds[i].use, cases[k].size, cases[k].told);

            if (rc != cases[k].want)
                fail_msg("%s of %zu octets: %s", kinds[i].name, cases[k].told, lw_code_name(rc));
        }
    }
}

/* ---- options that need something to be set --------------------------------------------------- */

static void
set_size(void *given, size_t size)
{
    memcpy(given, &size, sizeof size);
}

/* the first `size` octets of what from points to, alone in an allocation, with that as their size */
static void *
shortened(const void *from, size_t size)
{
    char *p = malloc(size);

    assert_non_null(p);
    memcpy(p, from, size);
    set_size(p, size);
    return p;
}

static void
test_send__options_that_end_behind_the_servers_work(void **state)
{
    static const char *const url = "nonsense://";
    lw_send_opts o;
    lw_probe_opts look;
    void *sending, *looking;
    lw_session *s;
    lw_talk *t;
    lw_probe *p;
    lw_report *report;
    lw_message *m = lw_message_new();
    lw_error err;

    (void)state;
    lw_send_opts_init(&o);
    o.servers = &url;
    o.n_servers = 1;
    sending = shortened(&o, offsetof(lw_send_opts, user));
    lw_probe_opts_init(&look);
    look.send = sending;
    looking = shortened(&look, offsetof(lw_probe_opts, login));
    assert_int_equal(lw_session_open(sending, &s, &err), LW_ECONFIG); /* the URL was read */
    assert_int_equal(lw_talk_open(sending, &t, &err), LW_ECONFIG);
    assert_int_equal(lw_probe_run(looking, &p), LW_ECONFIG);
    lw_probe_free(p);
    (void)lw_message_from(m, "a@b.test");
    (void)lw_message_to(m, "a@b.test");
    (void)lw_message_text(m, "text");
    assert_int_equal(lw_send_with(sending, m, &report), LW_ECONFIG);
    lw_report_free(report);
    set_size(looking, sizeof look + 1);
    assert_int_equal(lw_probe_run(looking, &p), LW_EUSAGE);
    assert_null(p);
    set_size(sending, sizeof o + 1);
    assert_int_equal(lw_session_open(sending, &s, &err), LW_EUSAGE);
    assert_int_equal(lw_talk_open(sending, &t, &err), LW_EUSAGE);
    assert_int_equal(lw_send_with(sending, m, &report), LW_EUSAGE);
    assert_non_null(strstr(lw_report_text(report), "lw_send_opts_init()"));
    lw_report_free(report);
    lw_message_free(m);
    free(sending);
    free(looking);
}

static void
test_dkim__options_that_end_behind_the_key_work(void **state)
{
    lw_dkim_signer *s = lw_dkim_signer_new(NULL);
    lw_dkim_opts o;
    void *given;
    lw_error err;

    (void)state;
    lw_dkim_opts_init(&o);
    o.domain = "example.com";
    o.selector = "s";
    assert_int_equal(lw_dkim_key_generate(NULL, LW_DKIM_ED25519, 0, &o.key, &err), LW_OK);
    given = shortened(&o, offsetof(lw_dkim_opts, identity));
    assert_int_equal(lw_dkim_signer_add(s, given, &err), LW_OK);
    set_size(given, sizeof o + 1);
    assert_int_equal(lw_dkim_signer_add(s, given, &err), LW_EUSAGE);
    free(given);
    lw_dkim_signer_free(s);
    lw_dkim_key_free(o.key);
}

static void
test_pool__longer_options_and_jobs_are_refused(void **state)
{
    static const char *const url = "smtp://127.0.0.1:1";
    lw_send_opts send;
    lw_pool_opts o;
    lw_pool *p;
    lw_job job;

    (void)state;
    lw_send_opts_init(&send);
    send.servers = &url;
    send.n_servers = 1;
    lw_pool_opts_init(&o);
    o.send = &send;
    o.size++;
    assert_int_equal(lw_pool_open(&o, &p, NULL), LW_EUSAGE);
    o.size--;
    send.size++;
    assert_int_equal(lw_pool_open(&o, &p, NULL), LW_EUSAGE);
    send.size = offsetof(lw_send_opts, user); /* of a program built when it ended there */
    assert_int_equal(lw_pool_open(&o, &p, NULL), LW_OK);
    lw_job_init(&job);
    job.message = lw_message_new();
    job.size++;
    assert_int_equal(lw_pool_submit(p, &job, NULL, NULL), LW_EUSAGE);
    lw_message_free(job.message);
    lw_pool_close(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes__shorter_ones_get_defaults_others_are_refused),
        cmocka_unit_test(test_send__options_that_end_behind_the_servers_work),
        cmocka_unit_test(test_dkim__options_that_end_behind_the_key_work),
        cmocka_unit_test(test_pool__longer_options_and_jobs_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
