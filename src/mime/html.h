/* SPDX-License-Identifier: MIT */
/* mime/html.h - what html_text.c and html_entity.c share */
#ifndef LW_MIME_HTML_H
#define LW_MIME_HTML_H

#include "mime/mime_int.h"

/** lw_html_entity - s begins with '&': octets of the reference, with its ';', and what it stands
 *  for; 0 = it is none */
size_t lw_html_entity(lw_span s, uint32_t *cp);

#endif
