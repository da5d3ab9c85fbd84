/* SPDX-License-Identifier: MIT */
/* cli/transcript.c - the dialogue into a file, as text or JSON lines, and on standard error */
#include "cli/cli.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *
direction_name(lw_direction direction)
{
    switch (direction) {
    case LW_TRANSCRIPT_CLIENT: return "C";
    case LW_TRANSCRIPT_SERVER: return "S";
    case LW_TRANSCRIPT_NOTE: return "*";
    }
    return "*";
}

static void
write_text(FILE *f, const char *time, const lw_transcript_line *line, bool is_safe)
{
    const char *colon = line->direction == LW_TRANSCRIPT_NOTE ? " " : ":";

    fprintf(f, "%s %s%s ", time, direction_name(line->direction), colon);
    if (is_safe)
        cli_print_span(f, line->text);
    else
        fwrite(line->text.ptr, 1, line->text.len, f);
    fputc('\n', f);
}

static void
write_jsonl(FILE *f, const char *time, const lw_transcript_line *line)
{
    json_t *json = json_pack("{s:s, s:I, s:s, s:o}", "time", time, "ms",
                             (json_int_t) line->time_ms, "direction",
                             direction_name(line->direction), "text",
                             cli_json_span(line->text));

    json_dumpf(json, f, JSON_COMPACT);
    json_decref(json);
    fputc('\n', f);
}

static void
write_file(cli_transcript *t, const lw_transcript_line *line)
{
    char time[40];

    cli_time(time, sizeof time, line->unix_ms);
    errno = 0;
    if (t->is_jsonl)
        write_jsonl(t->file, time, line);
    else
        write_text(t->file, time, line, t->is_safe);
    if ((fflush(t->file) != 0 || ferror(t->file)) && t->failed == 0)
        t->failed = errno != 0 ? errno : EIO;
}

void
cli_transcript_line(void *ctx, const lw_transcript_line *line)
{
    cli_transcript *t = ctx;
    char time[40];

    if (t->file != NULL)
        write_file(t, line);
    if (!t->on_stderr)
        return;
    snprintf(time, sizeof time, "%7.3f", (double) line->time_ms / 1000);
    write_text(stderr, time, line, true);
}

static bool
ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && strcmp(s + n - m, end) == 0;
}

static int
write_first_line(cli_transcript *t)
{
    char text[128];
    struct timespec now;
    lw_transcript_line line = { .direction = LW_TRANSCRIPT_NOTE };

    clock_gettime(CLOCK_REALTIME, &now);
    line.unix_ms = (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
    snprintf(text, sizeof text, "letterwing %s", lw_version());
    line.text = (lw_span){ text, strlen(text) };
    write_file(t, &line);
    if (t->failed == 0)
        return CLI_GO_ON;
    return cli_error(EX_IOERR, "--transcript: %s cannot be written: %s; nothing was sent",
                     t->path, strerror_r(t->failed, text, sizeof text));
}

int
cli_transcript_open(cli_transcript *t, const char *path, int verbose)
{
    char text[128];

    t->on_stderr = verbose > 0;
    t->path = path;
    if (path == NULL)
        return CLI_GO_ON;
    t->is_jsonl = ends_with(path, ".jsonl");
    t->file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (t->file == NULL)
        return cli_error(EX_CANTCREAT,
                         "--transcript: %s cannot be created: %s; nothing was sent", path,
                         strerror_r(errno, text, sizeof text));
    t->is_safe = isatty(fileno(t->file));
    return write_first_line(t);
}

int
cli_transcript_close(cli_transcript *t, int code)
{
    char text[128];
    bool was_known = t->failed != 0;

    if (t->file == NULL)
        return code;
    if (t->file != stdout && fclose(t->file) != 0 && !was_known)
        t->failed = errno;
    t->file = NULL;
    if (t->failed == 0)
        return code;
    if (code == EX_IOERR) /* said when it was opened */
        return code;
    cli_error(EX_IOERR, "--transcript: %s is not complete: %s", t->path,
              strerror_r(t->failed, text, sizeof text));
    return code == EX_OK ? EX_IOERR : code;
}
