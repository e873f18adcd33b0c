/* The rank-k update for one type and one instruction set, included once for each pair. The includer defines
 *     T             float or double
 *     VECTOR_BYTES  bytes of a register, or 0 where the compiler has no vector extensions
 *     ROWS, VECTORS the block of `out` that is kept in registers: ROWS x VECTORS of them
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

TARGET static inline VECTOR NAME(load)(const T *from)
{
    VECTOR value;
    memcpy(&value, from, sizeof value); /* the portable unaligned access: a single move */
    return value;
}

TARGET static inline void NAME(store)(T *to, VECTOR value) { memcpy(to, &value, sizeof value); }

/* Copies up to `width` values and fills the rest with zeros; the usual full copy has a size known beforehand. */
TARGET static inline void NAME(pad)(T *to, const T *from, ptrdiff_t count, ptrdiff_t width)
{
    if (count >= width) {
        memcpy(to, from, (size_t)width * sizeof(T));
        return;
    }
    memcpy(to, from, (size_t)count * sizeof(T));
    memset(to + count, 0, (size_t)(width - count) * sizeof(T));
}

/* Moves a block at an edge into a full one, filled up with zeros. */
TARGET static const T *NAME(enlarge)(T *to, const T *from, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t columns)
{
    for (ptrdiff_t r = 0; r < ROWS; r++)
        NAME(pad)(to + r * COLUMNS, from + (r < rows ? r * stride : 0), r < rows ? columns : 0, COLUMNS);
    return to;
}

/* One ROWS x COLUMNS block of out at (i, j): the product in registers, then one pass over matrix and out. Scales
 * that are NULL stand for ones; the others have ROWS and COLUMNS values. */
TARGET static void NAME(block)(const rank_k_arguments *a, ptrdiff_t i, ptrdiff_t j, ptrdiff_t depth, const T *left,
                               ptrdiff_t left_stride, const T *right, const T *row_scale, const T *column_scale)
{
    const ptrdiff_t rows = a->m - i, columns = a->n - j;
    const int partial = rows < ROWS || columns < COLUMNS;
    const T scale = (T)a->scale;
    const T *matrix = (const T *)a->matrix + i * a->matrix_stride + j, *product = a->product;
    T *const out = (T *)a->out + i * a->out_stride + j, *to = out;
    T edges[2][ROWS * COLUMNS];
    VECTOR sums[ROWS][VECTORS];
    ptrdiff_t matrix_stride = a->matrix_stride, product_stride = a->product_stride, to_stride = a->out_stride;

    EACH_ROW EACH_VECTOR
        sums[r][v] = (VECTOR){0};
    for (ptrdiff_t p = 0; p < depth; p++, left += left_stride, right += COLUMNS) {
        VECTOR row[VECTORS];
        EACH_VECTOR
            row[v] = NAME(load)(right + v * LANES);
        EACH_ROW EACH_VECTOR
            sums[r][v] += left[r] * row[v];
    }
    if (product)
        product += i * product_stride + j;
    if (partial) {
        if (product)
            product = NAME(enlarge)(edges[1], product, product_stride, rows, columns);
        matrix = NAME(enlarge)(edges[0], matrix, matrix_stride, rows, columns);
        to = edges[0];
        matrix_stride = product_stride = to_stride = COLUMNS;
    }
    if (product)
        EACH_ROW EACH_VECTOR
            sums[r][v] += NAME(load)(product + r * product_stride + v * LANES);
    EACH_ROW EACH_VECTOR
        sums[r][v] *= scale;
/* Pointers that move, not products of r: compilers would compute all of those beforehand and spill them. */
#define WRITE(kept)                                                                 \
    UNROLL for (int r = 0; r < ROWS; r++, matrix += matrix_stride, to += to_stride) \
        EACH_VECTOR NAME(store)(to + v * LANES, (kept) + sums[r][v])
#define OLD NAME(load)(matrix + v * LANES)
#define COLUMN_SCALE NAME(load)(column_scale + v * LANES)
    if (row_scale && column_scale)
        WRITE(OLD * row_scale[r] * COLUMN_SCALE);
    else if (row_scale)
        WRITE(OLD * row_scale[r]);
    else if (column_scale)
        WRITE(OLD * COLUMN_SCALE);
    else
        WRITE(OLD);
#undef WRITE
#undef OLD
#undef COLUMN_SCALE
    if (partial)
        for (ptrdiff_t r = 0; r < ROWS && r < rows; r++)
            memcpy(out + r * a->out_stride, edges[0] + r * COLUMNS,
                   (size_t)(columns < COLUMNS ? columns : COLUMNS) * sizeof(T));
}

/* Up to ROWS rows from row i over their full length. All that it writes, besides out, is on its own stack, so
 * calls for different rows may run in different threads. */
TARGET static void NAME(rows)(const rank_k_arguments *a, ptrdiff_t i, ptrdiff_t depth, const T *panels,
                              const T *column_scale)
{
    T row_scale[ROWS], packed[DEPTH * ROWS];
    const T *left = (const T *)a->left + i;
    ptrdiff_t left_stride = a->left_stride;

    if (a->row_scale)
        NAME(pad)(row_scale, (const T *)a->row_scale + i, a->m - i, ROWS);
    /* Packing spares cache misses, but a short row does not use the packed values often enough. */
    if (a->n > 16 * COLUMNS || a->m - i < ROWS) {
        for (ptrdiff_t p = 0; p < depth; p++)
            NAME(pad)(packed + p * ROWS, left + p * left_stride, a->m - i, ROWS);
        left = packed;
        left_stride = ROWS;
    }
    for (ptrdiff_t j = 0; j < a->n; j += COLUMNS)
        NAME(block)(a, i, j, depth, left, left_stride, panels + j * depth, a->row_scale ? row_scale : NULL,
                    a->column_scale ? column_scale + j : NULL);
}

TARGET static void NAME(rank_k)(const rank_k_arguments *arguments)
{
    rank_k_arguments a = *arguments;
    const ptrdiff_t padded = (a.n + COLUMNS - 1) / COLUMNS * COLUMNS;
    /* Whole cache lines; rank_k_workspace() has a line to spare. */
    T *column_scale = (T *)(((uintptr_t)a.workspace + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    T *panels = column_scale + padded;

    if (a.column_scale)
        NAME(pad)(column_scale, a.column_scale, a.n, padded);
    for (;;) {
        const ptrdiff_t depth = a.k < DEPTH ? a.k : DEPTH;
        for (ptrdiff_t p = 0; p < depth; p++)
            for (ptrdiff_t j = 0; j < padded; j += COLUMNS)
                NAME(pad)(panels + j * depth + p * COLUMNS, (const T *)a.right + p * a.right_stride + j, a.n - j,
                          COLUMNS);
        for (ptrdiff_t i = 0; i < a.m; i += ROWS)
            NAME(rows)(&a, i, depth, panels, column_scale);
        if (a.k <= DEPTH)
            return;
        /* A deeper product is added piece by piece, to what the first piece has left in out. */
        a.k -= depth;
        a.left = (const T *)a.left + depth * a.left_stride;
        a.right = (const T *)a.right + depth * a.right_stride;
        a.matrix = a.out;
        a.matrix_stride = a.out_stride;
        a.row_scale = a.column_scale = a.product = NULL;
    }
}
