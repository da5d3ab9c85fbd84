/* SPDX-License-Identifier: MIT */
/*
 * tests/bulk/test_journal.c - the journal: what it keeps, what a crash may leave, what it refuses
 */
#include "bulk/journal_int.h"

#include "support/memory.h"
#include "support/test.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static char path[64];
static const lw_identity ours = { "mail of ours...", "list of ours..." };

static int
set_up(void **state)
{
    /* in memory where there is such a place: thousands of syncs, and none of them is the point */
    snprintf(path, sizeof path, "%s/lw-journal-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    close(mkstemp(path));
    unlink(path);
    return 0;
}

static int
tear_down(void **state)
{
    unlink(path);
    return 0;
}

static lw_journal *
open_ours(void)
{
    lw_error err = { .text = "" };
    lw_journal *j;

    if (lw_journal_open(path, &ours, NULL, &j, &err) != LW_OK)
        fail_msg("%s", err.text);
    return j;
}

static lw_code
try_open(const lw_identity *identity, lw_error *err)
{
    lw_journal *j;
    lw_code rc = lw_journal_open(path, identity, NULL, &j, err);

    lw_journal_close(j, NULL);
    return rc;
}

static void
add(lw_journal *j, uint64_t row, lw_mark mark)
{
    lw_entry e = { .mark = (unsigned char)mark, .attempt = 1, .print = (uint32_t)row * 7, .code = 250 };

    assert_int_equal(lw_journal_add(j, row, e), LW_OK);
}

/* the file as octets */
static size_t
slurp(char *p, size_t cap)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, p, cap);

    assert_true(fd >= 0 && n >= 0 && (size_t)n < cap);
    close(fd);
    return (size_t)n;
}

static void
put(const char *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(write(fd, p, n), n);
    close(fd);
}

/* ---- what it keeps -------------------------------------------------------------------------- */

static void
test_journal__read_again_says_what_was_written(void **state)
{
    uint64_t n[LW_MARK_SYNCED];
    lw_journal *j = open_ours();

    assert_int_equal(lw_journal_row(j, 1).mark, LW_MARK_NONE);
    for (uint64_t row = 1; row <= 10000; row++)
        add(j, row * 3, LW_MARK_OFFERED);
    assert_int_equal(lw_journal_sync(j, NULL), LW_OK);
    for (uint64_t row = 1; row <= 10000; row++)
        add(j, row * 3, (lw_mark)(LW_MARK_ACCEPTED + row % 4));
    assert_int_equal(lw_journal_close(j, NULL), LW_OK);
    j = open_ours();
    lw_journal_counts(j, n);
    for (int mark = LW_MARK_ACCEPTED; mark <= LW_MARK_UNSENT; mark++)
        assert_int_equal(n[mark], 2500);
    assert_int_equal(n[LW_MARK_OFFERED] + n[LW_MARK_UNCERTAIN], 0);
    for (uint64_t row = 1; row <= 10000; row++) {
        lw_entry e = lw_journal_row(j, row * 3);

        assert_int_equal(e.mark, LW_MARK_ACCEPTED + row % 4);
        assert_int_equal(e.print, (uint32_t)(row * 21));
        assert_int_equal(e.code, 250);
        assert_int_equal(lw_journal_row(j, row * 3 + 1).mark, LW_MARK_NONE);
    }
    assert_int_equal(lw_journal_row(j, LW_JOURNAL_MAX_ROW).mark, LW_MARK_NONE);
    lw_journal_close(j, NULL);
}

static void
test_journal__accepted_is_never_taken_back(void **state)
{
    lw_journal *j = open_ours();

    add(j, 1, LW_MARK_OFFERED);
    add(j, 1, LW_MARK_ACCEPTED);
    add(j, 1, LW_MARK_OFFERED);
    add(j, 2, LW_MARK_DEFERRED);
    add(j, 2, LW_MARK_OFFERED);
    lw_journal_close(j, NULL);
    j = open_ours();
    assert_int_equal(lw_journal_row(j, 1).mark, LW_MARK_ACCEPTED);
    assert_int_equal(lw_journal_row(j, 2).mark, LW_MARK_OFFERED);
    lw_journal_close(j, NULL);
}

