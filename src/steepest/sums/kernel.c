/* Sums of products of columns, tile by tile in registers: the kernel of exact and of double sums.

What is computed, and why no rounding occurs, is told in digits.py, whose NumPy code gives the
same integers.  Here rows are the direction of the vectors: four lanes, each of which adds every
fourth row of a block, so that a lane adds at most BLOCK / 4 products before they become 64-bit
integers.

Each entry point exists once for any processor and once for AVX2 with FMA.  In the exact sums
every operation on doubles is exact, so that fused and separate ones give the same bits. */

#include <float.h>
#include <stdint.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0 || defined(__FAST_MATH__)
#error "doubles must be computed as doubles, each operation as it is written"
#endif

#define BLOCK 512          /* rows at once, and room for as many */
#define STRIDE (BLOCK + 8) /* doubles from column to column: not a power of two, for the cache */
#define BITS 23            /* of a digit */
#define HIGH 4             /* columns of a tile, one way */
#define WIDE 3             /* and the other */

typedef double lanes __attribute__((vector_size(32)));
typedef int64_t masks __attribute__((vector_size(32)));

#define INLINE static inline __attribute__((always_inline))

#if defined(__clang__) || __GNUC__ >= 12
#define shuffle(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define shuffle(a, b, ...) __builtin_shuffle(a, b, (masks){__VA_ARGS__})
#endif

static const lanes none = {0.0, 0.0, 0.0, 0.0};

INLINE lanes repeat(double value) { return (lanes){value, value, value, value}; }

INLINE double add_lanes(lanes v) { return (v[0] + v[1]) + (v[2] + v[3]); }

INLINE int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

/* Σ over rows of a column times another, for `high` columns at a and WIDE at b. */
INLINE void multiply_tile(const double *a, const double *b, int64_t rows, int high,
                          lanes sums[HIGH][WIDE])
{
    lanes s[HIGH][WIDE];
    for (int i = 0; i < high; i++)
        for (int j = 0; j < WIDE; j++)
            s[i][j] = none;
    for (int64_t r = 0; r < rows; r += 4) {
        lanes other[WIDE];
        for (int j = 0; j < WIDE; j++)
            other[j] = *(const lanes *)(b + j * STRIDE + r);
        for (int i = 0; i < high; i++) {
            const lanes own = *(const lanes *)(a + i * STRIDE + r);
            for (int j = 0; j < WIDE; j++)
                s[i][j] += own * other[j];
        }
    }
    for (int i = 0; i < high; i++)
        for (int j = 0; j < WIDE; j++)
            sums[i][j] = s[i][j];
}

/* Add the lower triangle of the products of `high` columns with the first `wide` of them to a
   table of k columns: of integers, or of doubles. */
INLINE void multiply(const double *plane, int64_t high, int64_t wide, int64_t rows, int64_t k,
                     uint64_t *whole, double *rounded)
{
    lanes sums[HIGH][WIDE] = {{none}};
    for (int64_t i = 0; i < high; i += HIGH)
        for (int64_t j = 0; j < wide && j < i + HIGH && j < high; j += WIDE) {
            const double *const a = plane + i * STRIDE, *const b = plane + j * STRIDE;
            const int64_t tall = high - i < HIGH ? high - i : HIGH;
            if (tall > 2)
                multiply_tile(a, b, rows, HIGH, sums);
            else
                multiply_tile(a, b, rows, 2, sums);
            for (int64_t p = 0; p < tall; p++)
                for (int64_t q = 0; q < WIDE && j + q < wide && j + q <= i + p; q++) {
                    const lanes v = sums[p][q];
                    const int64_t at = (i + p) * k + j + q;
                    if (whole)
                        whole[at] += (uint64_t)((int64_t)v[0] + (int64_t)v[1] + (int64_t)v[2] +
                                                (int64_t)v[3]);
                    else
                        rounded[at] += add_lanes(v);
                }
        }
}

INLINE double add_column(const double *column, int64_t rows)
{
    lanes total[4] = {none, none, none, none};
    for (int64_t r = 0; r < rows; r += 16)
        for (int i = 0; i < 4; i++)
            total[i] += *(const lanes *)(column + r + 4 * i);
    return add_lanes((total[0] + total[1]) + (total[2] + total[3]));
}

/* Four neighbours in memory, aligned or not. */
INLINE lanes load(const double *from)
{
    lanes values;
    memcpy(&values, from, sizeof values);
    return values;
}

