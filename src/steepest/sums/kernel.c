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

typedef double quad __attribute__((vector_size(32)));
typedef int64_t wholes __attribute__((vector_size(32)));

#define INLINE static inline __attribute__((always_inline))

#if defined(__clang__) || __GNUC__ >= 12
#define shuffle(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define shuffle(a, b, ...) __builtin_shuffle(a, b, (wholes){__VA_ARGS__})
#endif

INLINE int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

INLINE uint64_t add_wholes(quad v)
{
    const wholes w = __builtin_convertvector(v, wholes);
    return (uint64_t)w[0] + (uint64_t)w[1] + (uint64_t)w[2] + (uint64_t)w[3];
}

/* Four neighbours in memory, aligned or not. */
INLINE quad load(const double *from)
{
    quad values;
    memcpy(&values, from, sizeof values);
    return values;
}

/* Four rows of four columns as four columns of four rows. */
INLINE void transpose(const quad rows[4], quad columns[4])
{
    const quad a = shuffle(rows[0], rows[1], 0, 4, 2, 6), b = shuffle(rows[0], rows[1], 1, 5, 3, 7),
               c = shuffle(rows[2], rows[3], 0, 4, 2, 6), d = shuffle(rows[2], rows[3], 1, 5, 3, 7);
    columns[0] = shuffle(a, c, 0, 1, 4, 5);
    columns[1] = shuffle(b, d, 0, 1, 4, 5);
    columns[2] = shuffle(a, c, 2, 3, 6, 7);
    columns[3] = shuffle(b, d, 2, 3, 6, 7);
}

/* Copy a column into one of a plane, minus a centre where there is one; zeros up to `full`. */
INLINE void copy_column(const double *values, int64_t n, int64_t full, const double *centre,
                        double *column)
{
    const double middle = centre ? *centre : 0.0;
    for (int64_t r = 0; r < n; r++)
        column[r] = values[r] - middle;
    for (int64_t r = n; r < full; r++)
        column[r] = 0.0;
}

/* Copy rows into columns of a plane, minus a centre where there is one; zeros up to `full`. */
INLINE void gather(const double *rows, int64_t n, int64_t full, int64_t step, int64_t k,
                   const int64_t *columns, const double *centre, double *plane)
{
    for (int64_t j = 0; step == 1 && j < k; j++)
        copy_column(rows + columns[j], n, full, centre ? centre + j : 0, plane + j * STRIDE);
    if (step == 1)
        return;
    int64_t r = 0;
    for (; r + 4 <= n; r += 4) {
        const double *const a = rows + r * step, *const b = a + step, *const c = b + step,
                     *const d = c + step;
        for (int64_t j = 0; j < 4 * step; j += 8)
            __builtin_prefetch(a + 64 * step + j);
        for (int64_t j = 0; j < k;) {
            /* Four columns at once where they are neighbours; the last four may overlap others. */
            const int64_t first = k >= 4 && j > k - 4 ? k - 4 : j, at = columns[first];
            if (first + 4 <= k && columns[first + 1] == at + 1 && columns[first + 2] == at + 2 &&
                columns[first + 3] == at + 3) {
                const quad four[4] = {load(a + at), load(b + at), load(c + at), load(d + at)};
                quad found[4];
                transpose(four, found);
                for (int64_t i = 0; i < 4; i++)
                    *(quad *)(plane + (first + i) * STRIDE + r) =
                        centre ? found[i] - centre[first + i] : found[i];
                j = first + 4;
            } else {
                const int64_t own = columns[j];
                const quad found = {a[own], b[own], c[own], d[own]};
                *(quad *)(plane + j * STRIDE + r) = centre ? found - centre[j] : found;
                j++;
            }
        }
    }
    for (; r < full; r++)
        for (int64_t j = 0; j < k; j++)
            plane[j * STRIDE + r] = r < n ? rows[r * step + columns[j]] - (centre ? centre[j] : 0.0)
                                          : 0.0;
}

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

/* Add rows of planes of columns, most digits first, to the levels that they belong to.

   Columns become rows, a piece at a time, so that a row is added to its level in one go. */
INLINE void add_to_levels(const double *planes, int64_t plane, int64_t n, int64_t first, int64_t k,
                          int64_t depth, const int64_t *counts, int64_t categories,
                          const int64_t *const *numbered, double *const *levels, double *flat)
{
    const int64_t width = depth * k, pitch = width + 4; /* the last columns come in fours */
    int64_t reach[MOST];
    for (int64_t s = 0; s < depth; s++)
        for (reach[s] = k; counts[reach[s] - 1] <= s;)
            reach[s]--;
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

#define reaches_4 reaches
#define reaches_8 reaches

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

ENTRIES(add_centred,
        (const double *rows, int64_t n, int64_t step, int64_t k, const int64_t *columns,
         const double *centre, double *totals, double *products, double *room),
        (rows, n, step, k, columns, centre, totals, products, room))

ENTRIES(reaches, (const double *values, int64_t n, double bound), (values, n, bound))
