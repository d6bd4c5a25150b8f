/* Blocks of rows as columns in vectors of LANES doubles: kernel.c includes this for each length.

Rows are the direction of the vectors.  A lane adds at most BLOCK / LANES products before they
become 64-bit integers: of two lanes of eight, or of one of four, at most 2⁷ of up to 2⁴⁶. */

#define JOIN(a, b) a##_##b
#define NAMED(name, lanes) JOIN(name, lanes)
#define N(name) NAMED(name, LANES)
#define lanes N(lanes)
#define bits N(bits)

typedef double lanes __attribute__((vector_size(8 * LANES)));
typedef int64_t bits __attribute__((vector_size(8 * LANES)));

INLINE lanes N(repeat)(double value)
{
    lanes all;
    for (int i = 0; i < LANES; i++)
        all[i] = value;
    return all;
}

/* Neighbours in memory, aligned or not. */
INLINE lanes N(load)(const double *from)
{
    lanes values;
    memcpy(&values, from, sizeof values);
    return values;
}

/* One quad of lanes from all, for which two of eight may be added without rounding. */
INLINE quad N(fold)(const lanes *sums)
{
    quad parts[LANES / 4];
    memcpy(parts, sums, sizeof parts);
    return LANES == 4 ? parts[0] : parts[0] + parts[LANES / 4 - 1];
}

/* Σ over rows of a column times another, for `high` columns at a and WIDE at b; only those of the
   lower triangle where these are the same. */
INLINE void N(multiply_tile)(const double *a, const double *b, int64_t rows, int high, int same,
                             lanes sums[HIGH][WIDE])
{
    lanes s[HIGH][WIDE];
    for (int i = 0; i < high; i++)
        for (int j = 0; j < WIDE; j++)
            s[i][j] = N(repeat)(0.0);
    for (int64_t r = 0; r < rows; r += LANES) {
        lanes other[WIDE];
        for (int j = 0; j < WIDE; j++)
            other[j] = *(const lanes *)(b + j * STRIDE + r);
        for (int i = 0; i < high; i++) {
            const lanes own = *(const lanes *)(a + i * STRIDE + r);
            for (int j = 0; j < WIDE; j++)
                if (!same || j <= i)
                    s[i][j] += own * other[j];
        }
    }
    for (int i = 0; i < high; i++)
        for (int j = 0; j < WIDE; j++)
            sums[i][j] = s[i][j];
}

/* Add the lower triangle of the products of `high` columns with the first `wide` of them to a
   table of k columns: of integers, or of doubles. */
INLINE void N(multiply)(const double *plane, int64_t high, int64_t wide, int64_t rows, int64_t k,
                        uint64_t *whole, double *rounded)
{
    lanes sums[HIGH][WIDE];
    memset(sums, 0, sizeof sums);
    for (int64_t i = 0; i < high; i += HIGH)
        for (int64_t j = 0; j < wide && j < i + HIGH && j < high; j += WIDE) {
            const double *const a = plane + i * STRIDE, *const b = plane + j * STRIDE;
            const int64_t tall = high - i < HIGH ? high - i : HIGH;
            if (tall <= 2)
                N(multiply_tile)(a, b, rows, 2, 0, sums);
            else if (HIGH == WIDE && i == j)
                N(multiply_tile)(a, b, rows, HIGH, 1, sums);
            else
                N(multiply_tile)(a, b, rows, HIGH, 0, sums);
            for (int64_t p = 0; p < tall; p++)
                for (int64_t q = 0; q < WIDE && j + q < wide && j + q <= i + p; q++) {
                    const quad v = N(fold)(&sums[p][q]);
                    const int64_t at = (i + p) * k + j + q;
                    if (whole)
                        whole[at] += add_wholes(v);
                    else
                        rounded[at] += add_quad(v);
                }
        }
}

/* A column of doubles as digits: into the planes of each pair of `depth` digits goes their sum, or
   the digit itself where both are one, and to totals each digit's sum.  Returns 0, and leaves
   totals as they are, where some value is not these `count` digits. */
INLINE int N(cut)(const double *values, int64_t rows, double top, int64_t count, int64_t depth,
                  double *pairs, int64_t plane, int64_t *totals, int64_t k)
{
    lanes shift[MOST], scale[MOST], sum[MOST];
    /* Without their signs doubles stand in the order of their bits. */
    const bits highest = (bits)N(repeat)(top), unsign = (bits)N(repeat)(0.0) + INT64_MAX;
    bits left = {0}, above = {0};
    double unit = top * (1.0 / (1 << (BITS - 1)));
    for (int64_t s = 0; s < count; s++, unit *= 1.0 / (1 << BITS)) {
        shift[s] = N(repeat)(unit * ROUND);
        scale[s] = N(repeat)(1.0 / unit);
        sum[s] = N(repeat)(0.0);
    }
    for (int64_t r = 0; r < rows; r += LANES) {
        lanes rest = N(load)(values + r), digit[MOST];
        __builtin_prefetch(values + r + BLOCK);
        above |= highest - ((bits)rest & unsign);
        for (int64_t s = 0; s < count; s++) {
            const lanes part = (rest + shift[s]) - shift[s];
            rest -= part;
            digit[s] = part * scale[s];
            sum[s] += digit[s];
        }
        left |= (bits)rest & unsign;
        double *to = pairs + r;
        for (int64_t s = 0; s < count; s++)
            for (int64_t t = s; t < depth; t++, to += plane)
                *(lanes *)to = t > s && t < count ? digit[s] + digit[t] : digit[s];
    }
    int64_t found = 0;
    for (int i = 0; i < LANES; i++)
        found |= left[i] | (above[i] & INT64_MIN);
    for (int64_t s = 0; !found && s < count; s++)
        for (int i = 0; i < LANES; i++)
            totals[s * k] += (int64_t)sum[s][i];
    return !found;
}

