/* One sweep of a matrix for one type and one instruction set; included like rank_k_template.h, and after it.
 *
 * WIDE rows at a time are read, changed and written from left to right, so that the matrix streams through once; the
 * products with `sample` are complete at their right end, and the rows, still in the cache, are read again for
 * `returned`. Each part of the rows gathers its own sum over rows; these are added in the order of the parts.
 */
#define EACH UNROLL for (int r = 0; r < rows; r++)

typedef struct {
    T *matrix, *gathered;
    const T *right, *column_scale, *sample;
    T weights[WIDE], left[WIDE], row_scale[WIDE], projected[WIDE];
} NAME(strip);

/* `rows` rows, WIDE or 1, over their full length. */
TARGET ALWAYS_INLINE void NAME(pass)(NAME(strip) *strip, ptrdiff_t n, ptrdiff_t stride, const int rows)
{
    const NAME(strip) s = *strip;
    VECTOR sums[WIDE], values[WIDE];
    ptrdiff_t j = 0;
    EACH
        sums[r] = (VECTOR){0};
    for (; j + LANES <= n; j += LANES) {
        EACH
            values[r] = NAME(load)(s.matrix + r * stride + j);
        if (s.gathered) {
            VECTOR total = NAME(load)(s.gathered + j);
            EACH
                total += s.weights[r] * values[r];
            NAME(store)(s.gathered + j, total);
        }
        if (s.right) {
            const VECTOR row = NAME(load)(s.right + j);
            if (s.column_scale)
                EACH
                    values[r] *= NAME(load)(s.column_scale + j);
            EACH {
                values[r] = values[r] * s.row_scale[r] + s.left[r] * row;
                NAME(store)(s.matrix + r * stride + j, values[r]);
            }
        }
        if (s.sample)
            EACH
                sums[r] += values[r] * NAME(load)(s.sample + j);
    }
    EACH {
        T lanes[LANES], total = 0;
        NAME(store)(lanes, sums[r]);
        for (ptrdiff_t l = 0; l < LANES; l++)
            total += lanes[l];
        for (ptrdiff_t c = j; c < n; c++) { /* what does not fill a register */
            T *const value = s.matrix + r * stride + c;
            if (s.gathered)
                s.gathered[c] += s.weights[r] * *value;
            if (s.right)
                *value = *value * (s.column_scale ? s.column_scale[c] : 1) * s.row_scale[r] + s.left[r] * s.right[c];
            if (s.sample)
                total += *value * s.sample[c];
        }
        strip->projected[r] = total;
    }
}

/* `rows` rows from row i on: what the arguments ask for, then their part of `returned`. */
TARGET ALWAYS_INLINE void NAME(sweep_rows)(const sweep_arguments *a, T *gathered, ptrdiff_t i, const int rows)
{
    NAME(strip) s = {(T *)a->matrix + i * a->stride, a->pulled ? gathered : NULL, a->right, a->column_scale, a->sample,
                     {0}, {0}, {0}, {0}};
    for (int r = 0; r < rows; r++) {
        s.weights[r] = a->pulled ? ((const T *)a->vector)[i + r] : 0;
        s.left[r] = a->right ? (T)a->scale * ((const T *)a->left)[i + r] : 0;
        s.row_scale[r] = a->row_scale ? ((const T *)a->row_scale)[i + r] : 1;
    }
    NAME(pass)(&s, a->n, a->stride, rows);
    if (a->projected)
        memcpy((T *)a->projected + i, s.projected, (size_t)rows * sizeof(T));
    if (a->returned) {
        NAME(strip) again = {s.matrix, gathered, NULL, NULL, NULL, {0}, {0}, {0}, {0}};
        memcpy(again.weights, s.projected, sizeof again.weights);
        NAME(pass)(&again, a->n, a->stride, rows);
    }
}

TARGET static T *NAME(gathered)(const sweep_arguments *a, int part)
{
    T *const result = a->pulled ? a->pulled : a->returned;
    return part && result ? (T *)((char *)a->workspace + (size_t)(part - 1) * sweep_workspace(a->n, 2)) : result;
}

TARGET static void NAME(sweep_part)(int part, int parts, void *argument)
{
    const sweep_arguments *a = argument;
    const ptrdiff_t share = (a->m + parts * WIDE - 1) / (parts * WIDE) * WIDE;
    const ptrdiff_t last = (part + 1) * share < a->m ? (part + 1) * share : a->m;
    ptrdiff_t i = part * share;
    T *const gathered = NAME(gathered)(a, part);

    if (gathered)
        memset(gathered, 0, (size_t)a->n * sizeof(T));
    for (; i + WIDE <= last; i += WIDE)
        NAME(sweep_rows)(a, gathered, i, WIDE);
    for (; i < last; i++)
        NAME(sweep_rows)(a, gathered, i, 1);
}

TARGET static void NAME(sweep)(const sweep_arguments *a)
{
    T *const total = NAME(gathered)(a, 0);
    parallel_run(a->parts, NAME(sweep_part), (void *)a);
    for (int part = 1; total && part < a->parts; part++) {
        const T *const other = NAME(gathered)(a, part);
        for (ptrdiff_t j = 0; j < a->n; j++)
            total[j] += other[j];
    }
}

#undef EACH
