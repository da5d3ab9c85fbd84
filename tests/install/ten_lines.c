/* SPDX-License-Identifier: MIT */
#include <letterwing/letterwing.h>
int main(int argc, char **argv)
{
    lw_message *m = lw_message_new();
    lw_message_from(m, "Ann <ann@example.com>");
    lw_message_to(m, "bob@example.org");
    lw_message_text(m, "Sent by ten lines.\n");
    lw_code code = argc > 1 ? lw_send(argv[1], m, NULL) : LW_EUSAGE;
    lw_message_free(m);
    return code == LW_OK ? 0 : 1;
}
