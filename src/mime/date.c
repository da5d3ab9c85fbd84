/* SPDX-License-Identifier: MIT */
/* mime/date.c - date-time of RFC 5322 3.3, own calendar: no libc time, no locale, no zone files */
#include "mime/mime_int.h"

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* 1 January 1970 was a Thursday */

typedef struct civil {
    int64_t year;
    int month, day; /* 1..12, 1..31 */
} civil;

/* proleptic Gregorian; eras of 400 years that begin on 1 March */
static civil
civil_from_days(int64_t days)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);

    return (civil){ yoe + era * 400 + (month <= 2), month, (int)(doy - (153 * mp + 2) / 5 + 1) };
}

static int64_t
days_from_civil(civil c)
{
    int64_t y = c.year - (c.month <= 2), era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
    int64_t doy = (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int64_t
floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

bool
lw_date_ok(int64_t unix_s, int zone_minutes)
{
    /* 1 January 1900 to 31 December 9999, whatever the zone */
    return unix_s >= INT64_C(-2208902400) && unix_s <= INT64_C(253402214400)
        && zone_minutes > -24 * 60 && zone_minutes < 24 * 60;
}

/* n in exactly this many digits */
static void
put_digits(lw_buf *b, int n, int width)
{
    char digits[4];

    for (int i = width; i > 0; n /= 10)
        digits[--i] = (char)('0' + n % 10);
    lw_buf_add(b, (lw_span){ digits, (size_t)width });
}

/* "Thu, 1 Jan 1970 00:00:00 +0000"; not by printf, which takes as long as all other fields */
void
lw_field_date(lw_field_writer *w, int64_t unix_s, int zone_minutes)
{
    int64_t local = unix_s + (int64_t)zone_minutes * 60, days = floor_div(local, 86400);
    int second = (int)(local - days * 86400);
    int weekday = (int)(days - floor_div(days, 7) * 7);
    int zone = zone_minutes < 0 ? -zone_minutes : zone_minutes;
    civil c = civil_from_days(days);
    char text[40];
    lw_buf b;

    lw_buf_init_over(&b, text, sizeof text);
    lw_buf_add(&b, (lw_span){ weekdays + 3 * weekday, 3 });
    lw_buf_add(&b, LW_LIT(", "));
    put_digits(&b, c.day, c.day < 10 ? 1 : 2);
    lw_buf_add_char(&b, ' ');
    lw_buf_add(&b, (lw_span){ months + 3 * (c.month - 1), 3 });
    lw_buf_add_char(&b, ' ');
    put_digits(&b, (int)c.year, 4);
    lw_buf_add_char(&b, ' ');
    put_digits(&b, second / 3600, 2);
    lw_buf_add_char(&b, ':');
    put_digits(&b, second / 60 % 60, 2);
    lw_buf_add_char(&b, ':');
    put_digits(&b, second % 60, 2);
    lw_buf_add(&b, zone_minutes < 0 ? LW_LIT(" -") : LW_LIT(" +"));
    put_digits(&b, zone / 60 * 100 + zone % 60, 4);
    lw_field_token(w, lw_buf_span(&b));
}

/* the next run without white space and commas */
static lw_span
next_item(lw_span *rest)
{
    size_t i = 0, j;

    while (i < rest->len && strchr(" \t,", rest->ptr[i]) != NULL)
        i++;
    for (j = i; j < rest->len && strchr(" \t,", rest->ptr[j]) == NULL; j++)
        ;
    lw_span item = { rest->ptr + i, j - i };
    *rest = (lw_span){ rest->ptr + j, rest->len - j };
    return item;
}

/* index of a three-letter name in names, -1 = none */
static int
name_index(lw_span s, const char *names)
{
    for (int i = 0; s.len == 3 && names[3 * i] != '\0'; i++)
        if (lw_span_eq_nocase(s, (lw_span){ names + 3 * i, 3 }))
            return i;
    return -1;
}

static bool
parse_time(lw_span s, int64_t *second_of_day)
{
    lw_span part;
    uint64_t v[3] = { 0, 0, 0 };
    static const uint64_t max[3] = { 23, 59, 60 };
    int n = 0;

    for (; n < 3 && lw_span_token(&s, ':', &part); n++)
        if (part.len > 2 || !lw_span_uint(part, max[n], &v[n]))
            return false;
    *second_of_day = (int64_t)(v[0] * 3600 + v[1] * 60 + v[2]);
    return n >= 2 && s.ptr == NULL;
}

/* [RFC5322 4.3] obs-zone: "EDT is semantically equivalent to -0400" and so on; military letters
 * mean nothing and are refused */
static bool
parse_zone(lw_span s, int *minutes)
{
    static const char names[] = "GMTEDTESTCDTCSTMDTMSTPDTPST";
    static const int hours[] = { 0, -4, -5, -5, -6, -6, -7, -7, -8 };
    int i = name_index(s, names);
    uint64_t v;

    if (i >= 0 || lw_span_eq_nocase(s, LW_LIT("UT"))) {
        *minutes = i < 0 ? 0 : hours[i] * 60;
        return true;
    }
    if (s.len != 5 || (s.ptr[0] != '+' && s.ptr[0] != '-')
        || !lw_span_uint((lw_span){ s.ptr + 1, 4 }, 2359, &v) || v % 100 > 59)
        return false;
    *minutes = (int)(v / 100 * 60 + v % 100) * (s.ptr[0] == '-' ? -1 : 1);
    return true;
}

static int
month_days(int64_t year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

bool
lw_date_parse(lw_span s, int64_t *unix_s, int *zone_minutes)
{
    lw_span item = next_item(&s);
    uint64_t day, year;
    int64_t second;

    if (name_index(item, weekdays) >= 0)
        item = next_item(&s);
    if (item.len > 2 || !lw_span_uint(item, 31, &day) || day == 0)
        return false;
    int month = name_index(next_item(&s), months) + 1;
    item = next_item(&s);
    if (month == 0 || item.len != 4 || !lw_span_uint(item, 9999, &year) || year < 1900)
        return false;
    if ((int)day > month_days((int64_t)year, month) || !parse_time(next_item(&s), &second)
        || !parse_zone(next_item(&s), zone_minutes))
        return false;
    item = next_item(&s);
    if (item.len > 0 && item.ptr[0] != '(')
        return false;
    *unix_s = days_from_civil((civil){ (int64_t)year, month, (int)day }) * 86400 + second
        - (int64_t)*zone_minutes * 60;
    return lw_date_ok(*unix_s, *zone_minutes);
}
