/* SPDX-License-Identifier: MIT */
/*
 * tests/mime/composer.c - composes what readback.py asks for
 *
 * Standard input: items "NAME LENGTH\n" and LENGTH octets.  Items set a value by their name;
 * "send" renders and answers "LENGTH\n" and the octets, then a new message begins.  A failure
 * answers "-1\n", the sentence and "\n".
 */
#include "mime/support.h"

#define ATTACHED_MAX 16

typedef struct item {
    char name[16];
    char *value;
    size_t len;
} item;

/* what was attached lives until the message is sent */
static char *kept[ATTACHED_MAX];
static size_t n_kept;

static bool
read_item(item *it)
{
    if (scanf("%15s %zu", it->name, &it->len) != 2 || getchar() != '\n')
        return false;
    it->value = malloc(it->len + 1);
    if (it->value == NULL || fread(it->value, 1, it->len, stdin) != it->len)
        return false;
    it->value[it->len] = '\0';
    return true;
}

/* "name\ntype\ninline or empty\n" and the octets */
static lw_code
attach(lw_message *m, item *it)
{
    char *type = strchr(it->value, '\n') + 1, *kind = strchr(type, '\n') + 1;
    char *data = strchr(kind, '\n') + 1;
    lw_attachment how = { .name = it->value, .is_inline = kind[0] == 'i' };

    type[-1] = kind[-1] = '\0';
    how.type = type[0] != '\0' ? type : NULL;
    kept[n_kept++] = it->value;
    return lw_message_attach_memory(m, data, it->len - (size_t)(data - it->value), &how);
}

static lw_code
set(lw_message *m, item *it)
{
    static const struct {
        const char *name;
        lw_code (*set)(lw_message *, const char *);
    } setters[] = {
        { "from", lw_message_from }, { "to", lw_message_to }, { "cc", lw_message_cc },
        { "bcc", lw_message_bcc }, { "reply-to", lw_message_reply_to },
        { "subject", lw_message_subject }, { "text", lw_message_text }, { "html", lw_message_html },
        { "amp", lw_message_amp }, { "calendar", lw_message_calendar },
    };
    char *colon = strchr(it->value, ':');

    for (size_t i = 0; i < LW_COUNT(setters); i++)
        if (strcmp(it->name, setters[i].name) == 0)
            return setters[i].set(m, it->value);
    if (strcmp(it->name, "header") == 0 && colon != NULL) {
        *colon = '\0';
        return lw_message_header(m, it->value, colon + 1);
    }
    return LW_EUSAGE;
}

/* what the peer takes: "0" 7bit, "1" 8bit, "2" binary */
static lw_body_type transport;

static void
answer(lw_message *m, unsigned seed)
{
    lw_render_opts o = test_opts(seed);
    lw_rendering *r;
    lw_error e;
    lw_code rc;
    size_t len, spans;

    r = NULL;
    if (lw_rendering_new(m, &o, &r, &e) < 0 || lw_rendering_fit(r, transport, &e) < 0) {
        lw_rendering_free(r);
        printf("-1\n%s\n", e.text);
        return;
    }
    char *all = test_pull_all(r, &len, &rc, &spans);
    if (rc != LW_DONE || len != lw_rendering_body(r)->size)
        printf("-1\n%s\n", lw_rendering_error(r)->text);
    else if (printf("%zu\n", len) < 0 || fwrite(all, 1, len, stdout) != len)
        exit(1);
    free(all);
    lw_rendering_free(r);
}

int
main(void)
{
    lw_message *m = lw_message_new();
    unsigned seed = 1;
    item it;

    while (read_item(&it)) {
        if (strcmp(it.name, "attach") == 0 && n_kept < ATTACHED_MAX) {
            attach(m, &it);
            continue;
        }
        if (strcmp(it.name, "send") == 0) {
            transport = (lw_body_type)(it.value[0] == '1' ? 1 : it.value[0] == '2' ? 2 : 0);
            answer(m, seed++);
            lw_message_free(m);
            while (n_kept > 0)
                free(kept[--n_kept]);
            m = lw_message_new();
            fflush(stdout);
        } else {
            set(m, &it);
        }
        free(it.value);
    }
    lw_message_free(m);
    return 0;
}
