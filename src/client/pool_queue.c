/* SPDX-License-Identifier: MIT */
/*
 * client/pool_queue.c - jobs that wait: in order, until a time, or for their domain's turn
 *
 * A job waits in one of three places: the waiting list (it may go now), a heap by time (it may
 * go later), the list of a domain (others to that domain come first).  Of the jobs that a
 * domain's rate holds back only the first, its leader, is in the heap; so each job moves a few
 * times only, however many there are.  All calls are made under the pool's lock.
 */
#include "client/pool_int.h"

/* ---- lists ------------------------------------------------------------------------------ */

void
lw_list_init(lw_list *l)
{
    l->head.next = l->head.prev = &l->head;
    l->n = 0;
}

static void
insert_behind(lw_list *l, lw_node *at, lw_node *node)
{
    node->prev = at;
    node->next = at->next;
    at->next->prev = node;
    at->next = node;
    l->n++;
}

void
lw_list_push(lw_list *l, lw_node *node)
{
    insert_behind(l, l->head.prev, node);
}

void
lw_list_push_first(lw_list *l, lw_node *node)
{
    insert_behind(l, &l->head, node);
}

void
lw_list_remove(lw_list *l, lw_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
    l->n--;
}

lw_node *
lw_list_first(const lw_list *l)
{
    return l->n == 0 ? NULL : l->head.next;
}

lw_node *
lw_list_last(const lw_list *l)
{
    return l->n == 0 ? NULL : l->head.prev;
}

lw_node *
lw_list_pop(lw_list *l)
{
    lw_node *node = lw_list_first(l);

    if (node != NULL)
        lw_list_remove(l, node);
    return node;
}

void
lw_list_move(lw_list *to, lw_list *from)
{
    if (from->n == 0)
        return;
    to->head.prev->next = from->head.next;
    from->head.next->prev = to->head.prev;
    to->head.prev = from->head.prev;
    from->head.prev->next = &to->head;
    to->n += from->n;
    lw_list_init(from);
}

/* ---- ids -------------------------------------------------------------------------------- */

#define NO_SLOT UINT32_MAX
#define SLOTS_FIRST 64

static lw_code
grow(lw_pool_queue *q, const lw_alloc *alloc)
{
    uint32_t cap = q->slots_cap == 0 ? SLOTS_FIRST : q->slots_cap * 2;
    lw_pool_job **heap;
    void *slots;

    if (cap <= q->slots_cap)
        return LW_ELIMIT;
    /* each on its own: what has grown stays of use if the other does not */
    if ((slots = lw_resize(alloc, q->slots, cap * sizeof *q->slots)) == NULL)
        return LW_ENOMEM;
    q->slots = slots;
    if ((heap = lw_resize(alloc, q->heap, cap * sizeof *heap)) == NULL)
        return LW_ENOMEM;
    q->heap = heap;
    q->slots_cap = q->heap_cap = cap;
    return LW_OK;
}

lw_code
lw_queue_register(lw_pool_queue *q, const lw_alloc *alloc, lw_pool_job *j)
{
    uint32_t i = q->first_free;
    lw_code rc;

    if (i == NO_SLOT) {
        if (q->n_slots == q->slots_cap && (rc = grow(q, alloc)) < 0)
            return rc;
        i = q->n_slots++;
        q->slots[i] = (struct lw_job_slot){ .uses = 0 };
    } else {
        q->first_free = q->slots[i].next_free;
    }
    q->slots[i].job = j;
    q->slots[i].uses++;
    j->id = (uint64_t)q->slots[i].uses << 32 | i;
    return LW_OK;
}

void
lw_queue_unregister(lw_pool_queue *q, lw_pool_job *j)
{
    uint32_t i = (uint32_t)j->id;

    q->slots[i].job = NULL;
    q->slots[i].next_free = q->first_free;
    q->first_free = i;
}

lw_pool_job *
lw_queue_find(const lw_pool_queue *q, lw_job_id id)
{
    uint32_t i = (uint32_t)id;

    if (i >= q->n_slots || q->slots[i].job == NULL || q->slots[i].uses != id >> 32)
        return NULL;
    return q->slots[i].job;
}

lw_code
lw_queue_init(lw_pool_queue *q, const lw_alloc *alloc, const lw_pool_rates *rates)
{
    memset(q, 0, sizeof *q);
    lw_list_init(&q->waiting);
    q->first_free = NO_SLOT;
    q->messages_ns = lw_rate_interval(rates->messages);
    q->recipients_ns = lw_rate_interval(rates->recipients);
    q->has_rates = q->messages_ns != 0 || q->recipients_ns != 0 ||
                   rates->recipients_per_domain > 0;
    return lw_domains_init(&q->domains, alloc, rates->recipients_per_domain);
}

