/* The rank-k update for one type and one instruction set, included once for each pair. The includer defines
 *     T             float or double
 *     VECTOR_BYTES  bytes of a register, or 0 where the compiler has no vector extensions
 *     ROWS, VECTORS the block of `out` that is kept in registers: ROWS x VECTORS of them
 *     TARGET        the function attribute that turns the instruction set on, or nothing
 *     NAME(base)    a name made unique for the pair
 *
 * `right` is packed into panels of so many columns as a tile has, (depth, columns) each and padded with zeros, and
 * `left` into (depth, width), so that the innermost loop runs through contiguous memory; see blocking_of(). Each element is
 * computed by the same operations in the same order wherever it lies, so results do not depend on strides, on
 * aliasing, or on how out is shared among threads.
 */
#if VECTOR_BYTES
typedef T NAME(vector) __attribute__((vector_size(VECTOR_BYTES)));
#else
typedef T NAME(vector);
#endif

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
    if (count >= width)
        memcpy(to, from, (size_t)width * sizeof(T));
    else
        for (ptrdiff_t i = 0; i < width; i++)
            to[i] = i < count ? from[i] : 0;
}

/* Moves a block at an edge into a full one, filled up with zeros. */
TARGET static const T *NAME(enlarge)(T *to, ptrdiff_t height, ptrdiff_t width, const T *from, ptrdiff_t stride,
                                     ptrdiff_t rows, ptrdiff_t columns)
{
    for (ptrdiff_t r = 0; r < height; r++)
        NAME(pad)(to + r * width, from + (r < rows ? r * stride : 0), r < rows ? columns : 0, width);
    return to;
}

/* Values of a and b in turn, from the value `from` of each on. */
TARGET ALWAYS_INLINE VECTOR NAME(deal)(VECTOR a, VECTOR b, const int from)
{
#if VECTOR_BYTES && !defined(__clang__)
    __typeof__(a == b) order; /* integers of the size of T */
    EACH_LANE order[i] = from + i / 2 + i % 2 * (int)LANES;
    return __builtin_shuffle(a, b, order);
#else /* Clang knows this for what it is */
    T values[2 * LANES], dealt[LANES];
    NAME(store)(values, a);
    NAME(store)(values + LANES, b);
    EACH_LANE dealt[i] = values[from + i / 2 + i % 2 * LANES];
    return NAME(load)(dealt);
#endif
}

/* Writes the transpose of up to LANES x LANES values; where `from` has fewer rows, zeros take their place. Dealing
 * the flat block out from its two halves moves the first bit of each index to its end: the bits of the row pass
 * those of the column in log2(LANES) steps. */
TARGET static void NAME(transpose)(T *to, ptrdiff_t to_stride, const T *from, ptrdiff_t stride, ptrdiff_t rows,
                                   ptrdiff_t columns)
{
    T edges[LANES * LANES];
    VECTOR now[LANES], next[LANES];

    if (rows < LANES || columns < LANES) {
        from = NAME(enlarge)(edges, LANES, LANES, from, stride, rows, columns);
        stride = LANES;
    }
    EACH_LANE PREFETCH((uintptr_t)from + (uintptr_t)((i + COLUMNS) * stride) * sizeof(T)); /* those of the next panel */
    EACH_LANE now[i] = NAME(load)(from + i * stride);
    UNROLL for (int step = 1; step < LANES; step *= 2) {
        EACH_LANE next[i] = NAME(deal)(now[i / 2], now[i / 2 + LANES / 2], i % 2 * (int)LANES / 2);
        memcpy(now, next, sizeof now);
    }
    for (int i = 0; i < LANES && i < columns; i++)
        NAME(store)(to + i * to_stride, now[i]);
}

/* Packs (depth, count) values from row p and column i of an array, or of the transpose of one, into (depth, width),
 * filled up with zeros. */
TARGET ALWAYS_INLINE void NAME(pack)(T *to, const ptrdiff_t width, strided array, int transposed, ptrdiff_t p,
                                     ptrdiff_t i, ptrdiff_t depth, ptrdiff_t count)
{
    const ptrdiff_t stride = array.stride;
    const T *from = (const T *)array.data + (transposed ? i * stride + p : p * stride + i);
    if (!transposed)
        for (ptrdiff_t r = 0; r < depth; r++)
            NAME(pad)(to + r * width, from + r * stride, count, width);
    else
        for (ptrdiff_t c = 0; c < width; c += LANES)
            for (ptrdiff_t r = 0; r < depth; r += LANES)
                NAME(transpose)(to + r * width + c, width, from + (c < count ? c * stride : 0) + r, stride, count - c,
                                depth - r);
}

/* One tile of out at (i, j), height x COLUMNS: the product in registers, then one pass over matrix and out. Scales
 * that are not there stand for ones, a matrix for zeros. The rows `ahead` are those of another panel of right, of which
 * a tile of full height calls one piece each into the cache: where rows are far apart, no processor foresees it. */
