/* SPDX-License-Identifier: MIT */
/*
 * client/mediatypes.c - the media type of a file name as this system has it: /etc/mime.types
 *
 * Lines "type/subtype extension extension ..."; what is malformed is passed over.  Where the file
 * is missing, mime/mediatype.c knows the common ones.
 */
#include "client/client_int.h"

#include <fcntl.h>
#include <unistd.h>

#define TYPES_FILE "/etc/mime.types"
#define TYPES_MAX ((size_t)512 * 1024)

/* what does not fit or cannot be read is left out; a line end says that it was tried */
static void
load(lw_buf *types)
{
    int fd = open(TYPES_FILE, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = 1;
    char *room;

    while (fd >= 0 && n > 0 && types->len < TYPES_MAX
           && (room = lw_buf_space(types, 65536)) != NULL) {
        n = read(fd, room, 65536);
        if (n > 0)
            lw_buf_used(types, (size_t)n);
    }
    if (fd >= 0)
        close(fd);
    lw_buf_add_char(types, '\n');
}

static lw_span
extension_of(const char *name)
{
    const char *dot = strrchr(name, '.');

    return lw_span_str(dot == NULL || strchr(dot, '/') != NULL ? NULL : dot + 1);
}

/* the next word of a line, moved out of *rest */
static bool
next_word(lw_span *rest, lw_span *word)
{
    size_t i = 0, j;

    while (i < rest->len && (rest->ptr[i] == ' ' || rest->ptr[i] == '\t' || rest->ptr[i] == '\r'))
        i++;
    for (j = i; j < rest->len && rest->ptr[j] != ' ' && rest->ptr[j] != '\t'
         && rest->ptr[j] != '\r'; j++)
        ;
    *word = (lw_span){ rest->ptr + i, j - i };
    *rest = (lw_span){ rest->ptr + j, rest->len - j };
    return word->len > 0;
}

static bool
line_has(lw_span line, lw_span extension, lw_span *type)
{
    lw_span word;

    if (!next_word(&line, type) || type->ptr[0] == '#' || lw_span_find(*type, '/') == type->len)
        return false;
    while (next_word(&line, &word))
        if (lw_span_eq_nocase(word, extension))
            return true;
    return false;
}

const char *
lw_system_type(lw_message *m, const char *name, char *buf, size_t cap)
{
    lw_span extension = extension_of(name), rest, line, type;
    lw_buf *types = lw_message_types(m);

    if (extension.len == 0)
        return NULL;
    if (types->len == 0)
        load(types);
    for (rest = lw_buf_span(types); lw_span_token(&rest, '\n', &line);) {
        if (!line_has(line, extension, &type) || type.len >= cap || lw_span_has_ctl(type))
            continue;
        memcpy(buf, type.ptr, type.len);
        buf[type.len] = '\0';
        return buf;
    }
    return NULL;
}
