/* Rows of a table on their way into columns of a plane, in vectors of four doubles. */

typedef double quad __attribute__((vector_size(32)));
typedef int64_t wholes __attribute__((vector_size(32)));

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

INLINE quad choose(wholes which, quad a, quad b)
{
    return (quad)(((wholes)a & which) | ((wholes)b & ~which));
}

INLINE quad repeat(double value) { return (quad){value, value, value, value}; }

INLINE double add_quad(quad v) { return (v[0] + v[1]) + (v[2] + v[3]); }

/* The smallest and the largest of what was seen of a column; NaN is passed over. */
typedef struct {
    quad low, high;
} ends;

INLINE void widen(ends *seen, quad v)
{
    seen->low = choose(v < seen->low, v, seen->low);
    seen->high = choose(v > seen->high, v, seen->high);
}

INLINE void close_ends(const ends *seen, double *low, double *high)
{
    for (int i = 0; i < 4; i++) {
        *low = seen->low[i] < *low ? seen->low[i] : *low;
        *high = seen->high[i] > *high ? seen->high[i] : *high;
    }
}

/* Up to four values of a column; the last of them again where there are no more. */
INLINE quad take(const double *values, int64_t n, int64_t step)
{
    if (n >= 4 && step == 1)
        return load(values);
    const int64_t last = n < 4 ? n - 1 : 3;
    return (quad){values[0], values[(last < 1 ? last : 1) * step],
                  values[(last < 2 ? last : 2) * step], values[last * step]};
}

/* Copy a column minus a centre, with zeros up to `full`; its sum, and where the column ends. */
INLINE double centre_column(const double *values, int64_t n, int64_t full, double centre,
                            double *column, double *low, double *high)
{
    quad sum[2] = {{0.0}, {0.0}};
    ends seen[2] = {{repeat(*low), repeat(*high)}, {repeat(*low), repeat(*high)}};
    int64_t r = 0;
    for (; r + 8 <= n; r += 8) {
        __builtin_prefetch(values + r + BLOCK);
        for (int i = 0; i < 2; i++) {
            const quad v = load(values + r + 4 * i), own = v - centre;
            widen(seen + i, v);
            sum[i] += own;
            memcpy(column + r + 4 * i, &own, sizeof own);
        }
    }
    double total = add_quad(sum[0] + sum[1]);
    for (; r < n; r++) {
        widen(seen, repeat(values[r]));
        total += column[r] = values[r] - centre;
    }
    for (; r < full; r++)
        column[r] = 0.0;
    close_ends(seen, low, high);
    close_ends(seen + 1, low, high);
    return total;
}

/* Copy rows into columns of a plane, with zeros up to `full`. */
INLINE void gather(const double *rows, int64_t n, int64_t full, int64_t step, int64_t k,
                   const int64_t *columns, double *plane)
{
    for (int64_t j = 0; step == 1 && j < k; j++) {
        memcpy(plane + j * STRIDE, rows + columns[j], (size_t)n * sizeof *rows);
        memset(plane + j * STRIDE + n, 0, (size_t)(full - n) * sizeof *rows);
    }
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
                    *(quad *)(plane + (first + i) * STRIDE + r) = found[i];
                j = first + 4;
            } else {
                const int64_t own = columns[j];
                *(quad *)(plane + j * STRIDE + r) = (quad){a[own], b[own], c[own], d[own]};
                j++;
            }
        }
    }
    for (; r < full; r++)
        for (int64_t j = 0; j < k; j++)
            plane[j * STRIDE + r] = r < n ? rows[r * step + columns[j]] : 0.0;
}
