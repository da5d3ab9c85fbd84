/* SPDX-License-Identifier: MIT */
/* mime/mediatype.c - media types by the extension of a file name: the common ones, sorted */
#include "mime/mime_int.h"

static const struct {
    const char *extension, *type;
} types[] = {
    { "7z", "application/x-7z-compressed" },
    { "aac", "audio/aac" },
    { "asc", "text/plain" },
    { "avi", "video/x-msvideo" },
    { "avif", "image/avif" },
    { "bmp", "image/bmp" },
    { "bz2", "application/x-bzip2" },
    { "c", "text/x-csrc" },
    { "conf", "text/plain" },
    { "cpp", "text/x-c++src" },
    { "css", "text/css" },
    { "csv", "text/csv" },
    { "diff", "text/x-diff" },
    { "doc", "application/msword" },
    { "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document" },
    { "eml", "message/rfc822" },
    { "epub", "application/epub+zip" },
    { "flac", "audio/flac" },
    { "gif", "image/gif" },
    { "gpg", "application/pgp-encrypted" },
    { "gz", "application/gzip" },
    { "h", "text/x-chdr" },
    { "heic", "image/heic" },
    { "htm", "text/html" },
    { "html", "text/html" },
    { "ico", "image/vnd.microsoft.icon" },
    { "ics", "text/calendar" },
    { "jpeg", "image/jpeg" },
    { "jpg", "image/jpeg" },
    { "js", "text/javascript" },
    { "json", "application/json" },
    { "log", "text/plain" },
    { "m4a", "audio/mp4" },
    { "md", "text/markdown" },
    { "mid", "audio/midi" },
    { "mkv", "video/x-matroska" },
    { "mov", "video/quicktime" },
    { "mp3", "audio/mpeg" },
    { "mp4", "video/mp4" },
    { "mpeg", "video/mpeg" },
    { "mpg", "video/mpeg" },
    { "odp", "application/vnd.oasis.opendocument.presentation" },
    { "ods", "application/vnd.oasis.opendocument.spreadsheet" },
    { "odt", "application/vnd.oasis.opendocument.text" },
    { "oga", "audio/ogg" },
    { "ogg", "audio/ogg" },
    { "otf", "font/otf" },
    { "p7s", "application/pkcs7-signature" },
    { "patch", "text/x-diff" },
    { "pdf", "application/pdf" },
    { "pem", "application/x-pem-file" },
    { "png", "image/png" },
    { "ppt", "application/vnd.ms-powerpoint" },
    { "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation" },
    { "ps", "application/postscript" },
    { "py", "text/x-python" },
    { "rar", "application/vnd.rar" },
    { "rtf", "application/rtf" },
    { "sh", "application/x-sh" },
    { "svg", "image/svg+xml" },
    { "tar", "application/x-tar" },
    { "tex", "text/x-tex" },
    { "tgz", "application/gzip" },
    { "tif", "image/tiff" },
    { "tiff", "image/tiff" },
    { "toml", "application/toml" },
    { "tsv", "text/tab-separated-values" },
    { "ttf", "font/ttf" },
    { "txt", "text/plain" },
    { "vcf", "text/vcard" },
    { "wav", "audio/x-wav" },
    { "webm", "video/webm" },
    { "webp", "image/webp" },
    { "woff", "font/woff" },
    { "woff2", "font/woff2" },
    { "xls", "application/vnd.ms-excel" },
    { "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
    { "xml", "application/xml" },
    { "xz", "application/x-xz" },
    { "yaml", "application/yaml" },
    { "yml", "application/yaml" },
    { "zip", "application/zip" },
    { "zst", "application/zstd" },
};

const char *
lw_mediatype_by_name(lw_span name)
{
    size_t dot = name.len;

    while (dot > 0 && name.ptr[dot - 1] != '.' && name.ptr[dot - 1] != '/')
        dot--;
    if (dot > 0 && name.ptr[dot - 1] == '.')
        for (size_t i = 0; i < LW_COUNT(types); i++)
            if (lw_span_eq_nocase((lw_span){ name.ptr + dot, name.len - dot },
                                  lw_span_str(types[i].extension)))
                return types[i].type;
    return "application/octet-stream";
}
