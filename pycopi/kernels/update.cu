/* The update of a matrix of few ranks, and the scaling of one, in one read and one write of it:
 *
 *     out = diag(rows) . matrix . diag(columns) + scale * left^T right
 *
 * REAL is float or double, defined by whoever compiles this. matrix and out (m, n), left (k, m) and right (k, n) are
 * contiguous; out may be matrix. Scales that are NULL are ones; k may be 0. A thread takes a column and every
 * gridDim.y-th row, so that neighbours read neighbours, and a thread's values of `left` are those of its warp.
 */
extern "C" __global__ void update(REAL *out, const REAL *matrix, const REAL *left, const REAL *right,
                                  REAL scale, const REAL *rows, const REAL *columns, long long m, long long n,
                                  long long k)
{
    const long long j = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= n)
        return;
    const REAL column = columns ? columns[j] : (REAL)1;
    for (long long i = blockIdx.y; i < m; i += gridDim.y) {
        REAL sum = 0;
        for (long long p = 0; p < k; p++)
            sum += left[p * m + i] * right[p * n + j];
        const REAL kept = rows ? rows[i] * column : column;
        out[i * n + j] = matrix[i * n + j] * kept + scale * sum;
    }
}
