/* One row through a dense layer, and what the layer learns from it, by sweeps; included after sweep_template.h. */

TARGET static double NAME(square)(const T *values, ptrdiff_t n)
{
    double total = 0;
    for (ptrdiff_t j = 0; j < n; j++)
        total += (double)(values[j] * values[j]);
    return total;
}

TARGET static void NAME(row_forward)(const void *arguments, int parts, void *workspace)
{
    const row_arguments *a = arguments;
    const strided x = a->decorrelator.data ? a->decorrelated : a->inputs;
    const T *const bias = a->bias.data;
    T *const preactivations = a->preactivations.data, *const outputs = a->outputs.data;
    const late_update *const w = &a->late_weight, *const r = &a->late_decorrelator;
    const sweep_arguments decorrelate = {
        .m = a->n, .n = a->n, .scale = 1, .matrix = a->decorrelator, .projected = x, .returned = a->returned,
        .left = r->left, .right = r->right, .row_scale = r->scale, .sample = a->inputs};
    const sweep_arguments project = {
        .m = a->m, .n = a->n, .scale = 1, .matrix = a->weight, .projected = a->preactivations,
        .left = w->left, .right = w->right, .column_scale = w->scale, .sample = x};
    if (a->decorrelator.data)
        NAME(sweep)(&decorrelate, parts, workspace);
    NAME(sweep)(&project, parts, workspace);
    for (ptrdiff_t i = 0; i < a->m; i++) {
        const T value = preactivations[i] + (bias ? bias[i] : 0);
        preactivations[i] = value;
        outputs[i] = value > 0 ? value : (T)a->slope * value;
    }
}

/* Makes an update in one sweep, or writes it down. */
TARGET static void NAME(row_change)(const sweep_arguments *change, const late_update *late, int parts, void *workspace)
{
    const T *const left = change->left.data, *const right = change->right.data;
    const T *const kept = change->row_scale.data ? change->row_scale.data : change->column_scale.data;
    if (!late->left.data) {
        NAME(sweep)(change, parts, workspace);
        return;
    }
    for (ptrdiff_t i = 0; i < change->m; i++)
        ((T *)late->left.data)[i] = (T)change->scale * left[i];
    for (ptrdiff_t j = 0; j < change->n; j++)
        ((T *)late->right.data)[j] = right[j];
    for (ptrdiff_t i = 0; kept && i < (change->row_scale.data ? change->m : change->n); i++)
        ((T *)late->scale.data)[i] = kept[i];
}

TARGET static void NAME(row_learn)(const void *arguments, int parts, void *workspace)
{
    const row_arguments *a = arguments;
    const strided x = a->decorrelator.data ? a->decorrelated : a->inputs;
    const T *const row = x.data, *const inputs = a->inputs.data, *const preactivations = a->preactivations.data;
    const T *const delta = a->perturbations.data;
    T *const bias = a->bias.data, *const below = a->below.data;
    T *const kept = (T *)((char *)workspace + sweep_workspace(a->n, parts));
    T *const pulled = kept + a->n, *const targets = pulled + a->n;
    const double power = NAME(square)(row, a->n);
    const double rate = bounded(a->rate, a->bound, power + (bias ? 1 : 0));
    sweep_arguments change = {.m = a->m, .n = a->n, .scale = rate, .matrix = a->weight, .right = x};
    change.left = a->perturbations;
    if (a->infers) {
        for (ptrdiff_t i = 0; i < a->m; i++)
            targets[i] = preactivations[i] + delta[i] - (bias ? bias[i] : 0);
        for (ptrdiff_t j = 0; j < a->n; j++)
            kept[j] = 1 - (T)rate * (row[j] * row[j]);
        change.left.data = targets;
        change.column_scale.data = kept;
    }
    if (below) {
        change.vector = a->perturbations;
        change.pulled.data = a->decorrelator.data ? pulled : below;
    }
    NAME(row_change)(&change, &a->late_weight, parts, workspace);
    for (ptrdiff_t i = 0; bias && i < a->m; i++)
        bias[i] += (T)rate * delta[i];
    if (a->decorrelator.data) {
        const double whitening = a->whitening, step = bounded(a->decorrelation_rate, a->decorrelation_bound, power);
        for (ptrdiff_t j = 0; j < a->n; j++)
            kept[j] = (T)(1 + step * whitening) + (T)(step * (1 - 2 * whitening)) * (row[j] * row[j]);
        change = (sweep_arguments){.m = a->n, .n = a->n, .scale = -step * (1 - whitening), .matrix = a->decorrelator,
                                   .left = x, .right = a->returned, .row_scale = {kept, 0}};
        if (below) {
            change.vector.data = pulled;
            change.pulled = a->below;
        }
        NAME(row_change)(&change, &a->late_decorrelator, parts, workspace);
    }
    for (ptrdiff_t j = 0; below && j < a->n; j++)
        below[j] *= inputs[j] > 0 ? 1 : (T)a->slope;
}