static void
test_journal__far_rows_cost_their_chunk_only(void **state)
{
    test_memory m;
    lw_journal *j = open_ours();

    add(j, LW_JOURNAL_MAX_ROW, LW_MARK_ACCEPTED);
    add(j, 1, LW_MARK_REJECTED);
    lw_journal_close(j, NULL);
    test_memory_init(&m, -1);
    assert_int_equal(lw_journal_open(path, &ours, &m.alloc, &j, NULL), LW_OK);
    assert_int_equal(lw_journal_row(j, LW_JOURNAL_MAX_ROW).mark, LW_MARK_ACCEPTED);
    assert_int_equal(lw_journal_row(j, 1).mark, LW_MARK_REJECTED);
    assert_true(m.n_out < 10);
    lw_journal_close(j, NULL);
    assert_int_equal(m.n_out, 0);
}

/* ---- what it refuses --------------------------------------------------------------------------- */

static void
test_journal__of_another_campaign_is_refused_and_left_alone(void **state)
{
    static const struct {
        lw_identity identity;
        const char *error;
    } others[] = {
        { { "mail of ours...", "list of others." }, "it belongs to another list" },
        { { "mail of others.", "list of ours..." }, "it belongs to another template" },
        { { "mail of others.", "list of others." }, "another template and list" },
    };
    char before[512], after[512];
    lw_journal *j = open_ours();
    size_t n;

    add(j, 1, LW_MARK_ACCEPTED);
    lw_journal_close(j, NULL);
    n = slurp(before, sizeof before);
    for (size_t i = 0; i < LW_COUNT(others); i++) {
        lw_error err;

        assert_int_equal(try_open(&others[i].identity, &err), LW_ECONFIG);
        assert_non_null(strstr(err.text, others[i].error));
        assert_int_equal(slurp(after, sizeof after), n);
        assert_memory_equal(before, after, n);
    }
}

static void
test_journal__somebodys_file_is_refused_and_left_alone(void **state)
{
    char big[1000], after[1024];
    lw_error err;

    memset(big, 'x', sizeof big);
    for (size_t n = 1; n <= sizeof big; n += 37) {
        put(big, n);
        assert_int_equal(try_open(&ours, &err), LW_ECONFIG);
        assert_non_null(strstr(err.text, "this file is no journal"));
        assert_int_equal(slurp(after, sizeof after), n);
        assert_memory_equal(after, big, n);
    }
}

static void
test_journal__used_by_another_process_is_refused(void **state)
{
    lw_journal *j = open_ours();
    lw_error err;

    assert_int_equal(try_open(&ours, &err), LW_EBUSY);
    assert_int_equal(lw_exit_code(&err), 75);
    assert_non_null(strstr(err.text, "another process works with it"));
    lw_journal_close(j, NULL);
    assert_int_equal(try_open(&ours, &err), LW_OK);
}

static void
test_journal__no_file_is_refused(void **state)
{
    lw_journal *j;
    lw_error err;

    assert_int_equal(lw_journal_open("/tmp", &ours, NULL, &j, &err), LW_EOUTPUT);
    assert_int_equal(lw_journal_open("/dev/null", &ours, NULL, &j, &err), LW_ECONFIG);
    assert_int_equal(lw_journal_open("/nowhere/at/all", &ours, NULL, &j, &err), LW_EOUTPUT);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
}

/* ---- what a crash may leave ------------------------------------------------------------------------ */

static void
test_journal__header_torn_while_it_was_made_begins_anew(void **state)
{
    char header[LW_JOURNAL_HEADER + 1];
    lw_journal *j = open_ours();

    lw_journal_close(j, NULL);
    assert_int_equal(slurp(header, sizeof header), LW_JOURNAL_HEADER);
    for (size_t n = 0; n <= LW_JOURNAL_HEADER; n++) {
        for (int zeros = 0; zeros < 2; zeros++) {
            char torn[LW_JOURNAL_HEADER] = { 0 };

            memcpy(torn, header, n);
            put(torn, zeros ? LW_JOURNAL_HEADER : n);
            j = open_ours();
            add(j, 5, LW_MARK_ACCEPTED);
            lw_journal_close(j, NULL);
            j = open_ours();
            assert_int_equal(lw_journal_row(j, 5).mark, LW_MARK_ACCEPTED);
            lw_journal_close(j, NULL);
        }
    }
}

