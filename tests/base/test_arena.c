/* SPDX-License-Identifier: MIT */
/* arenas: few allocations, all given back, and texts that may be set for ever */
#include "support/memory.h"
#include "support/test.h"

#include "base/base.h"

static void
test_room__of_many_texts_takes_few_blocks(void **state)
{
    static const struct {
        size_t n;
        long most; /* blocks: 1 KiB, 2 KiB, 4 KiB... */
    } rows[] = { { 1, 1 }, { 100, 1 }, { 1000, 4 }, { 100000, 10 } };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        test_memory t;
        lw_arena a;

        test_memory_init(&t, -1);
        lw_arena_init(&a, &t.alloc);
        for (size_t k = 0; k < rows[i].n; k++)
            assert_string_equal(lw_arena_str(&a, "123456789"), "123456789");
        assert_int_equal(t.n_asked, rows[i].most);
        lw_arena_deinit(&a);
        assert_int_equal(t.n_out, 0);
    }
}

static void
test_lent_room__used_first(void **state)
{
    test_memory t;
    lw_arena a;
    char room[8];

    test_memory_init(&t, -1);
    lw_arena_init(&a, &t.alloc);
    lw_arena_lend(&a, room, sizeof room);
    assert_ptr_equal(lw_arena_room(&a, 5), room);
    assert_ptr_equal(lw_arena_reserve(&a, 3), room + 5);
    assert_ptr_equal(lw_arena_room(&a, 3), room + 5);
    assert_int_equal(t.n_asked, 0);
    assert_non_null(lw_arena_room(&a, 1));
    assert_int_equal(t.n_asked, 1);
    lw_arena_deinit(&a);
    assert_int_equal(t.n_out, 0);
}

static void
test_rewind__gives_back_what_came_after(void **state)
{
    test_memory t;
    lw_arena a, before;
    char *kept;

    test_memory_init(&t, -1);
    lw_arena_init(&a, &t.alloc);
    kept = lw_arena_str(&a, "kept");
    for (int round = 0; round < 1000; round++) {
        before = a;
        for (int i = 0; i < 100; i++)
            assert_non_null(lw_arena_room(&a, 500));
        assert_true(t.n_out > 1);
        lw_arena_rewind(&a, &before);
        assert_int_equal(t.n_out, 1);
    }
    assert_ptr_equal(lw_arena_room(&a, 1), kept + 5);
    assert_string_equal(kept, "kept");
    lw_arena_deinit(&a);
    assert_int_equal(t.n_out, 0);
}

static void
test_grow__keeps_and_aligns_elements(void **state)
{
    lw_arena a;
    void *items = NULL;
    size_t cap = 0;

    lw_arena_init(&a, NULL);
    for (size_t n = 0; n < 1000; n++) {
        assert_non_null(lw_arena_room(&a, 1 + n % 7));
        assert_true(lw_arena_grow(&a, &items, n, &cap, sizeof(uint64_t)));
        assert_int_equal((uintptr_t)items % _Alignof(max_align_t), 0);
        ((uint64_t *)items)[n] = n;
        for (size_t i = 0; i <= n; i++)
            assert_int_equal(((uint64_t *)items)[i], i);
    }
    lw_arena_deinit(&a);
}

static void
test_array__of_too_many_refused(void **state)
{
    test_memory t;
    lw_arena a;

    test_memory_init(&t, -1);
    lw_arena_init(&a, &t.alloc);
    assert_null(lw_arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(lw_arena_array(&a, SIZE_MAX, 1));
    assert_null(lw_arena_room(&a, SIZE_MAX));
    assert_int_equal(t.n_asked, 0);
    lw_arena_deinit(&a);
}

static void
test_slot__set_for_ever_stays_bounded(void **state)
{
    static const size_t sizes[] = { 10, 4, 11, 20, 21, 1000, 3, 1001 };
    test_memory t;
    lw_arena_slot slot = { NULL, 0 };
    lw_arena a;

    test_memory_init(&t, -1);
    lw_arena_init(&a, &t.alloc);
    for (size_t i = 0; i < 100000; i++) {
        size_t n = sizes[i % LW_COUNT(sizes)];
        char *room = lw_arena_replace(&a, &slot, n);
        assert_ptr_equal(room, slot.text);
        assert_true(slot.cap >= n && slot.cap <= 2 * 1001);
        memset(room, 'x', n);
    }
    assert_true(t.n_asked <= 3);
    lw_arena_deinit(&a);
    assert_int_equal(t.n_out, 0);
}

static void
test_slot__without_memory_keeps_its_text(void **state)
{
    test_memory t;
    lw_arena_slot slot = { NULL, 0 };
    lw_arena a;

    test_memory_init(&t, 1);
    lw_arena_init(&a, &t.alloc);
    memcpy(lw_arena_replace(&a, &slot, 4), "old", 4);
    assert_null(lw_arena_replace(&a, &slot, 5000));
    assert_string_equal(slot.text, "old");
    lw_arena_deinit(&a);
    assert_int_equal(t.n_out, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room__of_many_texts_takes_few_blocks),
        cmocka_unit_test(test_lent_room__used_first),
        cmocka_unit_test(test_rewind__gives_back_what_came_after),
        cmocka_unit_test(test_grow__keeps_and_aligns_elements),
        cmocka_unit_test(test_array__of_too_many_refused),
        cmocka_unit_test(test_slot__set_for_ever_stays_bounded),
        cmocka_unit_test(test_slot__without_memory_keeps_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
