/* Runs the kernels for single samples, blocks of them, steps and directions, without Python, on random shapes, strides
 * and numbers of threads, and compares with sums in double. Every array ends where its allocation ends, so that a
 * sanitizer sees an access beyond. Exits with 1 at the first difference. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#define MOST 300
#define GAP 0.123

static uint64_t state = 20231;

static ptrdiff_t below(uint64_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (ptrdiff_t)((state >> 33) % limit);
}

/* rows x columns values in [-1, 1], with gaps between rows. */
typedef struct {
    ptrdiff_t rows, columns, stride;
    size_t itemsize, bytes;
    char *base;
} array;

static double get(const array *a, ptrdiff_t i, ptrdiff_t j)
{
    const char *at = a->base + a->bytes - (size_t)((a->rows - i) * a->stride - j) * a->itemsize;
    float f;
    double d;
    memcpy(&f, at, sizeof f);
    if (a->itemsize == sizeof f)
        return f;
    memcpy(&d, at, sizeof d);
    return d;
}

static void set(array *a, ptrdiff_t i, ptrdiff_t j, double value)
{
    char *at = a->base + a->bytes - (size_t)((a->rows - i) * a->stride - j) * a->itemsize;
    const float f = (float)value;
    memcpy(at, a->itemsize == sizeof f ? (const void *)&f : &value, a->itemsize);
}

static array make(ptrdiff_t rows, ptrdiff_t columns, size_t itemsize)
{
    array a = {rows, columns, columns + below(2) * below(9), itemsize, 0, NULL};
    a.bytes = (size_t)(below(16) + rows * a.stride) * itemsize;
    a.base = malloc(a.bytes + !a.bytes);
    if (!a.base)
        exit(2);
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < a.stride; j++)
            set(&a, i, j, j < columns ? (double)below(1 << 20) / (1 << 19) - 1 : GAP);
    return a;
}

static strided view(const array *a)
{
    return (strided){a->base + a->bytes - (size_t)(a->rows * a->stride) * a->itemsize, a->stride};
}

/* Whether the values are these, and the gaps as they were. */
static int equal(const array *a, const double *expected, double tolerance)
{
    for (ptrdiff_t i = 0; i < a->rows; i++)
        for (ptrdiff_t j = 0; j < a->stride; j++) {
            const double wanted = j < a->columns ? expected[i * a->columns + j] : GAP;
            const double epsilon = a->itemsize == sizeof(float) ? FLT_EPSILON : DBL_EPSILON;
            if (!(fabs(get(a, i, j) - wanted) <= tolerance * epsilon * (fabs(wanted) + 1)))
                return 0;
        }
    return 1;
}

static double expected[6][MOST * MOST];

static int check_sweep(const instruction_set *which, size_t itemsize)
{
    const ptrdiff_t m = below(40), n = below(below(2) ? 20 : 150);
    const int updates = (int)below(4) > 0, pulls = (int)below(2), projects = (int)below(4) > 0, parts = 1 + (int)below(3);
    const int returns = projects && !pulls && below(4), scales = updates ? (int)below(4) : 0;
    array matrix = make(m, n, itemsize), vector = make(1, m, itemsize), left = make(1, m, itemsize);
    array right = make(1, n, itemsize), rows = make(1, m, itemsize), columns = make(1, n, itemsize);
    array sample = make(1, n, itemsize), sums = make(1, n, itemsize), projected = make(1, m, itemsize);
    double *const after = expected[0], *const p = expected[1], *const x = expected[2], *const v = expected[3];

    memset(expected, 0, sizeof expected);
    for (ptrdiff_t i = 0; i < m; i++) {
        for (ptrdiff_t j = 0; j < n; j++) {
            const double old = get(&matrix, i, j);
            after[i * n + j] = updates ? old * (scales & 1 ? get(&rows, 0, i) : 1) * (scales & 2 ? get(&columns, 0, j) : 1) +
                                             0.75 * get(&left, 0, i) * get(&right, 0, j) : old;
            p[j] += get(&vector, 0, i) * old;
            x[i] += after[i * n + j] * get(&sample, 0, j);
        }
        for (ptrdiff_t j = 0; j < n; j++)
            v[j] += x[i] * after[i * n + j];
    }
    const size_t bytes = sweep_workspace(n, parts);
    void *const workspace = malloc(bytes + !bytes);
    const strided none = {NULL, 0};
    const sweep_arguments a = {
        m, n, 0.75, view(&matrix), pulls ? view(&sums) : none, projects ? view(&projected) : none,
        returns ? view(&sums) : none, pulls ? view(&vector) : none, updates ? view(&left) : none,
        updates ? view(&right) : none, scales & 1 ? view(&rows) : none, scales & 2 ? view(&columns) : none,
        projects ? view(&sample) : none};
    for (int claim = 0; claim < 2; claim++) /* as in fuzz.c */
        threads_claim(1e9, 1);
    which->kernels[SWEEP][itemsize == sizeof(double)](&a, parts, workspace);
    threads_release();
    threads_release();
    const double tolerance = 8.0 * (double)(m + n + 4);
    const int good = equal(&matrix, after, 16) && (!projects || equal(&projected, x, tolerance)) &&
                     (!(pulls || returns) || equal(&sums, pulls ? p : v, tolerance));
    if (!good)
        printf("%s, %d bytes: wrong sweep at m=%td n=%td updates=%d pulls=%d projects=%d returns=%d parts=%d\n",
               which->name, (int)itemsize, m, n, updates, pulls, projects, returns, parts);
    array *const all[] = {&matrix, &vector, &left, &right, &rows, &columns, &sample, &sums, &projected};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]->base);
    free(workspace);
    return good;
}

