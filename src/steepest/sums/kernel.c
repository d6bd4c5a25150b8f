/* Sums of products of columns, tile by tile in registers: the kernel of exact and of double sums.

What is computed, and why no rounding occurs, is told in digits.py, whose NumPy code gives the
same integers.  tiles.h has the loops, for vectors of four doubles and of eight.

Each entry point exists once for any processor, once for AVX2 with FMA and once for AVX-512.  In
the exact sums every operation on doubles is exact, so that fused and separate ones, of whatever
length, give the same bits. */

#include <float.h>
#include <stdint.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0 || defined(__FAST_MATH__)
#error "doubles must be computed as doubles, each operation as it is written"
#endif

#define BLOCK 512          /* rows at once, and room for as many */
#define STRIDE (BLOCK + 8) /* doubles from column to column: not a power of two, for the cache */
#define SPARE 4            /* columns behind the last, which tiles may read */
#define BITS 23            /* of a digit */
#define MOST 8             /* digits of a column */
#define ROUND 0x1.8p52     /* so many units, added and taken away, round to whole units */
#define PIECE 64           /* rows that are added to their levels at once */

#define INLINE static inline __attribute__((always_inline))

#include "columns.h"

/* Where the digit s stands alone, among all pairs of `depth` digits. */
INLINE int64_t alone(int64_t s, int64_t depth) { return s * depth - s * (s - 1) / 2; }

/* Mark the rows whose value is not `count` digits below a top, and make them zeros among the pairs
   of digits; add up the digits of the others. */
INLINE void set_apart(const double *values, int64_t n, int64_t step, double top, int64_t count,
                      int64_t depth, double *pairs, int64_t plane, uint8_t *apart,
                      int64_t *totals, int64_t k)
{
    for (int64_t r = 0; r < n; r++) {
        const double value = values[r * step];
        double rest = value, unit = top * (1.0 / (1 << (BITS - 1)));
        for (int64_t s = 0; s < count; s++, unit *= 1.0 / (1 << BITS))
            rest -= (rest + unit * ROUND) - unit * ROUND;
        if (rest == 0.0 && value <= top && value >= -top)
            continue;
        apart[r] = 1;
        for (int64_t p = 0; p < alone(count, depth); p++)
            pairs[p * plane + r] = 0.0;
    }
    for (int64_t s = 0; s < count; s++)
        for (int64_t r = 0; r < n; r++)
            totals[s * k] += (int64_t)pairs[alone(s, depth) * plane + r];
}

/* Make a row that was cut into digits one of zeros, and take it out of their totals. */
INLINE void take_out(double *row, int64_t plane, int64_t k, int64_t depth, const int64_t *counts,
                     int64_t *totals)
{
    for (int64_t j = 0; j < k; j++, row += STRIDE)
        for (int64_t s = 0; s < counts[j]; s++) {
            double *const own = row + alone(s, depth) * plane;
            totals[s * k + j] -= (int64_t)*own;
            for (int64_t t = 0; t < depth - s; t++)
                own[t * plane] = 0.0;
        }
}

/* Add the first numbers of a row of planes to a row of a table. */
INLINE void add_row(double *to, const double *from, int64_t count)
{
    int64_t j = 0;
    for (; j + 4 <= count; j += 4) {
        const quad sum = load(to + j) + load(from + j);
        memcpy(to + j, &sum, sizeof sum);
    }
    for (; j < count; j++)
        to[j] += from[j];
}

/* Add rows to the levels that they belong to: of each digit the planes of its first columns.

   Columns become rows, a piece at a time, so that a row is added to its level in one go. */