TARGET ALWAYS_INLINE void NAME(tile)(const rank_k_arguments *a, ptrdiff_t i, ptrdiff_t j, ptrdiff_t depth, strided ahead,
                                     const T *left, const T *right, const T *column_scale, const int height,
                                     const int vectors)
{
    const ptrdiff_t rows = a->m - i, columns = a->n - j, width = vectors * LANES;
    const int partial = rows < height || columns < width;
    const T scale = (T)a->scale, *matrix = a->matrix.data, *row_scale = a->row_scale.data;
    T *const out = (T *)a->out.data + i * a->out.stride + j, *to = out;
    T edges[ROWS * COLUMNS], row_scales[ROWS];
    VECTOR sums[ROWS][VECTORS];
    ptrdiff_t matrix_stride = a->matrix.stride, to_stride = a->out.stride;

    matrix += matrix ? i * matrix_stride + j : 0;
    row_scale += row_scale ? i : 0;
    if (matrix && !partial && depth > SHALLOW) /* it arrives while the sums are made */
        EACH_ROW EACH_VECTOR PREFETCH(matrix + r * matrix_stride + v * LANES);
    EACH_ROW EACH_VECTOR sums[r][v] = (VECTOR){0};
    for (ptrdiff_t p = 0; p < depth; p++, left += WIDTH, right += width) {
        VECTOR row[VECTORS];
        if (height == ROWS)
            PREFETCH((const T *)ahead.data + p * ahead.stride);
        if (VECTOR_BYTES == CACHE_LINE) { /* each load is a line, more than the cache foresees */
            EACH_VECTOR PREFETCH_NEAR((uintptr_t)(right + v * LANES) + AHEAD * width * sizeof(T));
            PREFETCH_NEAR((uintptr_t)left + AHEAD * WIDTH * sizeof(T));
        }
        EACH_VECTOR row[v] = NAME(load)(right + v * LANES);
        EACH_ROW EACH_VECTOR sums[r][v] += left[r] * row[v];
    }
    if (partial) {
        if (matrix)
            matrix = NAME(enlarge)(edges, height, width, matrix, matrix_stride, rows, columns);
        if (row_scale)
            row_scale = NAME(enlarge)(row_scales, 1, height, row_scale, 0, 1, rows);
        to = edges;
        matrix_stride = to_stride = width;
    }
    EACH_ROW EACH_VECTOR sums[r][v] *= scale;
/* Pointers that move, not products of r: compilers would compute all of those beforehand and spill them. */
#define WRITE(kept)                                                                 \
    UNROLL for (int r = 0; r < height; r++, matrix += matrix_stride, to += to_stride) \
        EACH_VECTOR NAME(store)(to + v * LANES, (kept) + sums[r][v])
#define OLD NAME(load)(matrix + v * LANES)
#define COLUMN_SCALE NAME(load)(column_scale + v * LANES)
    if (!matrix)
        EACH_ROW EACH_VECTOR NAME(store)(to + r * to_stride + v * LANES, sums[r][v]);
    else if (row_scale && column_scale)
        WRITE(OLD * row_scale[r] * COLUMN_SCALE);
    else if (row_scale)
        WRITE(OLD * row_scale[r]);
    else if (column_scale)
        WRITE(OLD * COLUMN_SCALE);
    else
        WRITE(OLD);
    if (partial)
        for (ptrdiff_t r = 0; r < height && r < rows; r++)
            memcpy(out + r * a->out.stride, edges + r * width,
                   (size_t)(columns < width ? columns : width) * sizeof(T));
}

/* Functions of their own, not inlined further: the loops around them would take their registers. */
typedef void NAME(tile_function)(const rank_k_arguments *a, ptrdiff_t i, ptrdiff_t j, ptrdiff_t depth, strided ahead,
                                 const T *left, const T *right, const T *column_scale);
#define TILE(name, height, vectors)                                                                              \
    TARGET static void NAME(name)(const rank_k_arguments *a, ptrdiff_t i, ptrdiff_t j, ptrdiff_t depth,           \
                                  strided ahead, const T *left, const T *right, const T *column_scale)            \
    {                                                                                                             \
        NAME(tile)(a, i, j, depth, ahead, left, right, column_scale, height, vectors);                            \
    }
TILE(tile_of_many, ROWS, VECTORS)
TILE(tile_of_few, SHALLOW_ROWS, VECTORS)
TILE(narrow_tile_of_many, ROWS, 1)
TILE(narrow_tile_of_few, SHALLOW_ROWS, 1)