static int check_move(const instruction_set *which, size_t itemsize)
{
    const ptrdiff_t m = below(40), n = below(below(2) ? 20 : 150), k = below(8) ? below(30) : 250 + below(40);
    const int bounds = (int)below(2), keeps = (int)below(2), scales = keeps && below(2), parts = 1 + (int)below(3);
    array matrix = make(m, n, itemsize), velocity = make(m, n, itemsize), rows = make(1, m, itemsize);
    array left = make(k, m, itemsize), right = make(k, n, itemsize);
    double *const after = expected[0], *const moves = expected[1];

    for (ptrdiff_t i = 0; i < m; i++) {
        double own = 0, length = 0;
        for (ptrdiff_t j = 0; j < n; j++) {
            double step = keeps ? get(&velocity, i, j) * (scales ? get(&rows, 0, i) : 1) : 0;
            for (ptrdiff_t p = 0; p < k; p++)
                step += 0.5 * get(&left, p, i) * get(&right, p, j);
            own += get(&matrix, i, j) * get(&matrix, i, j);
            length += step * step;
            moves[i * n + j] = step;
        }
        const double longest = fmax(0.9 * sqrt(own), 0.5), share = bounds && length ? fmin(1, longest / sqrt(length)) : 1;
        for (ptrdiff_t j = 0; j < n; j++) {
            moves[i * n + j] *= share;
            after[i * n + j] = 0.75 * get(&matrix, i, j) + moves[i * n + j];
        }
    }
    const strided none = {NULL, 0}, kept = keeps ? view(&velocity) : none;
    const rank_k_arguments step = {m, n, k, 0, 0, 0.5, kept, kept, view(&left), view(&right),
                                   scales ? view(&rows) : none, none};
    const move_arguments a = {step, view(&matrix), 0.75, 0.9, bounds ? 0.5 : INFINITY};
    const size_t bytes = move_workspace(which, &step, itemsize, parts), shift = (size_t)below(64);
    char *const workspace = malloc(bytes + shift);
    if (!workspace)
        exit(2);
    for (int claim = 0; claim < 2; claim++) /* as in fuzz.c */
        threads_claim(1e9, 1);
    which->kernels[MOVE][itemsize == sizeof(double)](&a, parts, workspace + shift);
    threads_release();
    threads_release();
    const double tolerance = 8.0 * (double)(n + k + 4);
    const int good = equal(&matrix, after, tolerance) && (!keeps || equal(&velocity, moves, tolerance));
    if (!good)
        printf("%s, %d bytes: wrong move at m=%td n=%td k=%td bounds=%d keeps=%d parts=%d\n", which->name, (int)itemsize,
               m, n, k, bounds, keeps, parts);
    array *const all[] = {&matrix, &velocity, &rows, &left, &right};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]->base);
    free(workspace);
    return good;
}

