/* The kernels, and the threads they run in, without Python. Kernels allocate nothing, check nothing and cannot fail;
 * whoever calls them has checked the arguments. */
#ifndef PYCOPI_KERNELS_H
#define PYCOPI_KERNELS_H

#include <stddef.h>

/* A matrix whose rows, of contiguous elements, lie `stride` elements apart; or a vector, of stride 0. What need not
 * be there has the data NULL. */
typedef struct {
    void *data;
    ptrdiff_t stride;
} strided;

/* The rank-k update, of which the plain product is a case:
 *
 *     out = diag(row_scale) . matrix . diag(column_scale) + scale * left^T right
 *
 * out and matrix are (m, n), left is (k, m), right is (k, n); a transposed left is (m, k), a transposed right (n, k).
 * out may be matrix itself, and shares no other memory with an input. matrix and both scales need not be there. */
typedef struct {
    ptrdiff_t m, n, k;
    int left_transposed, right_transposed;
    double scale;
    strided out, matrix, left, right, row_scale, column_scale;
} rank_k_arguments;

/* The part of streaming decorrelation that goes sample by sample. R = diag(s) R0 + U^T (V R0) is carried through a
 * block of k samples; with g a row of `projected` = Y R0^T, each gives
 *
 *     x = s * g + U^T (V g),   v = s * x + V^T (U x),   kept = base + slope * x^2
 *
 * then s and every row of U are multiplied by `kept`, and step * x and v become the next rows of U and V. The three
 * numbers come from |x|^2. Let
 *
 *     e = min(rate, bound / (max(whitening, 1 - whitening) |x|^2 + whitening));
 *     base = 1 + e * whitening,   slope = e * (1 - 2 whitening),   step = -e * (1 - whitening)
 *
 * or, if `recursive`, with l = rate and root = sqrt((1 - l) / (1 - l + l |x|^2)),
 *
 *     base = 1 / sqrt(1 - l),   slope = 0,   step = -base * (1 - root) / |x|^2
 *
 * projected, decorrelated (x), left (U) and right (V) are (k, n), scales (s) has n values, powers (|x|^2) k; no output
 * shares memory with anything else. */
typedef struct {
    ptrdiff_t k, n;
    double rate, whitening, bound; /* the bound is infinite for none */
    int recursive;
    strided decorrelated, left, right, scales, powers, projected;
} stream_arguments;

/* One sweep of a matrix (m, n) for one sample, with one read and at most one write of it:
 *
 *     pulled    = matrix^T vector
 *     matrix    = diag(row_scale) . matrix . diag(column_scale) + scale * left right^T
 *     projected = matrix sample
 *     returned  = matrix^T projected
 *
 * What is not there is left out; without `right` the matrix is only read. vector, left, row_scale and projected have m
 * values, the others n. What is written shares no memory with anything else; pulled and returned are not both
 * there. */
typedef struct {
    ptrdiff_t m, n;
    double scale;
    strided matrix, pulled, projected, returned, vector, left, right, row_scale, column_scale, sample;
} sweep_arguments;

/* A step of each row of a matrix (m, n), of which none is longer than so many times the row, or than `least`:
 *
 *     step   = diag(row_scale) . velocity + scale * left^T right
 *     step   = step * min(1, max(times |row|, least) / |step|)
 *     matrix = kept * matrix + step
 *
 * The step is a rank-k update in place, neither transposed nor with a column scale; the velocity becomes the step, or
 * is not there: then the update has neither `matrix` nor `out`. The matrix shares no memory with anything else. */
typedef struct {
    rank_k_arguments step;
    strided matrix;
    double kept, times, least;
} move_arguments;

/* Rows y (m, n) of a batch with their directions damped, and these directions followed; Directions and
 * SubspaceDecorrelation in pycopi/rules/ say what it is for. With V (k, n) the vectors and p = y V^T,
 *
 *     found   = power = mean of y^2,  unit = 1 / rest
 *     out     = y + (p diag(rest / (v + d) - 1)) V
 *     moments = moments + p^T y,  sums = sums + (sum of |y|^2 / n, number, 0),  over the first `counted` rows
 *
 * where v is the larger of `values` and the mean of p^2, q that of `power` and that of the batch, d = damping max(q,
 * least), or of 1 where that is as good as none, and rest = d + (n q - sum of v) / (n - k), or d where k is n or that
 * is negative. out and rows are (m, n), moments (k, n), values (k), sums (3), found (2). */