/* Packs the columns from j0 to j1 of so many rows of right, from p on. */
TARGET static void NAME(pack_right)(T *to, const rank_k_arguments *a, const blocking *b, ptrdiff_t p, ptrdiff_t depth,
                                    ptrdiff_t j0, ptrdiff_t j1)
{
    for (ptrdiff_t j = j0; j < j1; j += b->panel, to += b->panel * depth)
        if (b->panel == COLUMNS)
            NAME(pack)(to, COLUMNS, a->right, a->right_transposed, p, j, depth, a->n - j);
        else
            NAME(pack)(to, LANES, a->right, a->right_transposed, p, j, depth, a->n - j);
}

/* Packs the rows of left that belong to the rows of out from i0 to i1. */
TARGET static void NAME(pack_left)(T *to, const rank_k_arguments *a, const blocking *b, ptrdiff_t p, ptrdiff_t depth,
                                   ptrdiff_t i0, ptrdiff_t i1)
{
    for (ptrdiff_t i = i0; i < i1; i += b->tile, to += WIDTH * depth) /* whole widths, the quicker copy */
        NAME(pack)(to, WIDTH, a->left, a->left_transposed, p, i, depth, a->m - i);
}

/* All tiles of out from row i0 to i1 and from column j0 to j1; the panels from column `ahead` on are packed next. */
TARGET static void NAME(tiles)(const rank_k_arguments *a, const blocking *b, ptrdiff_t p, ptrdiff_t depth, ptrdiff_t i0,
                               ptrdiff_t i1, ptrdiff_t j0, ptrdiff_t j1, ptrdiff_t ahead, const T *left, const T *right,
                               const T *scales)
{
    const int narrow = b->panel != COLUMNS;
    NAME(tile_function) *const tile =
        b->tile == ROWS ? (narrow ? NAME(narrow_tile_of_many) : NAME(tile_of_many))
                        : (narrow ? NAME(narrow_tile_of_few) : NAME(tile_of_few));
    for (ptrdiff_t j = j0; j < j1; j += b->panel)
        for (ptrdiff_t i = i0; i < i1; i += b->tile) {
            const ptrdiff_t number = (i - i0) / b->tile, piece = ahead + number % VECTORS * LANES + j - j0;
            const ptrdiff_t stride = a->right_transposed || piece >= a->n ? 0 : a->right.stride;
            const strided next = {(T *)a->right.data + (stride ? p * stride + piece : 0), stride};
            tile(a, i, j, depth, next, left + number * WIDTH * depth, right + (j - j0) * depth,
                 scales ? scales + j - j0 : NULL);
        }
}

/* One part of out, cut from its longer side between tiles. */
TARGET static void NAME(rank_k_part)(int part, int parts, const void *arguments, void *workspace)
{
    rank_k_arguments a = *(const rank_k_arguments *)arguments;
    const blocking b = blocking_of(&a, ROWS, COLUMNS, sizeof(T));
    T *const scales = (T *)ROUND_UP((uintptr_t)workspace + (size_t)part * b.bytes, CACHE_LINE);
    T *const right = scales + b.columns, *const left = right + b.columns * b.depth;
    const int by_rows = a.m >= a.n;
    const ptrdiff_t side = by_rows ? a.m : a.n, tile = by_rows ? b.tile : b.panel, tiles = (side + tile - 1) / tile;
    const ptrdiff_t start = tiles * part / parts * tile, stop = tiles * (part + 1) / parts * tile;
    const ptrdiff_t first_row = by_rows ? start : 0, first_column = by_rows ? 0 : start;

    *(by_rows ? &a.m : &a.n) = stop < side ? stop : side; /* the edges of out are those of the part */
    for (ptrdiff_t p = 0; p < a.k || p == 0; p += b.depth) {
        const ptrdiff_t depth = a.k - p < b.depth ? a.k - p : b.depth;
        for (ptrdiff_t j0 = first_column; j0 < a.n; j0 += b.columns) {
            const ptrdiff_t j1 = a.n - j0 < b.columns ? a.n : j0 + b.columns;
            if (a.column_scale.data)
                NAME(pad)(scales, (const T *)a.column_scale.data + j0, j1 - j0, b.columns);
            NAME(pack_right)(right, &a, &b, p, depth, j0, j1);
            for (ptrdiff_t i0 = first_row; i0 < a.m; i0 += b.rows) {
                const ptrdiff_t i1 = a.m - i0 < b.rows ? a.m : i0 + b.rows;
                if (j0 == first_column || i1 - first_row > b.rows || i1 < a.m) /* else it is still packed */
                    NAME(pack_left)(left, &a, &b, p, depth, i0, i1);
                NAME(tiles)(&a, &b, p, depth, i0, i1, j0, j1, j0 + b.columns, left, right,
                            a.column_scale.data ? scales : NULL);
            }
        }
        /* A deeper product is added piece by piece, to what the first piece has left in out. */
        a.matrix = a.out;
        a.row_scale.data = a.column_scale.data = NULL;
    }
}

TARGET static void NAME(rank_k)(const void *arguments, int parts, void *workspace)
{
    parallel_run(NAME(rank_k_part), parts, arguments, workspace);
}
