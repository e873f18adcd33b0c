/* The rank-k update without Python:
 *
 *     out = diag(row_scale) . matrix . diag(column_scale) + scale * (left^T right + product)
 *
 * Kernels allocate nothing, check nothing and cannot fail; whoever calls them has checked the arguments.
 */
#ifndef PYCOPI_RANK_K_H
#define PYCOPI_RANK_K_H

#include <stddef.h>

#include "samples.h"

/* out, matrix and product are (m, n), left is (k, m), right is (k, n). Strides are from row to row, in elements;
 * within a row elements are contiguous. out may be matrix itself or product itself (same address and stride),
 * and shares no other memory with an input. row_scale, column_scale and product may be NULL. */
typedef struct {
    ptrdiff_t m, n, k;
    ptrdiff_t out_stride, matrix_stride, left_stride, right_stride, product_stride;
    void *out;
    const void *matrix, *left, *right, *product, *row_scale, *column_scale;
    double scale;
    void *workspace; /* of rank_k_workspace() bytes, of any alignment */
} rank_k_arguments;

typedef void rank_k_kernel(const rank_k_arguments *arguments);

typedef struct {
    const char *name;
    size_t tile_bytes; /* bytes of the columns of `right` that are packed together */
    rank_k_kernel *f32, *f64;
    stream_kernel *stream_f32, *stream_f64;
    sweep_kernel *sweep_f32, *sweep_f64;
} instruction_set;

#define INSTRUCTION_SETS_MAX 3

/* Writes the instruction sets that this processor and system can run, slowest first, and returns their number. */
int instruction_sets(const instruction_set *found[INSTRUCTION_SETS_MAX]);

/* The bytes that a call needs as its workspace; 0 if that number does not fit in a size_t. */
size_t rank_k_workspace(const instruction_set *set, ptrdiff_t n, ptrdiff_t k, size_t itemsize);

#endif
