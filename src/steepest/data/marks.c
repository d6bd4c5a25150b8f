/* Where records end in delimited text, and how many quotes stand there.
 *
 * Quotes come in pairs, so that a line end is the end of a record where the number of quotes before
 * it is even.  Whoever begins in the middle of a text does not know that number yet: both cases are
 * counted, by the quotes seen since then, and one of them is taken later.
 */

#include <stdint.h>

enum { LF = 10, CR = 13, TOGETHER = 64 };

enum { QUOTES, ENDS, FIRST = ENDS + 2, LAST = FIRST + 2 };

/* Whether there is any mark among the next bytes: whether the least difference from one is 0.
 * Compilers make it a few wide operations, as they do not of comparisons. */
static int has_mark(const uint8_t *s, uint8_t quote)
{
    uint8_t least = 255;
    for (int i = 0; i < TOGETHER; i++) {
        uint8_t a = s[i] ^ LF, b = s[i] ^ CR, c = s[i] ^ quote;
        a = a < b ? a : b;
        a = a < c ? a : c;
        least = a < least ? a : least;
    }
    return least == 0;
}

/* Whether a line end at i ends a line without a character.  Before the text stands a line end. */
static int is_empty(const uint8_t *text, int64_t i, int carriages)
{
    int64_t before = i - 1;
    before -= text[i] == LF && before >= 0 && text[before] == CR;
    return before < 0 || text[before] == LF || (carriages && text[before] == CR);
}

/* Count the marks of the bytes from start to stop.
 *
 * text       so many bytes (size): those to be counted, two before them and one behind them, if the
 *            whole text has them
 * base       added to places
 * quote      0 where there is none
 * carriages  whether a CR ends a record, unless an LF follows it
 * empty      whether a line without a character is a record
 * found      seven numbers that are gone on with: the quotes; by whether their number was odd, the
 *            ends of records, the place of the first and the place of the last
 */
void steepest_count_marks(
    const uint8_t *text, int64_t start, int64_t stop, int64_t size, int64_t base, int quote,
    int carriages, int empty, int64_t *found)
{
    const uint8_t looked = quote ? (uint8_t)quote : LF, most = looked < CR ? CR : looked;
    int64_t i = start;
    while (i < stop) {
        if (stop - i >= TOGETHER && !has_mark(text + i, looked)) {
            i += TOGETHER;
            continue;
        }
        int64_t end = stop - i < TOGETHER ? stop : i + TOGETHER;
        for (; i < end; i++) {
            if (text[i] > most)
                continue;
            if (quote && text[i] == looked)
                found[QUOTES]++;
            if (text[i] != LF
                && !(text[i] == CR && carriages && (i + 1 == size || text[i + 1] != LF)))
                continue;
            if (!empty && is_empty(text, i, carriages))
                continue;
            int odd = found[QUOTES] & 1;
            if (!found[ENDS + odd]++)
                found[FIRST + odd] = base + i;
            found[LAST + odd] = base + i;
        }
    }
}
