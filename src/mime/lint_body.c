/* SPDX-License-Identifier: MIT */
/* mime/lint_body.c - parts: types, boundaries, character sets, what is attached */
#include "mime/lint_int.h"

/* ---- attachments ------------------------------------------------------------------------------ */

/* "File types blocked in Gmail", support.google.com/mail/answer/6590; also inside archives, which
 * are not opened here */
static const char gmail[] =
    " ade adp apk appx appxbundle bat cab chm cmd com cpl diagcab diagcfg diagpkg dll dmg ex ex_ exe "
    "hta img ins iso isp jar jnlp js jse lib lnk mde mjs msc msi msix msixbundle msp mst nsh pif ps1 "
    "scr sct shb sys vb vbe vbs vhd vxd wsc wsf wsh xll ";

/* "Blocked attachments in Outlook", support.microsoft.com, beyond those above; they arrive, but the
 * reader does not get at them */
static const char outlook[] =
    " app asp bas cer crt csh der fxp gadget hlp hpj inf its ksh mad maf mag mam maq mar mas mat mau "
    "mav maw mcf mda mdb mdt mdw mdz msh msh1 msh2 mshxml msh1xml msh2xml ops osd pcd pl plg prf prg "
    "printerexport ps1xml ps2 ps2xml psc1 psc2 psd1 psdm1 pst py pyc pyo pyw pyz pyzw reg scf shs "
    "theme tmp url vbp vhdx vsmacros vsw webpnp website ws xbap xnk ";

static bool
is_in(const char *list, lw_span extension)
{
    char word[24] = " ";

    if (extension.len == 0 || extension.len > sizeof word - 3)
        return false;
    for (size_t i = 0; i < extension.len; i++)
        word[i + 1] = lw_lower(extension.ptr[i]);
    word[extension.len + 1] = ' ';
    return lw_span_find(extension, ' ') == extension.len && strstr(list, word) != NULL;
}

/* behind the last dot; Windows drops dots and spaces at the end of a name */
static lw_span
extension_of(const char *name)
{
    lw_span s = lw_span_str(name);
    size_t i;

    while (s.len > 0 && (s.ptr[s.len - 1] == '.' || s.ptr[s.len - 1] == ' '))
        s.len--;
    for (i = s.len; i > 0 && s.ptr[i - 1] != '.'; i--)
        ;
    return i == 0 ? LW_NO_SPAN : (lw_span){ s.ptr + i, s.len - i };
}

static void
check_name(lw_lint *l, const lw_read_part *p)
{
    lw_span extension = extension_of(p->name == NULL ? "" : p->name);

    if (is_in(gmail, extension))
        lw_lint_add(l, LW_LINT_BLOCKED_ATTACHMENT, LW_NO_SPAN, "\"%.100s\": Gmail refuses messages "
                    "with such a file", p->name);
    else if (is_in(outlook, extension))
        lw_lint_add(l, LW_LINT_RISKY_ATTACHMENT, LW_NO_SPAN, "\"%.100s\": Outlook does not let its "
                    "users open such a file", p->name);
}

/* ---- the header of a part ------------------------------------------------------------------------ */

/* [RFC2046 5.1.1] "bcharsnospace := DIGIT / ALPHA / "'" / "(" / ")" / "+" / "_" / "," / "-" / "." /
 * "/" / ":" / "=" / "?"" */
static bool
is_boundary_char(char c)
{
    return lw_is_alnum(c) || (c != '\0' && strchr("'()+_,-./:=? ", c) != NULL);
}

static void
check_boundary(lw_lint *l, const lw_read_part *p)
{
    lw_span s, value = lw_span_str(p->content_type);
    lw_buf b;

    lw_buf_init(&b, &l->alloc, LW_READ_VALUE_MAX);
    if (lw_param_find(&b, value, LW_LIT("boundary"), NULL)) {
        s = lw_buf_span(&b);
        /* [RFC2046 5.1.1] "Boundary delimiters ... must be no longer than 70 characters, not
         * counting the two leading hyphens" */
        if (s.len > 70)
            lw_lint_add(l, LW_LINT_BAD_BOUNDARY, LW_LIT("Content-Type"), "a boundary of %zu "
                        "characters; at most 70 are allowed", s.len);
        for (size_t i = 0; i < s.len; i++)
            if (!is_boundary_char(s.ptr[i])) {
                lw_lint_add(l, LW_LINT_BAD_BOUNDARY, LW_LIT("Content-Type"), "a boundary with a "
                            "character that is not allowed in it");
                break;
            }
    }
    if (lw_buf_finish(&b) == LW_ENOMEM)
        lw_lint_no_memory(l);
    lw_buf_deinit(&b);
}

