/* Rows of a batch and the directions that follow them, for one type and one instruction set; included after
 * move_template.h. */

/* The gain of each direction, from the mean square of its part of the rows; returns the unit. */
TARGET static double NAME(gains_of)(const subspace_arguments *a, double power, const T *projected, double *gains)
{
    const double tiny = sizeof(T) == sizeof(float) ? (double)FLT_MIN / FLT_EPSILON : DBL_MIN / DBL_EPSILON;
    const double own = larger(a->power, power), least = a->least > 0 ? larger(own, a->least) : own;
    const double damping = a->damping * (least > tiny || least != least ? least : 1);
    double left = (double)a->n * own;

    for (ptrdiff_t j = 0; j < a->k; j++)
        gains[j] = 0;
    for (ptrdiff_t i = 0; i < a->m; i++)
        for (ptrdiff_t j = 0; j < a->k; j++)
            gains[j] += (double)projected[i * a->k + j] * (double)projected[i * a->k + j];
    for (ptrdiff_t j = 0; j < a->k; j++) {
        gains[j] = larger((double)((const T *)a->values.data)[j], gains[j] / (double)a->m);
        left -= gains[j];
    }
    const double rest = (a->k < a->n && left > 0 ? left / (double)(a->n - a->k) : 0) + damping;
    for (ptrdiff_t j = 0; j < a->k; j++)
        gains[j] = rest / (gains[j] + damping) - 1;
    return 1 / rest;
}

TARGET static void NAME(subspace)(const void *arguments, int parts, void *workspace)
{
    const subspace_arguments *a = arguments;
    const ptrdiff_t m = a->m, n = a->n, k = a->k;
    const strided none = {NULL, 0};
    double *const gains = (double *)ROUND_UP((uintptr_t)workspace, CACHE_LINE);
    T *const projected = (T *)(gains + k), *const found = a->found.data;
    void *const rest = projected + m * k;
    const rank_k_arguments project = {m, k, n, 1, 1, 1, {projected, k}, none, a->rows, a->vectors, none, none};
    const rank_k_arguments follow = {k, n, a->counted, 0, 0, 1, a->moments, a->moments, {projected, k}, a->rows,
                                     none, none};
    const rank_k_arguments amplify = {m, n, k, 1, 0, 1, a->out, a->rows, {projected, k}, a->vectors, none, none};
    double counted = 0, squares = 0;

    parallel_run(NAME(rank_k_part), parts, &project, rest);
    parallel_run(NAME(rank_k_part), parts, &follow, rest);
    for (ptrdiff_t i = 0; i < m; i++) {
        squares += (double)NAME(squares)((const T *)a->rows.data + i * a->rows.stride, n);
        if (i + 1 == a->counted)
            counted = squares;
    }
    found[0] = (T)(squares / ((double)m * (double)n));
    found[1] = (T)NAME(gains_of)(a, (double)found[0], projected, gains);
    ((T *)a->sums.data)[0] += (T)(counted / (double)n);
    ((T *)a->sums.data)[1] += (T)a->counted;
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < k; j++)
            projected[i * k + j] *= (T)gains[j];
    parallel_run(NAME(rank_k_part), parts, &amplify, rest);
}