/* The equations of kernels.h; what becomes of rows, moments and sums, and the two that are found. */
static void subspace(const subspace_arguments *a, const array *rows, const array *vectors, const array *values,
                     const array *moments, const array *sums)
{
    const ptrdiff_t m = a->m, n = a->n, k = a->k;
    double *const out = expected[0], *const after = expected[1], *const added = expected[2], *const found = expected[3];
    double *const p = expected[4], *const v = expected[5];
    double left, squares = 0;

    for (ptrdiff_t j = 0; j < 3; j++)
        added[j] = get(sums, 0, j) + (j == 1 ? (double)a->counted : 0);
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < n; j++) {
            squares += get(rows, i, j) * get(rows, i, j);
            added[0] += i < a->counted ? get(rows, i, j) * get(rows, i, j) / (double)n : 0;
        }
    found[0] = squares / (double)(m * n);
    const double power = fmax(a->power, found[0]), damping = a->damping * fmax(power, a->least);
    left = (double)n * power;
    for (ptrdiff_t r = 0; r < k; r++) {
        double mean = 0;
        for (ptrdiff_t i = 0; i < m; i++) {
            p[i * k + r] = 0;
            for (ptrdiff_t j = 0; j < n; j++)
                p[i * k + r] += get(rows, i, j) * get(vectors, r, j);
            mean += p[i * k + r] * p[i * k + r] / (double)m;
        }
        v[r] = fmax(get(values, 0, r), mean);
        left -= v[r];
        for (ptrdiff_t j = 0; j < n; j++) {
            after[r * n + j] = get(moments, r, j);
            for (ptrdiff_t i = 0; i < a->counted; i++)
                after[r * n + j] += p[i * k + r] * get(rows, i, j);
        }
    }
    const double rest = damping + (k < n ? fmax(0, left) / (double)(n - k) : 0);
    found[1] = 1 / rest;
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < n; j++) {
            out[i * n + j] = get(rows, i, j);
            for (ptrdiff_t r = 0; r < k; r++)
                out[i * n + j] += p[i * k + r] * (rest / (v[r] + damping) - 1) * get(vectors, r, j);
        }
}

static int check_subspace(const instruction_set *which, size_t itemsize)
{
    const ptrdiff_t m = 1 + below(40), n = 1 + below(below(2) ? 20 : 150), k = 1 + below((uint64_t)(n < 20 ? n : 20));
    array out = make(m, n, itemsize), rows = make(m, n, itemsize), vectors = make(k, n, itemsize);
    array values = make(1, k, itemsize), moments = make(k, n, itemsize), sums = make(1, 3, itemsize);
    array found = make(1, 2, itemsize);
    const subspace_arguments a = {m, n, k, below((uint64_t)m + 1), 0.3, 0.5, below(2) ? 0.7 : 0, view(&out), view(&rows),
                                  view(&vectors), view(&values), view(&moments), view(&sums), view(&found)};
    const int parts = 1 + (int)below(4);
    const size_t bytes = subspace_workspace(which, &a, itemsize, parts), shift = (size_t)below(8) * sizeof(double);
    char *const workspace = malloc(bytes + shift);
    if (!workspace)
        exit(2);
    subspace(&a, &rows, &vectors, &values, &moments, &sums);
    for (int claim = 0; claim < 2; claim++) /* as in fuzz.c */
        threads_claim(1e9, 1);
    which->kernels[SUBSPACE][itemsize == sizeof(double)](&a, parts, workspace + shift);
    threads_release();
    threads_release();
    const double tolerance = 64.0 * (double)(m + n + k);
    const int good = equal(&out, expected[0], tolerance) && equal(&moments, expected[1], tolerance) &&
                     equal(&sums, expected[2], tolerance) && equal(&found, expected[3], tolerance);
    if (!good)
        printf("%s, %d bytes: wrong directions at m=%td n=%td k=%td\n", which->name, (int)itemsize, m, n, k);
    array *const all[] = {&out, &rows, &vectors, &values, &moments, &sums, &found};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]->base);
    free(workspace);
    return good;
}

