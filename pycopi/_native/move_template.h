/* Bounded steps of the rows of a matrix, for one type and one instruction set; included after sweep_template.h. Some
 * rows at a time: their step is made, by the tiles of a rank-k update, and while it is in the cache they are moved. */

TARGET static T NAME(squares)(const T *values, ptrdiff_t n)
{
    VECTOR sums[WIDE];
    T rest = 0;
    ptrdiff_t j = 0;
    EACH_WIDE sums[w] = (VECTOR){0};
    for (; j + PANEL <= n; j += PANEL)
        EACH_WIDE {
            const VECTOR value = NAME(load)(values + j + w * LANES);
            sums[w] += value * value;
        }
    for (; j < n; j++)
        rest += values[j] * values[j];
    for (int w = 1; w < WIDE; w++)
        sums[0] += sums[w];
    return rest + NAME(total)(sums[0]);
}

TARGET static void NAME(move_row)(ptrdiff_t n, T *restrict row, T *restrict step, T kept, T share)
{
    for (ptrdiff_t j = 0; j < n && share < 1; j++)
        step[j] *= share;
    for (ptrdiff_t j = 0; j < n; j++)
        row[j] = kept * row[j] + step[j];
}

/* Makes the steps of the rows from i0 to i1 of a matrix, and moves them; all of right is packed. */
TARGET static void NAME(move_rows)(const move_arguments *a, const blocking *b, ptrdiff_t i0, ptrdiff_t i1, T *steps,
                                   T *left, const T *right)
{
    rank_k_arguments product = a->step;
    product.m = i1 - i0;
    product.left.data = (T *)product.left.data + i0;
    if (product.row_scale.data)
        product.row_scale.data = (T *)product.row_scale.data + i0;
    if (product.out.data)
        product.out.data = product.matrix.data = (T *)product.out.data + i0 * product.out.stride;
    else
        product.out = (strided){steps, b->columns};
    for (ptrdiff_t p = 0; p < product.k || p == 0; p += b->depth) {
        const ptrdiff_t depth = product.k - p < b->depth ? product.k - p : b->depth;
        NAME(pack_left)(left, &product, b, p, depth, 0, product.m);
        NAME(tiles)(&product, b, p, depth, 0, product.m, 0, product.n, product.n, left, right + p * b->columns, NULL);
        product.matrix = product.out;
        product.row_scale.data = NULL;
    }
    for (ptrdiff_t i = 0; i < product.m; i++) {
        T *const row = (T *)a->matrix.data + (i0 + i) * a->matrix.stride;
        T *const step = (T *)product.out.data + i * product.out.stride;
        double share = 1;
        if (a->least < INFINITY) {
            const double own = a->times * sqrt(NAME(squares)(row, product.n));
            const double longest = own <= a->least ? a->least : own, length = sqrt(NAME(squares)(step, product.n));
            share = length > longest ? longest / length : 1;
        }
        NAME(move_row)(product.n, row, step, (T)a->kept, (T)share);
    }
}

TARGET static void NAME(move_part)(int part, int parts, const void *arguments, void *workspace)
{
    const move_arguments *a = arguments;
    const blocking b = moving_of(&a->step, ROWS, COLUMNS, sizeof(T));
    T *const right = (T *)ROUND_UP((uintptr_t)workspace + (size_t)part * b.bytes, CACHE_LINE);
    T *const steps = right + b.columns * a->step.k, *const left = steps + b.columns * b.rows;
    const ptrdiff_t tiles = (a->step.m + b.tile - 1) / b.tile, end = tiles * (part + 1) / parts * b.tile;
    const ptrdiff_t last = end < a->step.m ? end : a->step.m;

    for (ptrdiff_t p = 0; p < a->step.k; p += b.depth)
        NAME(pack_right)(right + p * b.columns, &a->step, &b, p, a->step.k - p < b.depth ? a->step.k - p : b.depth, 0,
                         a->step.n);
    for (ptrdiff_t i = tiles * part / parts * b.tile; i < last; i += b.rows)
        NAME(move_rows)(a, &b, i, last - i < b.rows ? last : i + b.rows, steps, left, right);
}

TARGET static void NAME(move)(const void *arguments, int parts, void *workspace)
{
    parallel_run(NAME(move_part), parts, arguments, workspace);
}