#define SYNCED_ROWS 20
#define TAIL_ROWS 30

/* a file whose first part was synced and known to be, and whose tail was only written */
static size_t
make_crashed(char *p, size_t cap, size_t *tail)
{
    lw_journal *j = open_ours();
    struct stat st;

    for (uint64_t row = 1; row <= SYNCED_ROWS; row++)
        add(j, row, LW_MARK_OFFERED);
    assert_int_equal(lw_journal_sync(j, NULL), LW_OK);
    for (uint64_t row = 1; row <= SYNCED_ROWS; row += 2)
        add(j, row, LW_MARK_ACCEPTED);
    assert_int_equal(lw_journal_sync(j, NULL), LW_OK);
    stat(path, &st);
    *tail = (size_t)st.st_size + LW_JOURNAL_RECORD; /* with the `synced` that says so */
    for (uint64_t row = SYNCED_ROWS + 1; row <= SYNCED_ROWS + TAIL_ROWS; row++)
        add(j, row, LW_MARK_OFFERED);
    for (uint64_t row = SYNCED_ROWS + 1; row <= SYNCED_ROWS + TAIL_ROWS; row += 3)
        add(j, row, LW_MARK_ACCEPTED);
    assert_int_equal(lw_journal_write(j, NULL), LW_OK);
    size_t n = slurp(p, cap);
    lw_journal_close(j, NULL);
    return n;
}

/* what was synced is there; the rest is what was written, or nothing */
static void
check_recovered(void)
{
    lw_journal *j = open_ours();

    for (uint64_t row = 1; row <= SYNCED_ROWS; row++)
        assert_int_equal(lw_journal_row(j, row).mark,
                         row % 2 == 1 ? LW_MARK_ACCEPTED : LW_MARK_OFFERED);
    for (uint64_t row = SYNCED_ROWS + 1; row <= SYNCED_ROWS + TAIL_ROWS; row++) {
        int mark = lw_journal_row(j, row).mark;

        assert_true(mark == LW_MARK_NONE || mark == LW_MARK_OFFERED ||
                    (mark == LW_MARK_ACCEPTED && row % 3 == 0));
    }
    /* life goes on: behind the harm, and behind a further sync */
    add(j, 1000, LW_MARK_OFFERED);
    assert_int_equal(lw_journal_sync(j, NULL), LW_OK);
    add(j, 1000, LW_MARK_ACCEPTED);
    assert_int_equal(lw_journal_close(j, NULL), LW_OK);
    j = open_ours();
    assert_int_equal(lw_journal_row(j, 1000).mark, LW_MARK_ACCEPTED);
    assert_int_equal(lw_journal_row(j, 1).mark, LW_MARK_ACCEPTED);
    lw_journal_close(j, NULL);
}

static void
test_journal__cut_at_each_octet_of_the_tail_keeps_what_was_synced(void **state)
{
    char whole[8192];
    size_t tail, n = make_crashed(whole, sizeof whole, &tail);

    for (size_t cut = tail - LW_JOURNAL_RECORD; cut <= n; cut++) {
        put(whole, cut);
        check_recovered();
    }
}

static void
test_journal__tail_written_in_any_order_keeps_what_was_synced(void **state)
{
    char whole[8192], torn[8192];
    size_t tail, n = make_crashed(whole, sizeof whole, &tail);
    unsigned seed = 4;

    for (int round = 0; round < 500; round++) {
        memcpy(torn, whole, n);
        for (size_t at = tail; at < n; at += LW_JOURNAL_RECORD) {
            seed = seed * 1103515245u + 12345u;
            if ((seed >> 16) % 3 == 0) /* this piece never reached the disk */
                memset(torn + at, round % 2 == 0 ? 0 : (int)(seed >> 8), LW_JOURNAL_RECORD);
            else if ((seed >> 16) % 11 == 0) /* half of it did */
                memset(torn + at + (seed >> 20) % 16, 0, 16 - (seed >> 20) % 16);
        }
        put(torn, n);
        check_recovered();
    }
}

