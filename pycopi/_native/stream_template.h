/* A block of streaming decorrelation for one type and one instruction set; included like rank_k_template.h, and
 * after it.
 *
 * U and V are kept as panels of PANEL columns, (k, PANEL) each and padded with zeros, so that one panel stays in the
 * first-level cache, with sums of its columns in registers. A sample sweeps each of them once: what a panel of U adds
 * to x is all of x there, so its products with that part of x, and its new scale, follow at once; and once a panel
 * of V has given its part of v, it is multiplied with the next sample.
 */

/* sums += the rows of a panel, each times its weight. */
TARGET static inline void NAME(combine)(T *sums, const T *panel, const T *weights, ptrdiff_t rows)
{
    VECTOR total[WIDE];
    EACH_WIDE total[w] = NAME(load)(sums + w * LANES);
    for (ptrdiff_t r = 0; r < rows; r++, panel += PANEL)
        EACH_WIDE total[w] += weights[r] * NAME(load)(panel + w * LANES);
    EACH_WIDE NAME(store)(sums + w * LANES, total[w]);
}

/* Adds the products of the rows of a panel with `factors` to a vector of partial sums for each row; then the rows are
 * multiplied by `kept`, where it is not NULL. */
TARGET static inline void NAME(correlate)(T *partial, T *panel, const T *factors, const T *kept, ptrdiff_t rows)
{
    VECTOR factor[WIDE], keep[WIDE], values[WIDE];
    EACH_WIDE factor[w] = NAME(load)(factors + w * LANES);
    if (kept)
        EACH_WIDE keep[w] = NAME(load)(kept + w * LANES);
    for (ptrdiff_t r = 0; r < rows; r++, partial += LANES, panel += PANEL) {
        VECTOR even = NAME(load)(partial), odd = {0};
        EACH_WIDE values[w] = NAME(load)(panel + w * LANES);
        UNROLL for (int w = 0; w < WIDE; w += 2) {
            even += values[w] * factor[w];
            odd += values[w + 1] * factor[w + 1];
        }
        NAME(store)(partial, even + odd);
        if (kept)
            EACH_WIDE NAME(store)(panel + w * LANES, values[w] * keep[w]);
    }
}

/* weights[r] = the sum of a row's partial sums, which become zero. */
TARGET static void NAME(collect)(T *weights, T *partial, ptrdiff_t rows)
{
    for (ptrdiff_t r = 0; r < rows; r++, partial += LANES) {
        for (ptrdiff_t half = LANES / 2; half; half /= 2)
            for (ptrdiff_t l = 0; l < half; l++)
                partial[l] += partial[l + half];
        weights[r] = partial[0];
        memset(partial, 0, (size_t)LANES * sizeof(T));
    }
}

/* Copies panels back into rows. */
TARGET static void NAME(unpack)(strided to, const T *panels, ptrdiff_t k, ptrdiff_t n)
{
    for (ptrdiff_t r = 0; r < k; r++)
        for (ptrdiff_t j = 0; j < n; j += PANEL)
            memcpy((T *)to.data + r * to.stride + j, panels + j * k + r * PANEL,
                   (size_t)(n - j < PANEL ? n - j : PANEL) * sizeof(T));
}

TARGET static void NAME(stream)(const void *arguments, int parts, void *workspace)
{
    const stream_arguments *a = arguments;
    const ptrdiff_t k = a->k, n = a->n, padded = ROUND_UP(n, PANEL);
    const T base = (T)(1 + a->rate * a->whitening), slope = (T)(a->rate * (1 - 2 * a->whitening));
    const T step = (T)(-a->rate * (1 - a->whitening));
    T *const left = (T *)ROUND_UP((uintptr_t)workspace, CACHE_LINE), *const right = left + k * padded;
    T *const scales = right + k * padded, *const x = scales + padded, *const g = x + padded;
    T *const partial = g + padded, *const weights = partial + k * LANES;
    T kept[PANEL];

    (void)parts; /* samples wait for each other: this is for one thread */
    for (ptrdiff_t j = 0; j < padded; j++)
        scales[j] = 1;
    memset(partial, 0, (size_t)(k * LANES) * sizeof(T));
    NAME(pad)(g, a->projected.data, k ? n : 0, padded);
    for (ptrdiff_t t = 0; t < k; t++) {
        for (ptrdiff_t j = 0; j < padded; j += PANEL) {
            T *const panel = left + j * k, *const own = x + j;
            for (ptrdiff_t c = 0; c < PANEL; c++)
                own[c] = scales[j + c] * g[j + c];
            NAME(combine)(own, panel, weights, t);
            for (ptrdiff_t c = 0; c < PANEL; c++) {
                kept[c] = base + slope * (own[c] * own[c]);
                panel[t * PANEL + c] = step * own[c];
            }
            NAME(correlate)(partial, panel, own, kept, t);
        }
        memcpy((T *)a->decorrelated.data + t * a->decorrelated.stride, x, (size_t)n * sizeof(T));
        NAME(collect)(weights, partial, t);
        if (t + 1 < k)
            NAME(pad)(g, (const T *)a->projected.data + (t + 1) * a->projected.stride, n, padded);
        for (ptrdiff_t j = 0; j < padded; j += PANEL) {
            T *const panel = right + j * k, *const own = panel + t * PANEL;
            for (ptrdiff_t c = 0; c < PANEL; c++) {
                own[c] = scales[j + c] * x[j + c];
                scales[j + c] *= base + slope * (x[j + c] * x[j + c]);
            }
            NAME(combine)(own, panel, weights, t);
            NAME(correlate)(partial, panel, g + j, NULL, t + 1);
        }
        NAME(collect)(weights, partial, t + 1);
    }
    memcpy(a->scales.data, scales, (size_t)n * sizeof(T));
    NAME(unpack)(a->left, left, k, n);
    NAME(unpack)(a->right, right, k, n);
}
