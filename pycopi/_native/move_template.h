/* Bounded steps of the rows of a matrix, for one type and one instruction set; included after sweep_template.h. */

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

TARGET static void NAME(move_part)(int part, int parts, const void *arguments, void *workspace)
{
    const move_arguments *a = arguments;
    const ptrdiff_t share = (a->m + parts - 1) / parts, last = (part + 1) * share < a->m ? (part + 1) * share : a->m;
    (void)workspace;
    for (ptrdiff_t i = part * share; i < last; i++) {
        T *const row = (T *)a->matrix.data + i * a->matrix.stride, *const step = (T *)a->step.data + i * a->step.stride;
        double kept = 1;
        if (a->least < INFINITY) {
            const double own = a->times * sqrt(NAME(squares)(row, a->n)), longest = own <= a->least ? a->least : own;
            const double length = sqrt(NAME(squares)(step, a->n));
            kept = length > longest ? longest / length : 1;
        }
        NAME(move_row)(a->n, row, step, (T)a->kept, (T)kept);
    }
}

TARGET static void NAME(move)(const void *arguments, int parts, void *workspace)
{
    parallel_run(NAME(move_part), parts, arguments, workspace);
}
