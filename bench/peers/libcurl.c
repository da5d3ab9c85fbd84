/* SPDX-License-Identifier: MIT */
/*
 * libcurl.c - libcurl's easy interface as a client: one handle, the connection kept alive
 *
 *     peer_libcurl URL COUNT FILE [CA]            send the ready message in FILE
 *     peer_libcurl URL 1 --attach FILE [CA]       let curl_mime compose and encode
 *     peer_libcurl URL COUNT --text FILE [CA]     let curl_mime compose a text
 */
#include "../bench.h"

#include <curl/curl.h>
#include <string.h>

typedef struct source {
    char *text;
    size_t len, at;
} source;

static size_t
read_source(char *to, size_t size, size_t count, void *ctx)
{
    source *s = ctx;
    size_t n = size * count;

    if (n > s->len - s->at)
        n = s->len - s->at;
    memcpy(to, s->text + s->at, n);
    s->at += n;
    return n;
}

static CURL *
make_handle(const char *url, const char *ca)
{
    CURL *h = curl_easy_init();

    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_MAIL_FROM, "a@bench.test");
    curl_easy_setopt(h, CURLOPT_MAIL_RCPT, curl_slist_append(NULL, "b@bench.test"));
    curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, 65536L);
    if (ca != NULL)
        curl_easy_setopt(h, CURLOPT_CAINFO, ca);
    return h;
}

static long
send_ready(CURL *h, long count, const char *path)
{
    source s = { .at = 0 };
    CURLcode rc = CURLE_OK;
    long sent = 0;

    s.text = load_file(path, &s.len);
    curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(h, CURLOPT_READFUNCTION, read_source);
    curl_easy_setopt(h, CURLOPT_READDATA, &s);
    curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)s.len);
    while (sent < count && rc == CURLE_OK) {
        s.at = 0;
        if ((rc = curl_easy_perform(h)) == CURLE_OK)
            sent++;
    }
    if (rc != CURLE_OK)
        fprintf(stderr, "libcurl: %s\n", curl_easy_strerror(rc));
    return sent;
}

static CURLcode
send_one_composed(CURL *h, const char *text, const char *path)
{
    struct curl_slist *headers = curl_slist_append(NULL, "From: a@bench.test");
    curl_mime *mime = curl_mime_init(h);
    curl_mimepart *part = curl_mime_addpart(mime);
    CURLcode rc;

    headers = curl_slist_append(headers, "To: b@bench.test");
    headers = curl_slist_append(headers, "Subject: benchmark message");
    curl_mime_data(part, text, CURL_ZERO_TERMINATED);
    if (path != NULL) {
        part = curl_mime_addpart(mime);
        curl_mime_filedata(part, path);
        curl_mime_encoder(part, "base64");
    }
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_MIMEPOST, mime);
    if ((rc = curl_easy_perform(h)) != CURLE_OK)
        fprintf(stderr, "libcurl: %s\n", curl_easy_strerror(rc));
    curl_mime_free(mime);
    curl_slist_free_all(headers);
    return rc;
}

static long
send_composed(CURL *h, long count, const char *text, const char *path)
{
    long sent = 0;

    while (sent < count && send_one_composed(h, text, path) == CURLE_OK)
        sent++;
    return sent;
}

int
main(int argc, char **argv)
{
    bool attaches = argc > 3 && strcmp(argv[3], "--attach") == 0;
    bool has_text = argc > 3 && strcmp(argv[3], "--text") == 0;
    int last = attaches || has_text ? 4 : 3;
    const char *text = "hello\r\n";
    stopwatch since;
    long count, sent;
    size_t len;
    CURL *h;

    if (argc <= last)
        return 64;
    count = strtol(argv[2], NULL, 10);
    if (has_text)
        text = load_file(argv[last], &len);
    curl_global_init(CURL_GLOBAL_ALL);
    since = look_at_clock();
    h = make_handle(argv[1], argv[last + 1]);
    sent = last == 3 ? send_ready(h, count, argv[last])
                     : send_composed(h, count, text, attaches ? argv[last] : NULL);
    curl_easy_cleanup(h);
    return print_result(since, count, sent);
}
