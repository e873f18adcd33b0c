/* Learning one sample at a time, without Python. Kernels allocate nothing, check nothing and cannot fail; whoever
 * calls them has checked the arguments. Strides are from row to row, in elements; within a row elements are
 * contiguous. */
#ifndef PYCOPI_SAMPLES_H
#define PYCOPI_SAMPLES_H

#include <stddef.h>

/* The part of streaming decorrelation that goes sample by sample. R = diag(s) R0 + U^T (V R0) is carried through a
 * block of k samples; with g a row of `projected` = Y R0^T, each gives
 *
 *     x = s * g + U^T (V g),   v = s * x + V^T (U x),   kept = 1 + rate * whitening + rate * (1 - 2 whitening) * x^2
 *
 * then s and every row of U are multiplied by `kept`, and -rate * (1 - whitening) * x and v become the next rows of
 * U and V. projected, decorrelated (x), left (U) and right (V) are (k, n), scales (s) has n values; no output shares
 * memory with anything else. */
typedef struct {
    ptrdiff_t k, n, projected_stride, decorrelated_stride, left_stride, right_stride;
    const void *projected;
    void *decorrelated, *left, *right, *scales;
    double rate, whitening;
    void *workspace; /* of stream_workspace() bytes, of any alignment */
} stream_arguments;

/* One sweep of a matrix (m, n) for one sample, with one read and at most one write of it:
 *
 *     pulled    = matrix^T vector
 *     matrix    = diag(row_scale) . matrix . diag(column_scale) + scale * left right^T
 *     projected = matrix sample
 *     returned  = matrix^T projected
 *
 * What is NULL is left out; without `right` the matrix is only read. vector, left, row_scale and projected have m
 * values, the others n. What is written shares no memory with anything else; pulled and returned are not both
 * there. */
typedef struct {
    ptrdiff_t m, n, stride;
    void *matrix, *pulled, *projected, *returned;
    const void *vector, *left, *right, *row_scale, *column_scale, *sample;
    double scale;
    int parts;       /* the rows are shared among so many threads */
    void *workspace; /* of sweep_workspace() bytes, aligned for doubles */
} sweep_arguments;

typedef void stream_kernel(const stream_arguments *arguments);
typedef void sweep_kernel(const sweep_arguments *arguments);

/* The bytes that a call needs as its workspace; 0 if that number does not fit in a size_t. */
size_t stream_workspace(ptrdiff_t k, ptrdiff_t n, size_t itemsize);
size_t sweep_workspace(ptrdiff_t n, int parts);

#endif