/* The same, with loops of a length that is known where there are few digits. */
INLINE int N(cut_any)(const double *values, int64_t rows, double top, int64_t count, int64_t depth,
                      double *pairs, int64_t plane, int64_t *totals, int64_t k)
{
    if (depth == 3 && count == 3)
        return N(cut)(values, rows, top, 3, 3, pairs, plane, totals, k);
    if (depth == 3 && count == 1)
        return N(cut)(values, rows, top, 1, 3, pairs, plane, totals, k);
    if (depth == 2 && count == 2)
        return N(cut)(values, rows, top, 2, 2, pairs, plane, totals, k);
    if (depth == 1)
        return N(cut)(values, rows, top, 1, 1, pairs, plane, totals, k);
    return N(cut)(values, rows, top, count, depth, pairs, plane, totals, k);
}

/* Add the products of all digits of n rows; returns how many rows were set apart.

   Columns stand in order of their digits, most first.  columns: (k,) where each begins, in doubles;
   tops: (k,) powers of two; counts: (k,) digits; planes: (pairs, k, k) and totals: (digits, k)
   are added to; apart: (n,) becomes 1 for rows that are not these digits and were left out;
   room: (pairs + 1) planes.  Levels: of each category the level of each row, and its table of
   (digits, k) a level. */
INLINE int64_t N(add_digits)(const double *rows, int64_t n, int64_t step, int64_t k,
                             const int64_t *columns, const double *tops, const int64_t *counts,
                             uint64_t *planes, int64_t *totals, uint8_t *apart, double *room,
                             int64_t categories, const int64_t *const *numbered,
                             double *const *levels)
{
    const int64_t depth = counts[0], plane = (k + SPARE) * STRIDE;
    double *const spare = room + depth * (depth + 1) / 2 * plane;
    int64_t left_out = 0, reach[MOST]; /* how many columns have each digit */
    for (int64_t s = 0; s < depth; s++)
        for (reach[s] = k; counts[reach[s] - 1] <= s;)
            reach[s]--;
    for (int64_t start = 0; start < n; start += BLOCK) {
        const int64_t height = n - start < BLOCK ? n - start : BLOCK,
                      full = round_up(height, LANES);
        const double *const block = rows + start * step;
        const int direct = step == 1 && height == full;
        uint8_t *const gone = apart + start;
        int complete = 1;
        if (!direct)
            gather(block, height, full, step, k, columns, spare);
        for (int64_t j = 0; j < k; j++) {
            const double *const values = direct ? block + columns[j] : spare + j * STRIDE;
            double *const own = room + j * STRIDE;
            if (N(cut_any)(values, full, tops[j], counts[j], depth, own, plane, totals + j, k))
                continue;
            complete = 0;
            set_apart(block + columns[j], height, step, tops[j], counts[j], depth, own, plane,
                      gone, totals + j, k);
        }
        for (int64_t r = 0; !complete && r < height; r++)
            if (gone[r]) {
                left_out++;
                take_out(room + r, plane, k, depth, counts, totals);
            }
        if (categories)
            add_to_levels(room, plane, height, start, k, depth, reach, categories, numbered,
                          levels, spare);
        double *pair = room;
        uint64_t *table = planes;
        for (int64_t s = 0; s < depth; s++)
            for (int64_t t = s; t < depth; t++, pair += plane, table += k * k)
                N(multiply)(pair, reach[s], reach[t], full, k, table, 0);
    }
    return left_out;
}

/* Add Σ (z - c) to totals, shape (k,), and the lower triangle of Σ (z - c)(z - c)ᵀ to products;
   the smallest and largest of each column besides. */
INLINE int64_t N(sum_centred)(const double *rows, int64_t n, int64_t step, int64_t k,
                              const int64_t *columns, const double *centre, double *totals,
                              double *products, double *low, double *high, double *room)
{
    for (int64_t start = 0; start < n; start += BLOCK) {
        const int64_t height = n - start < BLOCK ? n - start : BLOCK,
                      full = round_up(height, LANES);
        const double *const block = rows + start * step;
        if (step != 1)
            gather(block, height, full, step, k, columns, room);
        for (int64_t j = 0; j < k; j++) {
            double *const column = room + j * STRIDE;
            totals[j] += centre_column(step == 1 ? block + columns[j] : column, height, full,
                                       centre[j], column, low + j, high + j);
        }
        N(multiply)(room, k, k, full, k, 0, products);
    }
    return n;
}

#undef lanes
#undef bits
#undef N
#undef NAMED
#undef JOIN
