/* One sweep of a matrix for one type and one instruction set; included like rank_k_template.h, and after it.
 *
 * WIDE rows at a time are read, changed and written from left to right, so that the matrix streams through once; half
 * as many, where the matrix is small and changed. The products with `sample` are complete at their right end, and the
 * rows, still in the cache, are read again for `returned`. Each part of the rows gathers its own sum over rows; these
 * are added in the order of the parts.
 */

/* The sum of a register's lanes: of its parts of two to four lanes first. */
TARGET ALWAYS_INLINE T NAME(total)(VECTOR sums)
{
    enum { PART = LANES < 4 ? LANES : sizeof(T) == 4 ? 4 : 2 };
    T lanes[LANES], total[PART];
    NAME(store)(lanes, sums);
    memcpy(total, lanes, sizeof total);
    for (ptrdiff_t l = PART; l < LANES; l += PART)
        for (ptrdiff_t p = 0; p < PART; p++)
            total[p] += lanes[l + p];
    for (ptrdiff_t p = 1; p < PART; p++)
        total[0] += total[p];
    return total[0];
}

/* What of `height` rows from row i on does not fill a register, from column j on; adds to their products with `sample`.
 * A function of its own, which knows that what it writes is apart: else compilers ask at run time, and round otherwise
 * where arrays are near. */
TARGET static void NAME(rest)(const sweep_arguments *a, ptrdiff_t i, int height, T *restrict matrix, T *restrict pulled,
                              ptrdiff_t j, T *restrict projected)
{
    const T *right = a->right.data, *column_scale = a->column_scale.data, *sample = a->sample.data;
    const T *const vector = a->vector.data, *const left = a->left.data, *const row_scale = a->row_scale.data;
    const T scale = (T)a->scale;
    for (; j < a->n; j++)
        for (int r = 0; r < height; r++) {
            T *const value = matrix + r * a->matrix.stride + j;
            if (pulled)
                pulled[j] += vector[i + r] * *value;
            if (right)
                *value = *value * (column_scale ? column_scale[j] : 1) * (row_scale ? row_scale[i + r] : 1)
                         + scale * left[i + r] * right[j];
            if (sample)
                projected[r] += *value * sample[j];
        }
}

/* `height` rows from row i on, at most WIDE, over their full length: what the arguments ask for, then their part of
 * `returned`. Where rows are `far`, the next ones are fetched meanwhile. */
TARGET ALWAYS_INLINE void NAME(sweep_rows)(const sweep_arguments *a, T *gathered, ptrdiff_t i, const int height, int far,
                                           const int pulls, const int changes, const int projects)
{
    const ptrdiff_t n = a->n, stride = a->matrix.stride;
    const T *right = changes ? a->right.data : NULL, *sample = projects ? a->sample.data : NULL;
    const T *column_scale = changes ? a->column_scale.data : NULL;
    T *const matrix = (T *)a->matrix.data + i * stride, *const pulled = pulls ? gathered : NULL;
    VECTOR sums[WIDE], values[WIDE], weights[WIDE], left[WIDE], kept[WIDE];
    T projected[WIDE] = {0};
    ptrdiff_t j = 0;

    EACH_ROW sums[r] = (VECTOR){0};
    EACH_ROW weights[r] = sums[r] + (pulled ? ((const T *)a->vector.data)[i + r] : 0);
    EACH_ROW left[r] = sums[r] + (right ? (T)a->scale * ((const T *)a->left.data)[i + r] : 0);
    EACH_ROW kept[r] = sums[r] + (a->row_scale.data ? ((const T *)a->row_scale.data)[i + r] : 1);
#define FETCH_AHEAD \
    if (far) EACH_ROW PREFETCH((uintptr_t)matrix + (uintptr_t)((height + r) * stride + j) * sizeof(T))
    for (; j + LANES <= n; j += LANES) {
        FETCH_AHEAD;
        EACH_ROW values[r] = NAME(load)(matrix + r * stride + j);
        if (pulled) {
            VECTOR total = NAME(load)(pulled + j);
            EACH_ROW total += weights[r] * values[r];
            NAME(store)(pulled + j, total);
        }
        if (right) {
            const VECTOR row = NAME(load)(right + j);
            if (column_scale)
                EACH_ROW values[r] *= NAME(load)(column_scale + j);
            EACH_ROW values[r] = values[r] * kept[r] + left[r] * row;
            EACH_ROW NAME(store)(matrix + r * stride + j, values[r]);
        }
        if (sample)
            EACH_ROW sums[r] += values[r] * NAME(load)(sample + j);
    }
    for (int r = 0; r < height && sample; r++)
        projected[r] = NAME(total)(sums[r]);
    if (j < n)
        NAME(rest)(a, i, height, matrix, pulled, j, projected);
    if (sample)
        memcpy((T *)a->projected.data + i, projected, (size_t)height * sizeof(T));
    for (j = a->returned.data ? 0 : n; j + LANES <= n; j += LANES) {
        FETCH_AHEAD;
        VECTOR total = NAME(load)(gathered + j);
        EACH_ROW total += projected[r] * NAME(load)(matrix + r * stride + j);
        NAME(store)(gathered + j, total);
    }
    for (; j < n; j++) /* one product for each sum, which rounds in one way only */
        EACH_ROW gathered[j] += projected[r] * matrix[r * stride + j];
}

/* The rows from i on, up to `last`. */
TARGET ALWAYS_INLINE void NAME(sweep_many)(const sweep_arguments *a, T *gathered, ptrdiff_t i, ptrdiff_t last, int far,
                                           const int pulls, const int changes, const int projects)
{
    for (; changes && !far && i + WIDE / 2 <= last; i += WIDE / 2)
        NAME(sweep_rows)(a, gathered, i, WIDE / 2, far, pulls, changes, projects);
    for (; i + WIDE <= last; i += WIDE)
        NAME(sweep_rows)(a, gathered, i, WIDE, far, pulls, changes, projects);
    for (; i < last; i++)
        NAME(sweep_rows)(a, gathered, i, 1, far, pulls, changes, projects);
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
    const int far = (size_t)(a->m * a->n) * sizeof(T) >= CACHED;
    ptrdiff_t i = part * share;
    T *const gathered = NAME(gathered)(a, part, workspace);

    if (gathered)
        memset(gathered, 0, (size_t)a->n * sizeof(T));
    switch (4 * (a->pulled.data != NULL) + 2 * (a->right.data != NULL) + (a->sample.data != NULL)) {
#define LOOP(pulls, changes, projects) /* each knows what it has to do */                  \
    case 4 * pulls + 2 * changes + projects:                                               \
        NAME(sweep_many)(a, gathered, i, last, far, pulls, changes, projects);             \
        break;
        LOOP(0, 0, 1)
        LOOP(0, 1, 0)
        LOOP(0, 1, 1)
        LOOP(1, 0, 0)
        LOOP(1, 0, 1)
        LOOP(1, 1, 0)
        LOOP(1, 1, 1)
#undef LOOP
    }
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