static void
test_journal__each_octet_before_the_last_sync_changed_is_refused(void **state)
{
    char whole[8192];
    size_t tail, n = make_crashed(whole, sizeof whole, &tail);
    lw_error err;

    for (size_t at = LW_JOURNAL_HEADER; at < tail - LW_JOURNAL_RECORD; at++) {
        whole[at] ^= 0x10;
        put(whole, n);
        assert_int_equal(try_open(&ours, &err), LW_ECONFIG);
        assert_non_null(strstr(err.text, "it is damaged at octet"));
        whole[at] ^= 0x10;
    }
    for (size_t at = 0; at < LW_JOURNAL_HEADER; at++) {
        whole[at] ^= 0x10;
        put(whole, n);
        assert_int_equal(try_open(&ours, &err), LW_ECONFIG);
        whole[at] ^= 0x10;
    }
}

/* a record is good at its own place only: old octets that turn up elsewhere are no records */
static void
test_journal__records_at_other_places_do_not_count(void **state)
{
    char whole[8192];
    size_t tail, n = make_crashed(whole, sizeof whole, &tail);
    lw_journal *j;

    memcpy(whole + n, whole + LW_JOURNAL_HEADER, 160);
    put(whole, n + 160);
    j = open_ours();
    assert_int_equal(lw_journal_row(j, 1).mark, LW_MARK_ACCEPTED);
    lw_journal_close(j, NULL);
    /* swapped before the last sync */
    memmove(whole + LW_JOURNAL_HEADER, whole + LW_JOURNAL_HEADER + 16, 16);
    put(whole, n);
    assert_int_equal(try_open(&ours, NULL), LW_ECONFIG);
}

/* ---- a full disk --------------------------------------------------------------------------------------- */

