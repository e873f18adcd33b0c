/* The rank-k update without Python, of which the plain product is a case:
 *
 *     out = diag(row_scale) . matrix . diag(column_scale) + scale * (left^T right + product)
 *
 * Kernels allocate nothing, check nothing and cannot fail; whoever calls them has checked the arguments.
 */
#ifndef PYCOPI_RANK_K_H
#define PYCOPI_RANK_K_H

#include <stddef.h>

#include "samples.h"

/* out, matrix and product are (m, n), left is (k, m), right is (k, n); a transposed left is (m, k), a transposed
 * right (n, k). Strides are from row to row, in elements; within a row elements are contiguous. out may be matrix
 * itself or product itself (same address and stride), and shares no other memory with an input. matrix, row_scale,
 * column_scale and product may be NULL. */
typedef struct {
    ptrdiff_t m, n, k;
    ptrdiff_t out_stride, matrix_stride, left_stride, right_stride, product_stride;
    int left_transposed, right_transposed;
    void *out;
    const void *matrix, *left, *right, *product, *row_scale, *column_scale;
    double scale;
} rank_k_arguments;

/* The part of out that one thread computes. */
typedef struct {
    ptrdiff_t rows[2], columns[2]; /* first, and one after the last */
    void *workspace;
} rank_k_part;

typedef void rank_k_kernel(const rank_k_arguments *arguments, const rank_k_part *part);

typedef struct {
    const char *name;
    int tile_rows;     /* of out, and ... */
    size_t tile_bytes; /* ... bytes of its columns that are computed together */
    rank_k_kernel *f32, *f64;
    stream_kernel *stream_f32, *stream_f64;
    sweep_kernel *sweep_f32, *sweep_f64;
} instruction_set;

#define INSTRUCTION_SETS_MAX 3

/* Writes the instruction sets that this processor and system can run, slowest first, and returns their number. */
int instruction_sets(const instruction_set *found[INSTRUCTION_SETS_MAX]);

/* The bytes of workspace that each part of a call needs, of any alignment. */
size_t rank_k_workspace(const instruction_set *set, const rank_k_arguments *arguments, size_t itemsize);

/* Runs the kernel for elements of `itemsize` bytes, in so many threads. Their number changes no bit of the result. */
void rank_k_run(const instruction_set *set, const rank_k_arguments *arguments, size_t itemsize, int parts,
                void *workspace);

#endif