/* Four rows of four columns as four columns of four rows. */
INLINE void transpose(const lanes rows[4], lanes columns[4])
{
    const lanes a = shuffle(rows[0], rows[1], 0, 4, 2, 6), b = shuffle(rows[0], rows[1], 1, 5, 3, 7),
                c = shuffle(rows[2], rows[3], 0, 4, 2, 6), d = shuffle(rows[2], rows[3], 1, 5, 3, 7);
    columns[0] = shuffle(a, c, 0, 1, 4, 5);
    columns[1] = shuffle(b, d, 0, 1, 4, 5);
    columns[2] = shuffle(a, c, 2, 3, 6, 7);
    columns[3] = shuffle(b, d, 2, 3, 6, 7);
}

/* Copy rows into columns of a plane, minus a centre where there is one; zeros up to `full`. */
INLINE void gather(const double *rows, int64_t n, int64_t full, int64_t step, int64_t k,
                   const int64_t *columns, const double *centre, double *plane)
{
    int64_t r = 0;
    for (; r + 4 <= n; r += 4) {
        const double *const a = rows + r * step, *const b = a + step, *const c = b + step,
                     *const d = c + step;
        for (int64_t j = 0; step > 1 && j < 4 * step; j += 8)
            __builtin_prefetch(a + 64 * step + j);
        for (int64_t j = 0; j < k;) {
            /* Four columns at once where they are neighbours; the last four may overlap others. */
            const int64_t first = k >= 4 && j > k - 4 ? k - 4 : j, at = columns[first];
            if (step > 1 && first + 4 <= k && columns[first + 1] == at + 1 &&
                columns[first + 2] == at + 2 && columns[first + 3] == at + 3) {
                const lanes four[4] = {load(a + at), load(b + at), load(c + at), load(d + at)};
                lanes found[4];
                transpose(four, found);
                for (int64_t i = 0; i < 4; i++)
                    *(lanes *)(plane + (first + i) * STRIDE + r) =
                        centre ? found[i] - repeat(centre[first + i]) : found[i];
                j = first + 4;
            } else {
                const int64_t own = columns[j];
                const lanes found = step == 1 ? load(a + own)
                                              : (lanes){a[own], b[own], c[own], d[own]};
                *(lanes *)(plane + j * STRIDE + r) = centre ? found - repeat(centre[j]) : found;
                j++;
            }
        }
    }
    for (; r < full; r++)
        for (int64_t j = 0; j < k; j++)
            plane[j * STRIDE + r] = r < n ? rows[r * step + columns[j]] - (centre ? centre[j] : 0.0)
                                          : 0.0;
}

/* Cut a column into digits, one plane each; whether each value is these digits. */
INLINE int cut(double *rest, int64_t rows, double top, int64_t count, double *digits,
               int64_t plane)
{
    const lanes above = repeat(top), below = repeat(-top);
    masks left = {0, 0, 0, 0};
    double unit = top * (1.0 / (1 << (BITS - 1)));
    for (int64_t s = 0; s < count; s++, unit *= 1.0 / (1 << BITS)) {
        /* Adding and taking away 1.5 · 2^52 units rounds to whole units. */
        const lanes shift = repeat(unit * 0x1.8p52), scale = repeat(1.0 / unit);
        for (int64_t r = 0; r < rows; r += 4) {
            lanes *at = (lanes *)(rest + r);
            const lanes value = *at, part = (value + shift) - shift;
            *at = value - part;
            if (s == 0)
                left |= (value > above) | (value < below);
            if (s == count - 1)
                left |= *at != none;
            *(lanes *)(digits + s * plane + r) = part * scale;
        }
    }
    return !(left[0] | left[1] | left[2] | left[3]);
}

/* Add the products of all digits of n rows; returns how many rows were set apart.

   Columns stand in order of their digits, most first.  columns: (k,) where each begins, in doubles;
   tops: (k,) powers of two; counts: (k,) digits; planes: (pairs, k, k) and totals: (digits, k)
   are added to; apart: (n,) becomes 1 for rows that are not these digits and were left out;
   room: (digits + 1) planes.  Levels: of each category the level of each row, and its table of
   (digits, k) a level. */