void
lw_queue_deinit(lw_pool_queue *q, const lw_alloc *alloc)
{
    lw_domains_deinit(&q->domains, alloc);
    lw_release(alloc, q->heap);
    lw_release(alloc, q->slots);
}

/* ---- the heap --------------------------------------------------------------------------- */

static void
heap_put(lw_pool_queue *q, size_t at, lw_pool_job *j)
{
    q->heap[at] = j;
    j->heap_at = at;
}

static void
heap_up(lw_pool_queue *q, size_t at, lw_pool_job *j)
{
    while (at > 0 && q->heap[(at - 1) / 2]->due_ms > j->due_ms) {
        heap_put(q, at, q->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(q, at, j);
}

static void
heap_down(lw_pool_queue *q, size_t at, lw_pool_job *j)
{
    for (;;) {
        size_t child = at * 2 + 1;

        if (child + 1 < q->n_heap && q->heap[child + 1]->due_ms < q->heap[child]->due_ms)
            child++;
        if (child >= q->n_heap || q->heap[child]->due_ms >= j->due_ms)
            break;
        heap_put(q, at, q->heap[child]);
        at = child;
    }
    heap_put(q, at, j);
}

static void
heap_add(lw_pool_queue *q, lw_pool_job *j, uint64_t due_ms)
{
    j->due_ms = due_ms;
    j->place = LW_JOB_DELAYED;
    heap_up(q, q->n_heap++, j); /* lw_queue_register has made room */
}

static void
heap_remove(lw_pool_queue *q, lw_pool_job *j)
{
    lw_pool_job *last = q->heap[--q->n_heap];
    size_t at = j->heap_at;

    if (last == j)
        return;
    if (at > 0 && q->heap[(at - 1) / 2]->due_ms > last->due_ms)
        heap_up(q, at, last);
    else
        heap_down(q, at, last);
}

/* ---- waiting ---------------------------------------------------------------------------- */

static void
count_in(lw_pool_queue *q, lw_pool_job *j)
{
    q->n_waiting++;
    q->bytes += j->size_bytes;
}

static void
count_out(lw_pool_queue *q, lw_pool_job *j)
{
    q->n_waiting--;
    q->bytes -= j->size_bytes;
    j->place = LW_JOB_WORKED;
}

void
lw_queue_add(lw_pool_queue *q, lw_pool_job *j)
{
    count_in(q, j);
    j->place = LW_JOB_WAITING;
    lw_list_push(&q->waiting, &j->node);
}

void
lw_queue_add_first(lw_pool_queue *q, lw_pool_job *j)
{
    count_in(q, j);
    j->place = LW_JOB_WAITING;
    lw_list_push_first(&q->waiting, &j->node);
}

void
lw_queue_add_at(lw_pool_queue *q, lw_pool_job *j, uint64_t due_ms)
{
    count_in(q, j);
    heap_add(q, j, due_ms);
}

static void
move_due(lw_pool_queue *q, uint64_t now_ms)
{
    while (q->n_heap > 0 && q->heap[0]->due_ms <= now_ms) {
        lw_pool_job *j = q->heap[0];

        heap_remove(q, j);
        j->place = LW_JOB_WAITING;
        /* who leads has waited for longer than those that came meanwhile */
        if (j->leads != NULL)
            lw_list_push_first(&q->waiting, &j->node);
        else
            lw_list_push(&q->waiting, &j->node);
    }
}

/* ---- domains ---------------------------------------------------------------------------- */

static uint64_t
ms_of(uint64_t ns)
{
    return ns / 1000000 + (ns % 1000000 != 0);
}

/* the next in line leads, from when the rate allows it */
static void
next_leader(lw_pool_queue *q, lw_pool_domain *d)
{
    lw_pool_job *j = (lw_pool_job *)lw_list_pop(&d->behind);

    d->leader = j;
    if (j == NULL)
        return;
    j->behind = NULL;
    j->leads = d;
    heap_add(q, j, ms_of(lw_rate_ready_at(q->domains.interval_ns, d->tat_ns)));
}

static void
stop_leading(lw_pool_queue *q, lw_pool_job *j)
{
    lw_pool_domain *d = j->leads;

    j->leads = NULL;
    if (d != NULL)
        next_leader(q, d);
}

static bool
is_over(const lw_pool_queue *q, const lw_pool_domain *d, uint64_t now_ns)
{
    return lw_rate_ready_at(q->domains.interval_ns, d->tat_ns) > now_ns;
}

/* The domain of its recipients that it must wait for; NULL = none.  It waits in one line only, that
 * of the domain with most to come, and when its turn is there the others pay, if need be in
 * advance: so no line sends it to another for ever, and the mean of each domain is kept. */
static lw_pool_domain *
held_by(lw_pool_queue *q, const lw_pool_job *j, uint64_t now_ns)
{
    lw_pool_domain *most = NULL;

    if (j->leads != NULL)
        return is_over(q, j->leads, now_ns) ? j->leads : NULL;
    for (size_t i = 0; i < j->env.n_rcpts; i++) {
        lw_pool_domain *d = lw_domains_find(&q->domains, j->env.rcpts[i].address, now_ns);

        if ((d->leader != NULL || is_over(q, d, now_ns)) &&
            (most == NULL || d->tat_ns > most->tat_ns))
            most = d;
    }
    return most;
}

static void
hold(lw_pool_queue *q, lw_pool_job *j, lw_pool_domain *d)
{
    if (j->leads == d) { /* somebody else was sent meanwhile: it leads on, a little later */
        heap_add(q, j, ms_of(lw_rate_ready_at(q->domains.interval_ns, d->tat_ns)));
        return;
    }
    j->place = LW_JOB_BEHIND;
    j->behind = d;
    lw_list_push(&d->behind, &j->node);
    if (d->leader == NULL)
        next_leader(q, d);
}

static void
pay_domains(lw_pool_queue *q, lw_pool_job *j, uint64_t now_ns)
{
    for (size_t i = 0; i < j->env.n_rcpts; i++) {
        lw_pool_domain *d = lw_domains_find(&q->domains, j->env.rcpts[i].address, now_ns);

        lw_rate_take(q->domains.interval_ns, &d->tat_ns, now_ns, 1);
    }
    stop_leading(q, j);
}

/* ---- taking ----------------------------------------------------------------------------- */

static uint64_t
later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

bool
lw_queue_ready(lw_pool_queue *q, uint64_t now_ms, uint64_t *at_ms)
{
    uint64_t at = !q->has_rates ? 0 : later(lw_rate_ready_at(q->messages_ns, q->messages_tat_ns),
                        lw_rate_ready_at(q->recipients_ns, q->recipients_tat_ns));

    *at_ms = UINT64_MAX;
    move_due(q, now_ms);
    if (q->waiting.n > 0 && ms_of(at) <= now_ms)
        return true;
    if (q->waiting.n > 0)
        *at_ms = ms_of(at);
    else if (q->n_heap > 0)
        *at_ms = q->heap[0]->due_ms;
    return false;
}

static void
pay(lw_pool_queue *q, lw_pool_job *j, uint64_t now_ns)
{
    lw_rate_take(q->messages_ns, &q->messages_tat_ns, now_ns, 1);
    lw_rate_take(q->recipients_ns, &q->recipients_tat_ns, now_ns, j->env.n_rcpts);
    if (q->domains.interval_ns != 0)
        pay_domains(q, j, now_ns);
}

lw_pool_job *
lw_queue_take(lw_pool_queue *q, uint64_t now_ms)
{
    uint64_t at_ms, now_ns = now_ms * 1000000;

    while (lw_queue_ready(q, now_ms, &at_ms)) {
        lw_pool_job *j = (lw_pool_job *)lw_list_pop(&q->waiting);
        lw_pool_domain *d = q->domains.interval_ns == 0 ? NULL : held_by(q, j, now_ns);

        if (d != NULL) {
            hold(q, j, d);
            continue;
        }
        if (q->has_rates)
            pay(q, j, now_ns);
        count_out(q, j);
        return j;
    }
    return NULL;
}

void
lw_queue_remove(lw_pool_queue *q, lw_pool_job *j)
{
    if (j->place == LW_JOB_WAITING)
        lw_list_remove(&q->waiting, &j->node);
    else if (j->place == LW_JOB_DELAYED)
        heap_remove(q, j);
    else if (j->place == LW_JOB_BEHIND)
        lw_list_remove(&j->behind->behind, &j->node);
    j->behind = NULL;
    count_out(q, j);
    stop_leading(q, j);
}

void
lw_queue_take_all(lw_pool_queue *q, lw_list *to)
{
    /* whoever leads is in the list or in the heap, and its end brings the next: all are met */
    while (q->waiting.n > 0 || q->n_heap > 0) {
        lw_node *first = lw_list_first(&q->waiting);
        lw_pool_job *j = first != NULL ? (lw_pool_job *)first : q->heap[0];

        lw_queue_remove(q, j);
        lw_list_push(to, &j->node);
    }
}

void
lw_queue_spend(lw_pool_queue *q, uint32_t attempts, lw_list *spent)
{
    lw_node *node = lw_list_first(&q->waiting), *next;

    for (; node != NULL && node != &q->waiting.head; node = next) {
        lw_pool_job *j = (lw_pool_job *)node;

        next = node->next;
        if (++j->n_spent < attempts)
            continue;
        lw_queue_remove(q, j);
        lw_list_push(spent, &j->node);
    }
}