INLINE void add_to_levels(const double *planes, int64_t plane, int64_t n, int64_t first, int64_t k,
                          int64_t depth, const int64_t *reach, int64_t categories,
                          const int64_t *const *numbered, double *const *levels, double *flat)
{
    const int64_t width = depth * k, pitch = width + 4; /* the last columns come in fours */
    for (int64_t start = 0; start < n; start += PIECE) {
        const int64_t rows = n - start < PIECE ? n - start : PIECE;
        for (int64_t s = 0; s < depth; s++)
            for (int64_t j = 0; j < reach[s]; j += 4)
                for (int64_t r = 0; r < rows; r += 4) {
                    const double *const at =
                        planes + alone(s, depth) * plane + j * STRIDE + start + r;
                    const quad own[4] = {load(at), load(at + STRIDE), load(at + 2 * STRIDE),
                                         load(at + 3 * STRIDE)};
                    quad across[4];
                    transpose(own, across);
                    for (int64_t i = 0; i < 4; i++)
                        memcpy(flat + (r + i) * pitch + s * k + j, across + i, sizeof *across);
                }
        for (int64_t i = 0; i < categories; i++)
            for (int64_t r = 0; r < rows; r++) {
                double *const table = levels[i] + numbered[i][first + start + r] * width;
                if (reach[depth - 1] == k)
                    add_row(table, flat + r * pitch, width);
                else
                    for (int64_t s = 0; s < depth; s++)
                        add_row(table + s * k, flat + r * pitch + s * k, reach[s]);
            }
    }
}

#define LANES 4
#define HIGH 4 /* columns of a tile, one way */
#define WIDE 3 /* and the other */
#include "tiles.h"

#if defined(__x86_64__)
#undef LANES
#undef HIGH
#undef WIDE
#define LANES 8
#define HIGH 5
#define WIDE 5
#include "tiles.h"
#endif

/* Whether some |value| is at least a bound, or NaN. */
INLINE int64_t reaches(const double *values, int64_t n, double bound)
{
    /* Without their signs doubles stand in the order of their bits, NaN above infinity. */
    uint64_t found = 0, below;
    memcpy(&below, &bound, sizeof below);
    below--;
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, values + i, sizeof bits);
        found |= below - (bits & INT64_MAX);
    }
    return found >> 63;
}

/* The smallest and largest of each column, shape (k,) each, NaN passed over; whether all of the
   numbers are finite.  Rows are taken piece by piece, so that they come from memory once. */
INLINE int64_t find_ends(const double *rows, int64_t n, int64_t step, int64_t k,
                         const int64_t *columns, double *low, double *high)
{
    quad apart = {0.0};
    for (int64_t start = 0; start < n; start += PIECE)
        for (int64_t j = 0; j < k; j++) {
            const double *const values = rows + start * step + columns[j];
            const int64_t here = n - start < PIECE ? n - start : PIECE;
            ends seen = {repeat(low[j]), repeat(high[j])};
            for (int64_t r = 0; r < here; r += 4) {
                const quad v = take(values + r * step, here - r, step);
                widen(&seen, v);
                apart += v - v; /* NaN where it is not finite */
            }
            close_ends(&seen, low + j, high + j);
        }
    return add_quad(apart) == 0.0;
}

/* Lay rows minus a centre out one after the other, `pitch` doubles apart. */
INLINE void lay_out(const double *rows, int64_t n, int64_t step, int64_t k, const int64_t *columns,
                    const double *centre, int64_t pitch, double *flat)
{
    int64_t r = 0;
    for (; step == 1 && r + 4 <= n; r += 4)
        for (int64_t j = 0; j < k; j += 4) {
            quad own[4], across[4];
            for (int64_t i = 0; i < 4; i++) {
                const int64_t column = j + i < k ? j + i : k - 1;
                const double *const at = rows + columns[column] + r;
                __builtin_prefetch(at + 2 * PIECE);
                own[i] = load(at) - centre[column];
            }
            transpose(own, across);
            for (int64_t i = 0; i < 4; i++)
                memcpy(flat + (r + i) * pitch + j, across + i, sizeof *across);
        }
    for (; r < n; r++)
        for (int64_t j = 0; j < k; j++)
            flat[r * pitch + j] = rows[r * step + columns[j]] - centre[j];
}

/* Add rows minus a centre to the levels that they belong to, of each category a table (m, k). */
INLINE int64_t add_levels(const double *rows, int64_t n, int64_t step, int64_t k,
                          const int64_t *columns, const double *centre, int64_t categories,
                          const int64_t *const *numbered, double *const *levels, double *room)
{
    const int64_t pitch = k + 4; /* the last columns come in fours */
    for (int64_t start = 0; start < n; start += PIECE) {
        const int64_t height = n - start < PIECE ? n - start : PIECE;
        lay_out(rows + start * step, height, step, k, columns, centre, pitch, room);
        for (int64_t i = 0; i < categories; i++)
            for (int64_t r = 0; r < height; r++)
                add_row(levels[i] + numbered[i][start + r] * k, room + r * pitch, k);
    }
    return n;
}