typedef struct {
    ptrdiff_t m, n, k, counted;
    double power, damping, least;
    strided out, rows, vectors, values, moments, sums, found;
} subspace_arguments;

/* An update of rank 1 that the next row's sweep makes: with column scales of W, row scales of R. */
typedef struct {
    strided left, right, scale;
} late_update;

/* One row through a dense layer with n inputs y and m outputs, of weights W, decorrelating matrix R and bias b, of which
 * the last two need not be there; without R, x is y itself and `decorrelated` and `returned` are not there either.
 *
 *     forward:  x = R y,  returned = R^T x,  a = W x + b,  outputs = a where a > 0, slope a elsewhere
 *     learn:    e = min(rate, bound / (|x|^2 + (1 with b))),  z = a + delta - b
 *               below = R^T W^T delta, times the slope where y <= 0
 *               W = W diag(1 - e x^2) + e z x^T,  or without `infers`  W + e delta x^T;   b = b + e delta
 *               f = min(decorrelation_rate, decorrelation_bound / |x|^2),  k = whitening
 *               R = diag(1 + f (k + (1 - 2 k) x^2)) R - f (1 - k) x returned^T
 *
 * delta is `perturbations`, a `preactivations`; `below` need not be there, nor `returned` where nothing is learned. All
 * is found by the parameters as they were before. Where there is no `below`, the updates of W and R may be late:
 * learning writes them down, and the forward pass of the next row makes them first, which spares a read of both.
 * preactivations, outputs, perturbations and b have m values, the other vectors n. */
typedef struct {
    ptrdiff_t m, n;
    int infers;
    double slope, rate, bound, decorrelation_rate, decorrelation_bound, whitening; /* bounds are infinite for none */
    strided weight, decorrelator, bias, inputs, decorrelated, returned, preactivations, outputs, perturbations, below;
    late_update late_weight, late_decorrelator;
} row_arguments;

/* A kernel for one element type; `arguments` is the structure of its operation. It works in so many parts, on whose
 * number only a sweep's `pulled` and `returned` depend, and then no further than by rounding. */
typedef void kernel(const void *arguments, int parts, void *workspace);

enum { RANK_K, STREAM, SWEEP, MOVE, SUBSPACE, ROW_FORWARD, ROW_LEARN, OPERATIONS };

typedef struct {
    const char *name;
    int tile_rows;     /* of out, and ... */
    size_t tile_bytes; /* ... bytes of its columns that a rank-k update computes together */
    kernel *kernels[OPERATIONS][2]; /* for float and for double */
} instruction_set;

/* Writes the instruction sets that this processor and system can run, slowest first, and returns their number. */
#define INSTRUCTION_SETS_MAX 3
int instruction_sets(const instruction_set *found[INSTRUCTION_SETS_MAX]);

/* The bytes of workspace that a call needs, aligned for doubles; 0 if that number does not fit in a size_t. */
size_t rank_k_workspace(const instruction_set *set, const rank_k_arguments *arguments, size_t itemsize, int parts);
size_t move_workspace(const instruction_set *set, const rank_k_arguments *step, size_t itemsize, int parts);
size_t subspace_workspace(const instruction_set *set, const subspace_arguments *arguments, size_t itemsize, int parts);
size_t stream_workspace(ptrdiff_t k, ptrdiff_t n, size_t itemsize);
size_t sweep_workspace(ptrdiff_t n, int parts);
size_t row_workspace(ptrdiff_t m, ptrdiff_t n, int parts);

/* How many threads a large call would use now: as many as OpenMP would, which libraries such as threadpoolctl can
 * limit. */
int threads_available(void);

/* In how many parts a call shall be done. `work` is its multiplications, or bytes of matrices moved where those are
 * more. One part where threads do not pay, and unless `always`, where a call from another Python thread is running or
 * the threads are asleep and not worth waking: what depends on the number of parts asks for as many always. Both are
 * called with the GIL held, and threads_release() after every threads_claim(). */
int threads_claim(double work, int always);
void threads_release(void);

/* Calls function(part, parts, arguments, workspace) for every part below `parts`; returns when all are done. Of calls
 * at once one has the threads, and the others do their parts alone. */
typedef void part_of_kernel(int part, int parts, const void *arguments, void *workspace);
void parallel_run(part_of_kernel *function, int parts, const void *arguments, void *workspace);

#endif