/* The equations of kernels.h, one sample after the other. */
static void stream(const array *projected, double rate, double whitening, double bound, int recursive)
{
    const ptrdiff_t k = projected->rows, n = projected->columns;
    double *const x = expected[0], *const left = expected[1], *const right = expected[2], *const s = expected[3];
    double *const powers = expected[4];
    for (ptrdiff_t j = 0; j < n; j++)
        s[j] = 1;
    for (ptrdiff_t t = 0; t < k; t++) {
        double *const own = x + t * n, *const v = right + t * n;
        for (ptrdiff_t j = 0; j < n; j++)
            own[j] = s[j] * get(projected, t, j);
        for (ptrdiff_t r = 0; r < t; r++) {
            double weight = 0;
            for (ptrdiff_t j = 0; j < n; j++)
                weight += right[r * n + j] * get(projected, t, j);
            for (ptrdiff_t j = 0; j < n; j++)
                own[j] += weight * left[r * n + j];
        }
        for (ptrdiff_t j = 0; j < n; j++)
            v[j] = s[j] * own[j];
        for (ptrdiff_t r = 0; r < t; r++) {
            double weight = 0;
            for (ptrdiff_t j = 0; j < n; j++)
                weight += left[r * n + j] * own[j];
            for (ptrdiff_t j = 0; j < n; j++)
                v[j] += weight * right[r * n + j];
        }
        powers[t] = 0;
        for (ptrdiff_t j = 0; j < n; j++)
            powers[t] += own[j] * own[j];
        const double largest = fmax(whitening, 1 - whitening) * powers[t] + whitening, e = fmin(rate, bound / largest);
        const double root = sqrt((1 - rate) / (1 - rate + rate * powers[t])), growth = 1 / sqrt(1 - rate);
        const double shrunk = powers[t] > 0 ? growth * (1 - root) / powers[t] : 0;
        for (ptrdiff_t j = 0; j < n; j++) {
            const double kept = recursive ? growth : 1 + e * whitening + e * (1 - 2 * whitening) * own[j] * own[j];
            s[j] *= kept;
            for (ptrdiff_t r = 0; r < t; r++)
                left[r * n + j] *= kept;
            left[t * n + j] = -(recursive ? shrunk : e * (1 - whitening)) * own[j];
        }
    }
}

static int check_stream(const instruction_set *which, size_t itemsize)
{
    const ptrdiff_t k = below(20), n = below(below(2) ? 20 : MOST);
    const double rate = 0.2 / (double)(n + 1), whitening = (double)below(3) / 2;
    const double bound = below(2) ? INFINITY : 0.03;
    const int recursive = (int)below(3) == 0;
    array projected = make(k, n, itemsize), x = make(k, n, itemsize), left = make(k, n, itemsize);
    array right = make(k, n, itemsize), scales = make(1, n, itemsize), powers = make(1, k, itemsize);
    const size_t bytes = stream_workspace(k, n, itemsize), shift = (size_t)below(64);
    char *const workspace = malloc(bytes + shift);
    const stream_arguments a = {k, n, rate, whitening, bound, recursive, view(&x), view(&left), view(&right),
                                view(&scales), view(&powers), view(&projected)};
    if (!bytes || !workspace)
        exit(2);
    stream(&projected, rate, whitening, bound, recursive);
    which->kernels[STREAM][itemsize == sizeof(double)](&a, 1, workspace + shift);
    const double tolerance = 8.0 * (double)(k + n + 4);
    const int good = equal(&x, expected[0], tolerance) && equal(&left, expected[1], tolerance) &&
                     equal(&right, expected[2], tolerance) && equal(&scales, expected[3], tolerance) &&
                     equal(&powers, expected[4], tolerance);
    if (!good)
        printf("%s, %d bytes: wrong block at k=%td n=%td whitening=%g bound=%g recursive=%d\n", which->name,
               (int)itemsize, k, n, whitening, bound, recursive);
    array *const all[] = {&projected, &x, &left, &right, &scales, &powers};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]->base);
    free(workspace);
    return good;
}

int main(int count, char **arguments)
{
    const long rounds = count > 1 ? atol(arguments[1]) : 1000;
    const instruction_set *sets[INSTRUCTION_SETS_MAX];
    const int number = instruction_sets(sets);
    for (long round = 0; round < rounds; round++)
        for (int i = 0; i < number; i++)
            for (size_t itemsize = sizeof(float); itemsize <= sizeof(double); itemsize += sizeof(float))
                if (!check_sweep(sets[i], itemsize) || !check_move(sets[i], itemsize) ||
                    !check_subspace(sets[i], itemsize) || !check_stream(sets[i], itemsize))
                    return 1;
    for (int i = 0; i < number; i++)
        printf("samples, %s: %ld rounds agree\n", sets[i]->name, rounds);
    return 0;
}
