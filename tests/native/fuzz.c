/* Runs the kernels, without Python, on random shapes, strides, alignments, aliasings and numbers of threads, between
 * guard zones, and compares with sums in double. Exits with 1 at the first difference; the sanitizers watch the rest. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#define GUARD 96

static uint64_t state = 20231;

static uint64_t below(uint64_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % limit;
}

static double uniform(void)
{
    return (double)below(1 << 20) / (1 << 19) - 1;
}

/* rows x columns values in an allocation of its own, which ends where the last row ends, so that a sanitizer sees
 * an access beyond; the gaps between rows hold a pattern that must stay. */
typedef struct {
    char *base;
    void *first;
    ptrdiff_t rows, columns, stride;
    size_t bytes, itemsize;
} array;

static double get(const array *a, ptrdiff_t i, ptrdiff_t j)
{
    const char *at = (const char *)a->first + (i * a->stride + j) * (ptrdiff_t)a->itemsize;
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
    char *at = (char *)a->first + (i * a->stride + j) * (ptrdiff_t)a->itemsize;
    const float f = (float)value;
    if (a->itemsize == sizeof f)
        memcpy(at, &f, sizeof f);
    else
        memcpy(at, &value, sizeof value);
}

static array make(ptrdiff_t rows, ptrdiff_t columns, size_t itemsize, int reversible)
{
    const ptrdiff_t stride = columns + (ptrdiff_t)below(3) * (ptrdiff_t)below(9);
    const size_t offset = GUARD + below(16) * itemsize;
    const ptrdiff_t length = rows && columns ? (rows - 1) * stride + columns : 0;
    array a = {NULL, NULL, rows, columns, stride, offset + (size_t)length * itemsize, itemsize};
    a.base = malloc(a.bytes);
    if (!a.base)
        exit(2);
    memset(a.base, 0x5a, a.bytes);
    a.first = a.base + offset;
    if (reversible && rows && below(4) == 0) {
        a.first = a.base + offset + (size_t)((rows - 1) * stride) * itemsize;
        a.stride = -stride;
    }
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < columns; j++)
            set(&a, i, j, uniform());
    return a;
}

/* Whether every byte outside the rows is as make() left it. */
static int guarded(const array *a)
{
    const size_t width = (size_t)a->columns * a->itemsize;
    char *seen = calloc(a->bytes + 1, 1);
    int good = seen != NULL;
    for (ptrdiff_t i = 0; good && i < a->rows && width; i++)
        memset(seen + ((char *)a->first - a->base) + i * a->stride * (ptrdiff_t)a->itemsize, 1, width);
    for (size_t b = 0; good && b < a->bytes; b++)
        good = seen[b] || a->base[b] == 0x5a;
    free(seen);
    return good;
}

static int check(const instruction_set *which, size_t itemsize)
{
    const ptrdiff_t m = (ptrdiff_t)(below(8) ? below(40) : 240 + below(40));
    const ptrdiff_t n = (ptrdiff_t)below(below(2) ? 20 : 300);
    const ptrdiff_t k = (ptrdiff_t)(below(20) ? below(40) : 250 + below(300));
    const uint64_t options = below(32);
    const int left_transposed = options >> 2 & 1, right_transposed = options >> 3 & 1, parts = 1 + (int)below(4);
    array left = left_transposed ? make(m, k, itemsize, 1) : make(k, m, itemsize, 1);
    array right = right_transposed ? make(n, k, itemsize, 1) : make(k, n, itemsize, 1);
    array matrix = make(m, n, itemsize, 1), out = make(m, n, itemsize, 1);
    array rows = make(1, m, itemsize, 0), columns = make(1, n, itemsize, 0);
    array *const result = below(2) ? &matrix : &out;
    const strided none = {NULL, 0};
    const rank_k_arguments arguments = {
        .m = m,
        .n = n,
        .k = k,
        .left_transposed = left_transposed,
        .right_transposed = right_transposed,
        .scale = 0.75,
        .out = {result->first, result->stride},
        .matrix = options & 16 ? none : (strided){matrix.first, matrix.stride},
        .left = {left.first, left.stride},
        .right = {right.first, right.stride},
        .row_scale = options & 1 ? (strided){rows.first, 0} : none,
        .column_scale = options & 2 ? (strided){columns.first, 0} : none,
    };
    const size_t bytes = rank_k_workspace(which, &arguments, itemsize, parts), shift = below(64);
    char *workspace = malloc(bytes + shift);
    double *expected = malloc((size_t)(m * n + 1) * sizeof *expected);
    int good = 1;

    if (!workspace || !expected)
        exit(2);
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < n; j++) {
            double sum = 0;
            for (ptrdiff_t p = 0; p < k; p++)
                sum += (left_transposed ? get(&left, i, p) : get(&left, p, i)) *
                       (right_transposed ? get(&right, j, p) : get(&right, p, j));
            expected[i * n + j] = (options & 16 ? 0 : get(&matrix, i, j)) * (options & 1 ? get(&rows, 0, i) : 1) *
                                      (options & 2 ? get(&columns, 0, j) : 1) + 0.75 * sum;
        }
    for (int claim = 0; claim < 2; claim++) /* threads that sleep are woken, and a second claim keeps no account */
        threads_claim(1e9, 1);
    which->kernels[RANK_K][itemsize == sizeof(double)](&arguments, parts, workspace + shift);
    threads_release();
    threads_release();
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < n; j++)
            good = good && fabs(get(result, i, j) - expected[i * n + j]) <=
                               (double)(k + 4) * 4 * (itemsize == sizeof(float) ? FLT_EPSILON : DBL_EPSILON);
    good = good && guarded(result);
    if (!good)
        printf("%s, %d bytes: wrong at m=%td n=%td k=%td options=%d in_place=%d parts=%d\n", which->name, (int)itemsize,
               m, n, k, (int)options, result == &matrix, parts);
    array *const all[] = {&matrix, &left, &right, &out, &rows, &columns};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]->base);
    free(workspace);
    free(expected);
    return good;
}

int main(int count, char **arguments)
{
    const long rounds = count > 1 ? atol(arguments[1]) : 1000;
    const instruction_set *sets[INSTRUCTION_SETS_MAX];
    const int number = instruction_sets(sets);
    for (long round = 0; round < rounds; round++)
        for (int i = 0; i < number; i++)
            if (!check(sets[i], sizeof(float)) || !check(sets[i], sizeof(double)))
                return 1;
    for (int i = 0; i < number; i++)
        printf("%s: %ld rounds agree\n", sets[i]->name, rounds);
    return 0;
}