static void
limit_files(rlim_t bytes)
{
    struct rlimit l;

    getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = bytes == 0 ? l.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void
test_journal__full_disk_is_met_before_rows_are_offered(void **state)
{
    lw_journal *j = open_ours();
    lw_error err;

    signal(SIGXFSZ, SIG_IGN);
    add(j, 1, LW_MARK_OFFERED);
    assert_int_equal(lw_journal_sync(j, NULL), LW_OK);
    limit_files(LW_JOURNAL_HEADER + 40);
    assert_int_equal(lw_journal_reserve(j, 1000, &err), LW_EOUTPUT);
    assert_non_null(strstr(err.text, path));
    for (uint64_t row = 2; row <= 10; row++)
        add(j, row, LW_MARK_OFFERED);
    assert_int_equal(lw_journal_write(j, &err), LW_EOUTPUT); /* half of a record fits */
    limit_files(0);
    assert_int_equal(lw_journal_write(j, &err), LW_OK);
    assert_int_equal(lw_journal_close(j, &err), LW_OK);
    j = open_ours();
    for (uint64_t row = 1; row <= 10; row++)
        assert_int_equal(lw_journal_row(j, row).mark, LW_MARK_OFFERED);
    lw_journal_close(j, NULL);
}

static void
test_journal__reserved_space_is_given_back_and_holds_no_records(void **state)
{
    lw_journal *j = open_ours();
    struct stat st;

    assert_int_equal(lw_journal_reserve(j, 100000, NULL), LW_OK);
    add(j, 1, LW_MARK_ACCEPTED);
    lw_journal_close(j, NULL);
    stat(path, &st);
    assert_int_equal(st.st_size, LW_JOURNAL_HEADER + LW_JOURNAL_RECORD);
}

/* ---- killed --------------------------------------------------------------------------------------------- */

#define KILL_ROWS 400

/* offers, "sends" (a number into a pipe), records: what a campaign does */
static void
work(int to)
{
    lw_journal *j = open_ours();

    for (uint64_t first = 1; first <= KILL_ROWS; first += 8) {
        for (uint64_t row = first; row < first + 8; row++)
            if (lw_journal_row(j, row).mark == LW_MARK_NONE)
                add(j, row, LW_MARK_OFFERED);
        if (lw_journal_sync(j, NULL) != LW_OK)
            _exit(1);
        for (uint64_t row = first; row < first + 8; row++) {
            if (lw_journal_row(j, row).mark != LW_MARK_NONE)
                continue; /* accepted, or uncertain: not again */
            if (write(to, &row, sizeof row) != sizeof row)
                _exit(1);
            add(j, row, LW_MARK_ACCEPTED);
            if (lw_journal_write(j, NULL) != LW_OK)
                _exit(1);
        }
    }
    lw_journal_close(j, NULL);
    _exit(0);
}

/* runs it, kills it after so many rows, counts what arrived; true: it ended by itself */
static bool
run_and_kill(unsigned after, unsigned *arrived)
{
    int fds[2], status;
    uint64_t row;
    pid_t child;

    assert_int_equal(pipe(fds), 0);
    if ((child = fork()) == 0) {
        close(fds[0]);
        work(fds[1]);
    }
    close(fds[1]);
    for (unsigned n = 0; read(fds[0], &row, sizeof row) == sizeof row; n++) {
        arrived[row]++;
        if (n == after)
            kill(child, SIGKILL);
    }
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
test_journal__killed_at_any_moment_nothing_is_lost_and_nothing_sent_twice(void **state)
{
    for (unsigned seed = 1; seed <= 50; seed++) {
        unsigned arrived[KILL_ROWS + 1] = { 0 }, uncertain = 0, r = seed, kills = 0;
        lw_journal *j;

        for (r = r * 1103515245u + 12345u; !run_and_kill((r >> 16) % 150, arrived); kills++)
            r = r * 1103515245u + 12345u;
        j = open_ours();
        for (uint64_t row = 1; row <= KILL_ROWS; row++) {
            int mark = lw_journal_row(j, row).mark;

            assert_true(mark == LW_MARK_ACCEPTED || mark == LW_MARK_OFFERED);
            assert_true(arrived[row] <= 1);
            if (mark == LW_MARK_ACCEPTED)
                assert_int_equal(arrived[row], 1);
            uncertain += mark == LW_MARK_OFFERED;
        }
        lw_journal_close(j, NULL);
        assert_true(uncertain <= 8 * kills); /* eight are offered at a time: the window */
        unlink(path);
    }
}

static void
test_journal__each_allocation_may_fail(void **state)
{
    lw_journal *j = open_ours();

    for (uint64_t row = 1; row < 300; row++)
        add(j, row, LW_MARK_OFFERED);
    lw_journal_close(j, NULL);
    for (long n = 0, done = 0; !done; n++) {
        test_memory m;
        lw_code rc;

        test_memory_init(&m, n);
        rc = lw_journal_open(path, &ours, &m.alloc, &j, NULL);
        if (rc == LW_OK)
            rc = lw_journal_add(j, 7, (lw_entry){ .mark = LW_MARK_UNSENT });
        assert_int_equal(rc, m.has_failed ? LW_ENOMEM : LW_OK);
        done = rc == LW_OK;
        lw_journal_close(j, NULL);
        assert_int_equal(m.n_out, 0);
    }
}

#define JOURNAL_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        JOURNAL_TEST(test_journal__read_again_says_what_was_written),
        JOURNAL_TEST(test_journal__accepted_is_never_taken_back),
        JOURNAL_TEST(test_journal__far_rows_cost_their_chunk_only),
        JOURNAL_TEST(test_journal__of_another_campaign_is_refused_and_left_alone),
        JOURNAL_TEST(test_journal__somebodys_file_is_refused_and_left_alone),
        JOURNAL_TEST(test_journal__used_by_another_process_is_refused),
        JOURNAL_TEST(test_journal__no_file_is_refused),
        JOURNAL_TEST(test_journal__header_torn_while_it_was_made_begins_anew),
        JOURNAL_TEST(test_journal__cut_at_each_octet_of_the_tail_keeps_what_was_synced),
        JOURNAL_TEST(test_journal__tail_written_in_any_order_keeps_what_was_synced),
        JOURNAL_TEST(test_journal__each_octet_before_the_last_sync_changed_is_refused),
        JOURNAL_TEST(test_journal__records_at_other_places_do_not_count),
        JOURNAL_TEST(test_journal__full_disk_is_met_before_rows_are_offered),
        JOURNAL_TEST(test_journal__reserved_space_is_given_back_and_holds_no_records),
        JOURNAL_TEST(test_journal__killed_at_any_moment_nothing_is_lost_and_nothing_sent_twice),
        JOURNAL_TEST(test_journal__each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
