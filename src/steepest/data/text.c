/* Numbers in delimited text, read straight into columns of doubles.
 *
 * Plain C that knows nothing of Python, so that calls hold no lock.  A number becomes its nearest
 * double by one multiplication with a power of five of 128 bits: D. Lemire, "Number parsing at a
 * gigabyte per second", Software: Practice and Experience 51 (2021), doi:10.1002/spe.2984.  What
 * that cannot decide, and what is no number, is handed back cell by cell.
 *
 * The byte after the text must be readable, and 0, as it is after the bytes of Python.
 */

#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && defined(__SIZEOF_INT128__)
#define FAST 1
#else
#define FAST 0
#endif

#if FAST

enum { LEAST = -342, MOST = 308, MANTISSA = 52, DIGITS = 19 };

/* Bytes of a field, at the most. */
#define LONGEST ((int64_t)1 << 20)

/* From here on doubles leave whole numbers out. */
#define LARGE 0x1p53

/* The least whole number of 20 digits. */
static const uint64_t TWENTY = 10000000000000000000u;

typedef unsigned __int128 wide;

static int is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }

/* The value of eight digits, each a byte of 0 to 9: neighbours are joined three times over. */
static uint64_t join_digits(uint64_t eight)
{
    eight = eight * 10 + (eight >> 8);
    uint64_t low = (eight & 0x000000FF000000FFu) * 0x000F424000000064u;
    uint64_t high = ((eight >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u;
    return (low + high) >> 32;
}

/* How many digits eight bytes begin with. */
static int count_digits(uint64_t eight)
{
    uint64_t other = (eight ^ 0x3030303030303030u) & 0xF0F0F0F0F0F0F0F0u;
    other |= ((eight & 0x0F0F0F0F0F0F0F0Fu) + 0x0606060606060606u) & 0x1010101010101010u;
    return other ? __builtin_ctzll(other) >> 3 : 8;
}

static const uint8_t *read_digits(const uint8_t *s, const uint8_t *end, uint64_t *value)
{
    static const uint32_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    uint64_t found = *value, eight;
    while (end - s >= 8) {
        memcpy(&eight, s, 8);
        int count = count_digits(eight), others = 4 * (8 - count);
        eight -= 0x3030303030303030u;
        if (count < 8) { /* with as many zeros before them as others are taken away */
            *value = found * tens[count] + join_digits(eight << others << others);
            return s + count;
        }
        found = found * 100000000u + join_digits(eight);
        s += 8;
    }
    while (is_digit(*s))
        found = found * 10 + (uint64_t)(*s++ - '0');
    *value = found;
    return s;
}

/* The double nearest to w * 10^q, for w > 0; 0 where one product does not tell, or none is. */
static int scale(uint64_t w, int64_t q, const uint64_t *powers, uint64_t *bits)
{
    if (q < LEAST || q > MOST)
        return 0;
    int zeros = __builtin_clzll(w);
    const uint64_t *power = powers + 2 * (q - LEAST);
    w <<= zeros;
    wide product = (wide)w * power[0];
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    if ((high & 0x1FF) == 0x1FF) {
        uint64_t more = (uint64_t)(((wide)w * power[1]) >> 64);
        low += more;
        high += low < more;
    }
    if (low == UINT64_MAX && (q < -27 || q > 55))
        return 0;
    int top = (int)(high >> 63), shift = top + 64 - MANTISSA - 3;
    uint64_t mantissa = high >> shift;
    int64_t exponent = ((217706 * q) >> 16) + 63 + top - zeros + 1023;
    if (exponent <= 0)
        return 0;
    if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && (mantissa << shift) == high)
        mantissa &= ~(uint64_t)1; /* half way between two doubles: to the even one */
    mantissa += mantissa & 1;
    mantissa >>= 1;
    if (mantissa >> (MANTISSA + 1)) {
        mantissa >>= 1;
        exponent++;
    }
    if (exponent >= 0x7FF)
        return 0;
    *bits = (mantissa & (((uint64_t)1 << MANTISSA) - 1)) | ((uint64_t)exponent << MANTISSA);
    return 1;
}

struct marks {
    uint8_t delimiter, decimal;
    int quote;
    const uint64_t *powers;
};

/* Whether a field that begins there, in quotes or not, ends there. */
static int is_end(const uint8_t *s, const uint8_t *end, const struct marks *m, int quoted)
{
    if (s >= end)
        return !quoted;
    return quoted ? *s == m->quote : *s == m->delimiter || *s == '\n' || *s == '\r';
}

static int is_blank(uint8_t c, const struct marks *m)
{
    return (c == ' ' || c == '\t') && c != m->delimiter;
}

/* Whether 20 digits that were read as w, modulo 2^64, are a whole number that fits: those that do
 * begin with 1, and the others of these wrap below. */
static int fits(const uint8_t *first, const uint8_t *s, uint64_t w, const struct marks *m)
{
    while (*first == '0')
        first++;
    return s - first == DIGITS + 1 && *first == '1' && w >= TWENTY && *s != 'e' && *s != 'E'
           && memchr(first, m->decimal, DIGITS + 1) == NULL;
}

/* Read a number that ends where its field does; NULL for anything else. */
static const uint8_t *read_number(
    const uint8_t *s, const uint8_t *end, const struct marks *m, int quoted, double *value)
{
    while (is_blank(*s, m))
        s++;
    uint64_t sign = *s == '-', w = 0, bits = 0;
    s += sign | (*s == '+');
    const uint8_t *first = s;
    if (is_digit(*s) && !is_digit(s[1]))
        w = (uint64_t)(*s++ - '0');
    else
        s = read_digits(s, end, &w);
    int64_t digits = s - first, power = 0;
    if (*s == m->decimal) {
        const uint8_t *point = ++s;
        s = read_digits(s, end, &w);
        power = point - s;
        digits -= power;
    }
    if (digits == 0)
        return NULL;
    if (digits > DIGITS) {
        for (const uint8_t *c = first; *c == '0' || *c == m->decimal; c++)
            digits -= *c == '0';
        if (digits > DIGITS && !fits(first, s, w, m))
            return NULL;
    }
    if (*s == 'e' || *s == 'E') {
        int minus = *++s == '-';
        s += *s == '-' || *s == '+';
        const uint8_t *start = s;
        int64_t more = 0;
        while (is_digit(*s) && s - start < 6)
            more = more * 10 + (*s++ - '0');
        if (s == start || is_digit(*s))
            return NULL;
        power += minus ? -more : more;
    }
    while (is_blank(*s, m))
        s++;
    if (!is_end(s, end, m, quoted))
        return NULL;
    if (w != 0 && !scale(w, power, m->powers, &bits))
        return NULL;
    bits |= sign << 63;
    memcpy(value, &bits, 8);
    return s;
}

/* What the nearest double leaves of a number that was read; 0 where it is not written with digits
 * alone. */
static double find_rest(const uint8_t *s, const uint8_t *end, const struct marks *m, double nearest)
{
    uint64_t w = 0;
    while (is_blank(*s, m))
        s++;
    s += *s == '-' || *s == '+';
    s = read_digits(s, end, &w);
    if (*s == m->decimal || *s == 'e' || *s == 'E')
        return 0;
    double size = nearest < 0 ? -nearest : nearest;
    double rest = (double)(int64_t)(size < 0x1p64 ? w - (uint64_t)size : w);
    return nearest < 0 ? -rest : rest;
}

/* The end of a field without quotes; a quote ends it too, and is then out of place. */
static const uint8_t *find_end(const uint8_t *s, const uint8_t *end, const struct marks *m)
{
    while (s < end && *s != m->delimiter && *s != '\n' && *s != '\r'
           && !(m->quote && *s == m->quote))
        s++;
    return s;
}

/* The end of what stands in quotes from here on, doubled ones passed over; NULL where none closes. */
static const uint8_t *find_closing(const uint8_t *s, const uint8_t *end, int quote, int *doubled)
{
    *doubled = 0;
    while ((s = memchr(s, quote, (size_t)(end - s))) != NULL && s + 1 < end && s[1] == quote) {
        *doubled = 1;
        s += 2;
    }
    return s;
}

/* Words that stand for no value: each behind a byte that counts its bytes, the last behind 255. */
static int is_null(const uint8_t *s, const uint8_t *end, const uint8_t *words)
{
    for (; *words != 255; words += *words + 1)
        if (end - s == *words && memcmp(s, words + 1, *words) == 0)
            return 1;
    return 0;
}

#endif

int steepest_text_is_fast(void) { return FAST; }

/* Read some columns of records: numbers, a null as NaN, and text.
 *
 * quote    stands around fields, if at all; 0 where nothing does
 * slots    by column its place in the table, -1 for one that is not read
 * powers   of five from 5^-342 to 5^308, the high and the low 64 of their first 128 bits
 * table    column by column, each of so many (stride) doubles
 * rests    as the table: what the doubles leave of large whole numbers, if it is asked for; the
 *          caller has put 0 everywhere
 * large    by place in the table whether the column has any such
 * hard     four numbers a cell that is left to the caller: its place in the table, its row, where it
 *          begins in the text and where it ends
 * texts    by column its place among those of text, -1 for others: their cells are copied one
 *          behind the other to bytes (length of them each), where they end goes to ends (stride + 1
 *          each), and into present (stride each) whether they are a value
 *
 * Returns how many rows there are, or -1 for what is not to be read so: a record of another length,
 * a CR that stands alone, a quote where none may stand or that nothing closes, a field too long, the
 * mark of a file at the start of a record, more hard cells than there is room for, and quotes that
 * are doubled in text that is read or around a number.
 */
int64_t steepest_read_records(
    const uint8_t *text, int64_t size, int64_t columns, int delimiter, int decimal, int quote,
    const int32_t *slots, const uint64_t *powers, const uint8_t *nulls, double *table,
    double *rests, uint8_t *large, int64_t stride, int64_t *hard, int64_t room, int64_t *n_hard,
    const int32_t *texts, uint8_t *bytes, int64_t length, int32_t *ends, uint8_t *present)
{
#if FAST
    const struct marks m = {(uint8_t)delimiter, (uint8_t)decimal, quote, powers};
    const uint8_t *s = text, *end = text + size;
    const uint64_t nan = 0x7FF8000000000000u;
    int64_t row = 0;
    *n_hard = 0;
    while (s < end) {
        if (*s == '\n' || (*s == '\r' && s[1] == '\n')) {
            s += 1 + (*s == '\r');
            continue;
        }
        if (*s == 0xEF && s[1] == 0xBB && s[2] == 0xBF)
            return -1;
        for (int64_t column = 0; column < columns; column++) {
            const int quoted = quote && s < end && *s == quote;
            const uint8_t *field = s += quoted, *stop = NULL;
            double *cell = slots[column] < 0 ? NULL : table + slots[column] * stride + row;
            if (cell && (stop = read_number(s, end, &m, quoted, cell)) != NULL) {
                if (*cell >= LARGE || *cell <= -LARGE) {
                    double rest = find_rest(field, end, &m, *cell);
                    large[slots[column]] |= rest != 0;
                    if (rests)
                        rests[slots[column] * stride + row] = rest;
                }
            } else {
                int doubled = 0;
                stop = quoted ? find_closing(s, end, quote, &doubled) : find_end(s, end, &m);
                if (stop == NULL || (doubled && (cell || texts[column] >= 0)))
                    return -1;
                if (texts[column] >= 0) {
                    int64_t t = texts[column];
                    int32_t *last = ends + t * (stride + 1) + row;
                    int null = !quoted && is_null(field, stop, nulls);
                    if (!null)
                        memcpy(bytes + t * length + *last, field, (size_t)(stop - field));
                    last[1] = *last + (null ? 0 : (int32_t)(stop - field));
                    present[t * stride + row] = !null;
                }
                if (cell)
                    memcpy(cell, &nan, 8);
                if (cell && !is_null(field, stop, nulls)) {
                    if (*n_hard == room)
                        return -1;
                    int64_t *one = hard + 4 * (*n_hard)++;
                    one[0] = slots[column];
                    one[1] = row;
                    one[2] = field - text;
                    one[3] = stop - text;
                }
            }
            if (stop - field > LONGEST)
                return -1;
            s = stop + quoted;
            if (column < columns - 1) {
                if (s >= end || *s != m.delimiter)
                    return -1;
                s++;
            }
        }
        row++;
        if (s >= end)
            break;
        if (*s == '\n')
            s++;
        else if (*s == '\r' && s[1] == '\n')
            s += 2;
        else
            return -1;
    }
    return row;
#else
    (void)text, (void)size, (void)columns, (void)delimiter, (void)decimal, (void)quote, (void)slots;
    (void)powers, (void)nulls, (void)table, (void)stride, (void)hard, (void)room, (void)n_hard;
    (void)rests, (void)large, (void)texts, (void)bytes, (void)length, (void)ends, (void)present;
    return -1;
#endif
}