/* The number of each row's level, by its code below m; how many have none yet, which is below 0.
   Returns -1 for a code that is none. */
INLINE int64_t number_levels(const int32_t *codes, int64_t n, const int64_t *table, int64_t m,
                             int64_t *numbered)
{
    int64_t unknown = 0;
    for (int64_t r = 0; r < n; r++) {
        if ((uint32_t)codes[r] >= m)
            return -1;
        numbered[r] = table[codes[r]];
        unknown += numbered[r] < 0;
    }
    return unknown;
}

/* Count how often levels meet, in a table of `width` columns; or rows of a level, by themselves. */
INLINE int64_t count_levels(const int64_t *first, const int64_t *second, int64_t n, int64_t width,
                            double *cells)
{
    for (int64_t r = 0; !second && r < n; r++)
        cells[first[r]] += 1.0;
    for (int64_t r = 0; second && r < n; r++)
        cells[first[r] * width + second[r]] += 1.0;
    return n;
}

/* These have the same loops for vectors of any length. */
#define number_levels_4 number_levels
#define number_levels_8 number_levels
#define count_levels_4 count_levels
#define count_levels_8 count_levels
#define reaches_4 reaches
#define reaches_8 reaches
#define find_ends_4 find_ends
#define find_ends_8 find_ends
#define add_levels_4 add_levels
#define add_levels_8 add_levels

#define ENTRY(name, lanes, processor, target, parameters, arguments) \
    target int64_t steepest_##name##_##processor parameters { return name##_##lanes arguments; }

#define FOR_ANY

#if defined(__x86_64__)
#define FOR_AVX2 __attribute__((target("avx2,fma")))
#define FOR_AVX512 __attribute__((target("avx2,fma,avx512f,avx512dq,avx512vl")))
int64_t steepest_has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
int64_t steepest_has_avx512(void)
{
    return steepest_has_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#define ENTRIES(name, parameters, arguments)                          \
    ENTRY(name, 4, portable, FOR_ANY, parameters, arguments)          \
    ENTRY(name, 4, avx2, FOR_AVX2, parameters, arguments)             \
    ENTRY(name, 8, avx512, FOR_AVX512, parameters, arguments)
#else
int64_t steepest_has_avx2(void) { return 0; }
int64_t steepest_has_avx512(void) { return 0; }
#define ENTRIES(name, parameters, arguments) \
    ENTRY(name, 4, portable, FOR_ANY, parameters, arguments)
#endif

ENTRIES(add_digits,
        (const double *rows, int64_t n, int64_t step, int64_t k, const int64_t *columns,
         const double *tops, const int64_t *counts, uint64_t *planes, int64_t *totals,
         uint8_t *apart, double *room, int64_t categories, const int64_t *const *numbered,
         double *const *levels),
        (rows, n, step, k, columns, tops, counts, planes, totals, apart, room, categories,
         numbered, levels))

ENTRIES(sum_centred,
        (const double *rows, int64_t n, int64_t step, int64_t k, const int64_t *columns,
         const double *centre, double *totals, double *products, double *low, double *high,
         double *room),
        (rows, n, step, k, columns, centre, totals, products, low, high, room))

ENTRIES(add_levels,
        (const double *rows, int64_t n, int64_t step, int64_t k, const int64_t *columns,
         const double *centre, int64_t categories, const int64_t *const *numbered,
         double *const *levels, double *room),
        (rows, n, step, k, columns, centre, categories, numbered, levels, room))

ENTRIES(number_levels,
        (const int32_t *codes, int64_t n, const int64_t *table, int64_t m, int64_t *numbered),
        (codes, n, table, m, numbered))

ENTRIES(count_levels,
        (const int64_t *first, const int64_t *second, int64_t n, int64_t width, double *cells),
        (first, second, n, width, cells))

ENTRIES(find_ends,
        (const double *rows, int64_t n, int64_t step, int64_t k, const int64_t *columns,
         double *low, double *high),
        (rows, n, step, k, columns, low, high))

ENTRIES(reaches, (const double *values, int64_t n, double bound), (values, n, bound))
