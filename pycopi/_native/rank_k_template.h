/* The rank-k update for one type and one instruction set, included once for each pair. The includer defines
 *     T             float or double
 *     VECTOR_BYTES  bytes of a register, or 0 where the compiler has no vector extensions
 *     ROWS, VECTORS shape of the block of `out` that is kept in registers: ROWS x (VECTORS registers)
 *     TARGET        the function attribute that turns the instruction set on, or nothing
 *     NAME(base)    a name made unique for the pair
 *
 * `right` is packed once into panels of COLUMNS columns, (k, COLUMNS) each and padded with zeros, so that the
 * innermost loop runs through contiguous memory. Then rows are swept in blocks of ROWS over their full
 * length, so that matrix and out stream through once. Each element is computed by the same operations in the
 * same order wherever it lies in a block, so results do not depend on strides, on aliasing, or on how rows
 * would be shared among threads.
 */
#if VECTOR_BYTES
typedef T NAME(vector) __attribute__((vector_size(VECTOR_BYTES)));
#else
typedef T NAME(vector);
#endif
#define VECTOR NAME(vector)
#define LANES ((ptrdiff_t)(sizeof(VECTOR) / sizeof(T)))
#define COLUMNS (VECTORS * LANES)

/* memcpy is the one portable unaligned access; it compiles to a single move. */
TARGET static inline VECTOR NAME(load)(const T *from)
{
    VECTOR value;
    memcpy(&value, from, sizeof value);
    return value;
}

TARGET static inline void NAME(store)(T *to, VECTOR value)
{
    memcpy(to, &value, sizeof value);
}

/* One ROWS x COLUMNS block: the product in registers, then one pass over matrix and out. `row_scale` has
 * ROWS values, `column_scale` COLUMNS. A block at an edge goes through a copy of full size. */
TARGET static void NAME(block)(ptrdiff_t depth, const T *left, const T *right, T scale, const T *row_scale,
                               const T *column_scale, const T *matrix, ptrdiff_t matrix_stride, T *out,
                               ptrdiff_t out_stride, ptrdiff_t rows, ptrdiff_t columns)
{
    VECTOR sums[ROWS][VECTORS];
    T edge[ROWS * COLUMNS];
    T *to = out;
    ptrdiff_t to_stride = out_stride;
    const int partial = rows < ROWS || columns < COLUMNS;

    UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int v = 0; v < VECTORS; v++)
            sums[r][v] = (VECTOR){0};
    for (ptrdiff_t p = 0; p < depth; p++, left += ROWS, right += COLUMNS) {
        VECTOR row[VECTORS];
        UNROLL for (int v = 0; v < VECTORS; v++)
            row[v] = NAME(load)(right + v * LANES);
        UNROLL for (int r = 0; r < ROWS; r++)
            UNROLL for (int v = 0; v < VECTORS; v++)
                sums[r][v] += left[r] * row[v];
    }
    if (partial) {
        memset(edge, 0, sizeof edge);
        for (ptrdiff_t r = 0; r < rows; r++)
            memcpy(edge + r * COLUMNS, matrix + r * matrix_stride, (size_t)columns * sizeof(T));
        matrix = to = edge;
        matrix_stride = to_stride = COLUMNS;
    }
    UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int v = 0; v < VECTORS; v++) {
            const VECTOR old = NAME(load)(matrix + r * matrix_stride + v * LANES);
            const VECTOR kept = old * row_scale[r] * NAME(load)(column_scale + v * LANES);
            NAME(store)(to + r * to_stride + v * LANES, kept + scale * sums[r][v]);
        }
    if (partial)
        for (ptrdiff_t r = 0; r < rows; r++)
            memcpy(out + r * out_stride, edge + r * COLUMNS, (size_t)columns * sizeof(T));
}

/* Up to ROWS rows over their full length. Everything it writes, besides out, is on its own stack: calls for
 * different rows may run in different threads. */
TARGET static void NAME(rows)(const rank_k_arguments *a, ptrdiff_t first, ptrdiff_t start, ptrdiff_t depth,
                              const T *panels, const T *column_scale)
{
    const ptrdiff_t rows = a->m - first < ROWS ? a->m - first : ROWS;
    const T *matrix = start ? (const T *)a->out : (const T *)a->matrix;
    const ptrdiff_t stride = start ? a->out_stride : a->matrix_stride;
    const T *left = (const T *)a->left + start * a->left_stride + first;
    T row_scale[ROWS], packed[DEPTH * ROWS];

    for (ptrdiff_t r = 0; r < ROWS; r++)
        row_scale[r] = start == 0 && a->row_scale && r < rows ? ((const T *)a->row_scale)[first + r] : 1;
    for (ptrdiff_t p = 0; p < depth; p++)
        for (ptrdiff_t r = 0; r < ROWS; r++)
            packed[p * ROWS + r] = r < rows ? left[p * a->left_stride + r] : 0;
    for (ptrdiff_t j = 0; j < a->n; j += COLUMNS)
        NAME(block)(depth, packed, panels + j * depth, (T)a->scale, row_scale, column_scale + j,
                    matrix + first * stride + j, stride, (T *)a->out + first * a->out_stride + j,
                    a->out_stride, rows, a->n - j < COLUMNS ? a->n - j : COLUMNS);
}

TARGET static void NAME(rank_k)(const rank_k_arguments *a)
{
    const ptrdiff_t padded = (a->n + COLUMNS - 1) / COLUMNS * COLUMNS;
    /* Whole cache lines; rank_k_workspace() has a line to spare. */
    T *column_scale = (T *)(((uintptr_t)a->workspace + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    T *panels = column_scale + padded;
    ptrdiff_t start = 0;

    /* Beyond DEPTH the product is added piece by piece, the scales being applied with the first piece. */
    do {
        const ptrdiff_t depth = a->k - start < DEPTH ? a->k - start : DEPTH;
        for (ptrdiff_t j = 0; j < padded; j++)
            column_scale[j] = start == 0 && a->column_scale && j < a->n ? ((const T *)a->column_scale)[j] : 1;
        for (ptrdiff_t p = 0; p < depth; p++)
            for (ptrdiff_t j = 0; j < padded; j += COLUMNS) {
                const ptrdiff_t columns = a->n - j < COLUMNS ? a->n - j : COLUMNS;
                T *to = panels + j * depth + p * COLUMNS;
                memset(to, 0, sizeof(T) * COLUMNS);
                memcpy(to, (const T *)a->right + (start + p) * a->right_stride + j,
                       (size_t)columns * sizeof(T));
            }
        for (ptrdiff_t first = 0; first < a->m; first += ROWS)
            NAME(rows)(a, first, start, depth, panels, column_scale);
        start += depth;
    } while (start < a->k);
}

#undef LANES
#undef COLUMNS
#undef VECTOR
