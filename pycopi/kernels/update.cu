/* What the engine for CuPy does in one read and one write of a matrix. REAL is float or double, defined by whoever
 * compiles this; all arrays are contiguous, and an output may be its input. */

#define ROWS 8

/* The update of a matrix of few ranks, and the scaling of one:
 *
 *     out = diag(rows) . matrix . diag(columns) + scale * left^T right
 *
 * matrix and out (m, n), left (k, m) and right (k, n); scales that are NULL are ones; k may be 0. A thread takes ROWS
 * rows of a column at a time, so that neighbours read neighbours, and what it reads of `right` serves all its rows.
 */
extern "C" __global__ void update(REAL *out, const REAL *matrix, const REAL *left, const REAL *right,
                                  REAL scale, const REAL *rows, const REAL *columns, long long m, long long n,
                                  long long k)
{
    const long long j = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= n)
        return;
    const REAL column = columns ? columns[j] : (REAL)1;
    for (long long first = (long long)blockIdx.y * ROWS; first < m; first += (long long)gridDim.y * ROWS) {
        REAL sums[ROWS] = {0};
        const int count = m - first < ROWS ? (int)(m - first) : ROWS;
        if (count == ROWS) {
            for (long long p = 0; p < k; p++) {
                const REAL value = right[p * n + j];
#pragma unroll
                for (int q = 0; q < ROWS; q++)
                    sums[q] += left[p * m + first + q] * value;
            }
        } else {
            for (long long p = 0; p < k; p++)
                for (int q = 0; q < count; q++)
                    sums[q] += left[p * m + first + q] * right[p * n + j];
        }
#pragma unroll
        for (int q = 0; q < ROWS; q++) {
            if (q < count) {
                const long long i = first + q;
                const REAL kept = rows ? rows[i] * column : column;
                out[i * n + j] = matrix[i * n + j] * kept + scale * sums[q];
            }
        }
    }
}

/* A step of a matrix (m, n) of which no row is longer than its bound:
 *
 *     taken = diag(shares) . step,  out = kept * matrix + taken
 *
 * A row keeps its share of 1 up to a length of max(times * |matrix row|, least[0]), or always where least is NULL; kept
 * is times kept_there[0] where that is not NULL. A block of a power of two of threads takes a row, with two numbers a
 * thread of shared memory.
 */
extern "C" __global__ void move(REAL *out, REAL *taken, const REAL *matrix, const REAL *step, REAL kept,
                                const REAL *kept_there, REAL times, const REAL *least, long long m, long long n)
{
    __shared__ REAL own[256], length[256];
    const int thread = threadIdx.x;
    const REAL keeps = kept_there ? kept * kept_there[0] : kept;
    for (long long i = blockIdx.x; i < m; i += gridDim.x) {
        const long long start = i * n;
        REAL share = 1;
        if (least) {
            REAL squares = 0, others = 0;
            for (long long j = thread; j < n; j += blockDim.x) {
                squares += matrix[start + j] * matrix[start + j];
                others += step[start + j] * step[start + j];
            }
            own[thread] = squares;
            length[thread] = others;
            __syncthreads();
            for (int half = blockDim.x / 2; half > 0; half /= 2) {
                if (thread < half) {
                    own[thread] += own[thread + half];
                    length[thread] += length[thread + half];
                }
                __syncthreads();
            }
            const REAL reach = times * sqrt(own[0]), taken_length = sqrt(length[0]);
            const REAL longest = reach > least[0] ? reach : least[0];
            if (taken_length > longest)
                share = longest / taken_length;
            __syncthreads();
        }
        for (long long j = thread; j < n; j += blockDim.x) {
            const REAL part = share * step[start + j];
            taken[start + j] = part;
            out[start + j] = keeps * matrix[start + j] + part;
        }
    }
}
