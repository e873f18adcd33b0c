/* A block of streaming decorrelation for one type and one instruction set; included like rank_k_template.h, and
 * after it.
 *
 * U and V are kept as panels of PANEL columns, (k, PANEL) each and padded with zeros, so that one panel stays in the
 * first-level cache, with sums of its columns in registers. A sample sweeps each of them once: what a panel of U adds
 * to x is all of x there, so its products with that part of x follow at once; and once a panel of V has given its part
 * of v, it is multiplied with the next sample. How far a sample goes depends on |x|^2, and so on all panels: U gets its
 * new scale and its new row in the sweep of the next sample.
 */

/* Multiplies the rows of a panel by `kept`, where it is not NULL; then sums += the rows, each times its weight. */
TARGET static inline void NAME(combine)(T *sums, T *panel, const T *weights, const T *kept, ptrdiff_t rows)
{
    VECTOR total[WIDE], keep[WIDE], values[WIDE];
    EACH_WIDE total[w] = NAME(load)(sums + w * LANES);
    if (kept)
        EACH_WIDE keep[w] = NAME(load)(kept + w * LANES);
    for (ptrdiff_t r = 0; r < rows; r++, panel += PANEL) {
        EACH_WIDE values[w] = NAME(load)(panel + w * LANES);
        if (kept)
            EACH_WIDE NAME(store)(panel + w * LANES, values[w] *= keep[w]);
        EACH_WIDE total[w] += weights[r] * values[w];
    }
    EACH_WIDE NAME(store)(sums + w * LANES, total[w]);
}

/* Adds the products of the rows of a panel with `factors` to a vector of partial sums for each row. */
TARGET static inline void NAME(correlate)(T *partial, const T *panel, const T *factors, ptrdiff_t rows)
{
    VECTOR factor[WIDE];
    EACH_WIDE factor[w] = NAME(load)(factors + w * LANES);
    for (ptrdiff_t r = 0; r < rows; r++, partial += LANES, panel += PANEL) {
        VECTOR even = NAME(load)(partial), odd = {0};
        UNROLL for (int w = 0; w < WIDE; w += 2) {
            even += NAME(load)(panel + w * LANES) * factor[w];
            odd += NAME(load)(panel + (w + 1) * LANES) * factor[w + 1];
        }
        NAME(store)(partial, even + odd);
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

/* What sample t, of which `own` is x, has left to do for a panel of U: its row, and the scale of those before it. Then
 * `own` is x of the next sample: `scaled` and the rows, each times its weight. */
TARGET static inline void NAME(settle)(T *own, T *panel, const T *weights, const T *scaled, sample_step step, ptrdiff_t t)
{
    const T base = (T)step.base, slope = (T)step.slope, factor = (T)step.step;
    T kept[PANEL], *const row = panel + t * PANEL;
    for (ptrdiff_t c = 0; c < PANEL; c++) {
        kept[c] = base + slope * (own[c] * own[c]);
        row[c] = factor * own[c];
        own[c] = scaled[c] + weights[t] * row[c];
    }
    NAME(combine)(own, panel, weights, kept, t);
}

TARGET static void NAME(stream)(const void *arguments, int parts, void *workspace)
{
    const stream_arguments *a = arguments;
    const ptrdiff_t k = a->k, n = a->n, padded = ROUND_UP(n, PANEL);
    T *const left = (T *)ROUND_UP((uintptr_t)workspace, CACHE_LINE), *const right = left + k * padded;
    T *const scales = right + k * padded, *const x = scales + padded, *const g = x + padded;
    T *const partial = g + padded, *const weights = partial + k * LANES;
    sample_step step = {1, 0, 0};

    (void)parts; /* samples wait for each other: this is for one thread */
    for (ptrdiff_t j = 0; j < padded; j++)
        scales[j] = 1;
    memset(partial, 0, (size_t)(k * LANES) * sizeof(T));
    NAME(pad)(g, a->projected.data, k ? n : 0, padded);
    for (ptrdiff_t t = 0; t < k; t++) {
        for (ptrdiff_t j = 0; j < padded; j += PANEL) {
            T *const panel = left + j * k, *const own = x + j;
            T scaled[PANEL];
            for (ptrdiff_t c = 0; c < PANEL; c++)
                scaled[c] = scales[j + c] * g[j + c];
            if (t)
                NAME(settle)(own, panel, weights, scaled, step, t - 1);
            else
                memcpy(own, scaled, sizeof scaled);
            NAME(correlate)(partial, panel, own, t);
            NAME(correlate)(partial + t * LANES, own, own, 1);
        }
        memcpy((T *)a->decorrelated.data + t * a->decorrelated.stride, x, (size_t)n * sizeof(T));
        NAME(collect)(weights, partial, t + 1);
        ((T *)a->powers.data)[t] = weights[t];
        step = step_of(a, weights[t]);
        if (t + 1 < k)
            NAME(pad)(g, (const T *)a->projected.data + (t + 1) * a->projected.stride, n, padded);
        const T base = (T)step.base, slope = (T)step.slope;
        for (ptrdiff_t j = 0; j < padded; j += PANEL) {
            T *const panel = right + j * k, *const own = panel + t * PANEL;
            for (ptrdiff_t c = 0; c < PANEL; c++) {
                own[c] = scales[j + c] * x[j + c];
                scales[j + c] *= base + slope * (x[j + c] * x[j + c]);
            }
            NAME(combine)(own, panel, weights, NULL, t);
            NAME(correlate)(partial, panel, g + j, t + 1);
        }
        NAME(collect)(weights, partial, t + 1);
    }
    for (ptrdiff_t j = 0; k && j < padded; j += PANEL)
        NAME(settle)(x + j, left + j * k, weights, scales + j, step, k - 1);
    memcpy(a->scales.data, scales, (size_t)n * sizeof(T));
    NAME(unpack)(a->left, left, k, n);
    NAME(unpack)(a->right, right, k, n);
}