INLINE int64_t add_digits(const double *rows, int64_t n, int64_t step, int64_t k,
                          const int64_t *columns, const double *tops, const int64_t *counts,
                          uint64_t *planes, int64_t *totals, uint8_t *apart, double *room,
                          int64_t categories, const int64_t *const *numbered,
                          double *const *levels)
{
    const int64_t depth = counts[0], plane = (k + HIGH) * STRIDE;
    double *const sums = room + depth * plane;
    int64_t set_apart = 0;
    for (int64_t start = 0; start < n; start += BLOCK) {
        const int64_t height = n - start < BLOCK ? n - start : BLOCK, full = round_up(height, 16);
        uint8_t *const gone = apart + start;
        gather(rows + start * step, height, full, step, k, columns, 0, sums);
        int complete = 1;
        for (int64_t j = 0; j < k; j++) {
            double *const rest = sums + j * STRIDE, *const own = room + j * STRIDE;
            if (cut(rest, full, tops[j], counts[j], own, plane))
                continue;
            complete = 0;
            const double *const value = rows + start * step + columns[j];
            for (int64_t r = 0; r < height; r++)
                gone[r] |= rest[r] != 0.0 || value[r * step] > tops[j] ||
                           value[r * step] < -tops[j];
        }
        if (!complete)
            for (int64_t r = 0; r < height; r++)
                if (gone[r]) {
                    set_apart++;
                    for (int64_t j = 0; j < k; j++)
                        for (int64_t s = 0; s < counts[j]; s++)
                            room[s * plane + j * STRIDE + r] = 0.0;
                }
        for (int64_t j = 0; j < k; j++)
            for (int64_t s = 0; s < counts[j]; s++)
                totals[s * k + j] += (int64_t)add_column(room + s * plane + j * STRIDE, full);
        for (int64_t i = 0; i < categories; i++)
            for (int64_t j = 0; j < k; j++)
                for (int64_t s = 0; s < counts[j]; s++) {
                    const double *const digit = room + s * plane + j * STRIDE;
                    for (int64_t r = 0; r < height; r++)
                        levels[i][(numbered[i][start + r] * depth + s) * k + j] += digit[r];
                }
        uint64_t *table = planes;
        int64_t high = k;
        for (int64_t s = 0; s < depth; s++) {
            const double *const first = room + s * plane;
            while (counts[high - 1] <= s)
                high--;
            multiply(first, high, high, full, k, table, 0);
            table += k * k;
            int64_t wide = high;
            for (int64_t t = s + 1; t < depth; t++, table += k * k) {
                const double *const second = room + t * plane;
                while (counts[wide - 1] <= t)
                    wide--;
                for (int64_t j = 0; j < high; j++)
                    for (int64_t r = 0; r < full; r += 4) {
                        const int64_t at = j * STRIDE + r;
                        lanes sum = *(const lanes *)(first + at);
                        if (j < wide)
                            sum += *(const lanes *)(second + at);
                        *(lanes *)(sums + at) = sum;
                    }
                multiply(sums, high, wide, full, k, table, 0);
            }
        }
    }
    return set_apart;
}

/* Add Σ (z - c) to totals, shape (k,), and the lower triangle of Σ (z - c)(z - c)ᵀ to products. */
INLINE int64_t add_centred(const double *rows, int64_t n, int64_t step, int64_t k,
                        const int64_t *columns, const double *centre, double *totals,
                        double *products, double *room)
{
    for (int64_t start = 0; start < n; start += BLOCK) {
        const int64_t height = n - start < BLOCK ? n - start : BLOCK, full = round_up(height, 16);
        gather(rows + start * step, height, full, step, k, columns, centre, room);
        for (int64_t j = 0; j < k; j++)
            totals[j] += add_column(room + j * STRIDE, full);
        multiply(room, k, k, full, k, 0, products);
    }
    return n;
}

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

#if defined(__x86_64__) || defined(__i386__)
#define FOR_AVX2 __attribute__((target("avx2,fma")))
int64_t steepest_has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#else
#define FOR_AVX2
int64_t steepest_has_avx2(void) { return 0; }
#endif

#define ENTRY(name, parameters, arguments)                                \
    int64_t steepest_##name##_portable parameters { return name arguments; } \
    FOR_AVX2 int64_t steepest_##name##_avx2 parameters { return name arguments; }

ENTRY(add_digits,
      (const double *rows, int64_t n, int64_t step, int64_t k, const int64_t *columns,
       const double *tops, const int64_t *counts, uint64_t *planes, int64_t *totals,
       uint8_t *apart, double *room, int64_t categories, const int64_t *const *numbered,
       double *const *levels),
      (rows, n, step, k, columns, tops, counts, planes, totals, apart, room, categories,
       numbered, levels))

ENTRY(add_centred,
      (const double *rows, int64_t n, int64_t step, int64_t k, const int64_t *columns,
       const double *centre, double *totals, double *products, double *room),
      (rows, n, step, k, columns, centre, totals, products, room))

ENTRY(reaches, (const double *values, int64_t n, double bound), (values, n, bound))
