/* One sweep of a matrix for one type and one instruction set; included like rank_k_template.h, and after it.
 *
 * WIDE rows at a time are read, changed and written from left to right, so that the matrix streams through once; half
 * as many, where the matrix is small and changed. The products with `sample` are complete at their right end, and the
 * rows, still in the cache, are read again for `returned`. Each part of the rows gathers its own sum over rows; these
 * are added in the order of the parts.
 */
typedef struct {
    T *matrix, *gathered;
    const T *right, *column_scale, *sample;
    T weights[WIDE], left[WIDE], row_scale[WIDE], projected[WIDE];
} NAME(strip);

/* What of one row does not fill a register; returns its part of the product with `sample`. A function of its own, which
 * knows that what it writes is apart: else compilers ask at run time, and round otherwise where arrays are near. */
TARGET static T NAME(rest)(const NAME(strip) *s, int r, T *restrict row, T *restrict gathered, ptrdiff_t j, ptrdiff_t n)
{
    T total = 0;
    for (; j < n; j++) {
        if (gathered)
            gathered[j] += s->weights[r] * row[j];
        if (s->right)
            row[j] = row[j] * (s->column_scale ? s->column_scale[j] : 1) * s->row_scale[r] + s->left[r] * s->right[j];
        if (s->sample)
            total += row[j] * s->sample[j];
    }
    return total;
}

/* `height` rows, at most WIDE, over their full length; where rows are `far`, the next ones are fetched meanwhile. */
TARGET ALWAYS_INLINE void NAME(pass)(NAME(strip) *strip, ptrdiff_t n, ptrdiff_t stride, const int height, int far)
{
    const NAME(strip) s = *strip;
    VECTOR sums[WIDE], values[WIDE];
    ptrdiff_t j = 0;
    EACH_ROW sums[r] = (VECTOR){0};
    for (; j + LANES <= n; j += LANES) {
        if (far)
            EACH_ROW PREFETCH((uintptr_t)s.matrix + (uintptr_t)((height + r) * stride + j) * sizeof(T));
        EACH_ROW values[r] = NAME(load)(s.matrix + r * stride + j);
        if (s.gathered) {
            VECTOR total = NAME(load)(s.gathered + j);
            EACH_ROW total += s.weights[r] * values[r];
            NAME(store)(s.gathered + j, total);
        }
        if (s.right) {
            const VECTOR row = NAME(load)(s.right + j);
            if (s.column_scale)
                EACH_ROW values[r] *= NAME(load)(s.column_scale + j);
            EACH_ROW values[r] = values[r] * s.row_scale[r] + s.left[r] * row;
            EACH_ROW NAME(store)(s.matrix + r * stride + j, values[r]);
        }
        if (s.sample)
            EACH_ROW sums[r] += values[r] * NAME(load)(s.sample + j);
    }
    for (int r = 0; r < height && (s.sample || j < n); r++) {
        T lanes[LANES], total = 0;
        NAME(store)(lanes, sums[r]);
        for (ptrdiff_t l = 0; l < LANES; l++)
            total += lanes[l];
        strip->projected[r] = total + (j < n ? NAME(rest)(&s, r, s.matrix + r * stride, s.gathered, j, n) : 0);
    }
}

/* `height` rows from row i on: what the arguments ask for, then their part of `returned`. */
TARGET ALWAYS_INLINE void NAME(sweep_rows)(const sweep_arguments *a, T *gathered, ptrdiff_t i, int height, int far)
{
    NAME(strip) s = {(T *)a->matrix.data + i * a->matrix.stride, a->pulled.data ? gathered : NULL, a->right.data,
                     a->column_scale.data, a->sample.data, {0}, {0}, {0}, {0}};
    for (int r = 0; r < height; r++) {
        s.weights[r] = a->pulled.data ? ((const T *)a->vector.data)[i + r] : 0;
        s.left[r] = a->right.data ? (T)a->scale * ((const T *)a->left.data)[i + r] : 0;
        s.row_scale[r] = a->row_scale.data ? ((const T *)a->row_scale.data)[i + r] : 1;
    }
    NAME(pass)(&s, a->n, a->matrix.stride, height, far);
    if (a->projected.data)
        memcpy((T *)a->projected.data + i, s.projected, (size_t)height * sizeof(T));
    if (a->returned.data) {
        NAME(strip) again = {s.matrix, gathered, NULL, NULL, NULL, {0}, {0}, {0}, {0}};
        memcpy(again.weights, s.projected, sizeof again.weights);
        NAME(pass)(&again, a->n, a->matrix.stride, height, far);
    }
}

/* Where a part gathers its sums over rows: the first in the result itself. */
TARGET static T *NAME(gathered)(const sweep_arguments *a, int part, void *workspace)
{
    T *const result = a->pulled.data ? a->pulled.data : a->returned.data;
    return part && result ? (T *)((char *)workspace + sweep_workspace(a->n, part - 1)) : result;
}

TARGET static void NAME(sweep_part)(int part, int parts, const void *arguments, void *workspace)
{
    const sweep_arguments *a = arguments;
    const ptrdiff_t share = ROUND_UP((a->m + parts - 1) / parts, WIDE);
    const ptrdiff_t last = (part + 1) * share < a->m ? (part + 1) * share : a->m;
    const int far = (size_t)(a->m * a->n) * sizeof(T) >= CACHED, narrow = a->right.data && !far;
    ptrdiff_t i = part * share;
    T *const gathered = NAME(gathered)(a, part, workspace);

    if (gathered)
        memset(gathered, 0, (size_t)a->n * sizeof(T));
    for (; narrow && i + WIDE / 2 <= last; i += WIDE / 2)
        NAME(sweep_rows)(a, gathered, i, WIDE / 2, far);
    for (; i + WIDE <= last; i += WIDE)
        NAME(sweep_rows)(a, gathered, i, WIDE, far);
    for (; i < last; i++)
        NAME(sweep_rows)(a, gathered, i, 1, far);
}

TARGET static void NAME(sweep)(const void *arguments, int parts, void *workspace)
{
    const sweep_arguments *a = arguments;
    T *const total = NAME(gathered)(a, 0, workspace);
    parallel_run(NAME(sweep_part), parts, a, workspace);
    for (int part = 1; total && part < parts; part++)
        for (ptrdiff_t j = 0; j < a->n; j++)
            total[j] += NAME(gathered)(a, part, workspace)[j];
}