static bool
is_attachment(const lw_read_part *p)
{
    return p->disposition != NULL && strcmp(p->disposition, "attachment") == 0;
}

static void
begin_text(lw_lint *l, const lw_read_part *p)
{
    bool is_text = strncmp(p->type, "text/", 5) == 0;
    bool is_utf8 = p->charset != NULL && (strcmp(p->charset, "utf-8") == 0
                                          || strcmp(p->charset, "utf8") == 0);
    bool is_ascii = p->charset == NULL || strcmp(p->charset, "us-ascii") == 0
        || strcmp(p->charset, "ascii") == 0;

    l->checks_utf8 = is_text && is_utf8;
    l->is_declared = !is_text || !is_ascii;
    l->told_charset = false;
    l->utf8_need = 0;
}

void
lw_lint_content(lw_lint *l, const lw_read_part *p)
{
    bool is_body = !p->has_parts && !is_attachment(p);

    l->body_line = l->line;
    if (p->has_parts)
        check_boundary(l, p);
    if (strcmp(p->encoding, "binary") == 0 && !p->has_parts)
        lw_lint_add(l, LW_LINT_BINARY, LW_LIT("Content-Transfer-Encoding"), "binary: every server on "
                    "the way must offer BINARYMIME");
    /* [RFC2046 5.2.1] "No encoding other than "7bit", "8bit", or "binary" is permitted for the body
     * of a "message/rfc822" entity." */
    if (strcmp(p->type, "message/rfc822") == 0 && p->is_decoded)
        lw_lint_add(l, LW_LINT_BAD_ENCODING, LW_LIT("Content-Transfer-Encoding"), "a message/rfc822 "
                    "in %s: many readers do not open it", p->encoding);
    check_name(l, p);
    begin_text(l, p);
    if (is_body && strcmp(p->type, "text/html") == 0 && !l->has_html) {
        l->has_html = true;
        l->html_line = l->line;
        l->html_part = p->number;
    } else if (is_body && strcmp(p->type, "text/plain") == 0) {
        l->has_text = true;
    } else if (!p->has_parts) {
        l->has_other = true;
    }
}

/* ---- octets ------------------------------------------------------------------------------------------ */

/* begin of a character of n octets: what the second may be (RFC 3629 4); false if it begins none */
static bool
begin_character(lw_lint *l, unsigned char c)
{
    l->utf8_need = c >= 0xf0 && c < 0xf5 ? 3 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xc2 && c < 0xe0 ? 1 : 0;
    l->utf8_low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    l->utf8_high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return l->utf8_need > 0;
}

static bool
is_utf8_so_far(lw_lint *l, lw_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (l->utf8_need > 0) {
            if (c < l->utf8_low || c > l->utf8_high)
                return false;
            l->utf8_need--;
            l->utf8_low = 0x80;
            l->utf8_high = 0xbf;
        } else if (c >= 0x80 && !begin_character(l, c)) {
            return false;
        }
    }
    return true;
}

static void
tell_invalid(lw_lint *l)
{
    l->told_charset = true;
    l->line = l->body_line;
    lw_lint_add(l, LW_LINT_INVALID_UTF8, LW_NO_SPAN, "text declared as UTF-8 that is none");
}

void
lw_lint_octets(lw_lint *l, lw_span s)
{
    l->has_octets = true;
    if (l->told_charset)
        return;
    if (l->checks_utf8) {
        if (!is_utf8_so_far(l, s))
            tell_invalid(l);
    } else if (!l->is_declared && !lw_span_is_ascii(s)) {
        l->told_charset = true;
        l->line = l->body_line;
        lw_lint_add(l, LW_LINT_CHARSET, LW_LIT("Content-Type"), "text with octets above 127 that "
                    "declares no character set, or US-ASCII: readers guess");
    }
}

void
lw_lint_part_end(lw_lint *l, const lw_read_part *p)
{
    if (p->has_parts)
        return;
    if (l->checks_utf8 && l->utf8_need > 0 && !l->told_charset)
        tell_invalid(l);
    l->checks_utf8 = false;
    l->is_declared = true;
}

void
lw_lint_bodies_end(lw_lint *l)
{
    l->line = l->html_line;
    l->part = l->html_part;
    if (l->has_html && !l->has_text)
        lw_lint_add(l, LW_LINT_HTML_ONLY, LW_NO_SPAN, "HTML without a text/plain beside it: spam "
                    "filters count that, and some readers show nothing");
    if (!l->has_octets && !l->has_other)
        lw_lint_add_whole(l, LW_LINT_EMPTY, "there is nothing in the body");
}
