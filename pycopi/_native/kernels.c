#include "kernels.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define VECTORS 2           /* registers of a row of a tile, but one where out has no more columns than that */
#define DEPTH 256           /* rows of left and right that one pass takes: what a tile packs of left fits the first cache */
#define FEW_ROWS 256        /* up to so many rows of out, all of packed left stays in the second-level cache ... */
#define FEW_DEPTH 384       /* ... in deeper passes, which read longer pieces of right, ... */
#define FEW_PANELS 4        /* ... with so many panels of right; */
#define PANEL_VALUES 160000 /* otherwise so many values of packed right do */
#define STEP_BYTES 320000   /* so many of steps are made at once, and lie in the second-level cache */
#define SHALLOW 8           /* up to such a k, memory is the limit, and fewer rows at once stream faster */
#define AHEAD 16            /* rows of packed values that a tile calls into the first cache before it reads them */
#define SHALLOW_ROWS 4      /* of such a tile; out of few rows takes it, too */
#define CACHED 524288       /* bytes from which a matrix is far: a sweep of so many fetches rows ahead */
#define CACHE_LINE 64
#define PACKED_WIDTH(rows) ROUND_UP(rows, 8) /* what a tile's rows of left take up: whole vectors */

#define JOIN(a, b) a##_##b
#define JOINED(a, b) JOIN(a, b)
#define NAME(base) JOINED(JOINED(base, T), SET)
#define QUOTE(a) #a
#define QUOTED(a) QUOTE(a)

#if defined(__GNUC__) && !defined(PYCOPI_SCALAR) /* and Clang */
#define UNROLL _Pragma("GCC unroll 16")
#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* Into the second-level cache: in the first, rows may share a set. */
#define PREFETCH(address) __builtin_prefetch((const void *)(address), 0, 2)
/* Into the first: what is packed lies in the second and is read once in a row. */
#define PREFETCH_NEAR(address) __builtin_prefetch((const void *)(address), 0, 3)
#define BASELINE_BYTES 16
#ifdef __x86_64__
#define HAVE_X86_SETS 1
#endif
#else /* plain scalars: every compiler unrolls and some vectorise them */
#define UNROLL
#define ALWAYS_INLINE static inline
#define PREFETCH(address) (void)(address)
#define PREFETCH_NEAR(address) (void)(address)
#define BASELINE_BYTES 0
#endif

#define ROUND_UP(value, multiple) (((value) + (multiple) - 1) / (multiple) * (multiple))

/* What is packed at once: all of left and some panels of right where out has few rows, else one tile's rows of left
 * and many panels of right, so that rows are swept over a long way. */
typedef struct {
    ptrdiff_t tile, panel, rows, columns, depth; /* rows and columns of a tile, and what is packed */
    size_t bytes; /* of workspace for the packed values and the column scales */
} blocking;

static blocking blocking_of(const rank_k_arguments *a, ptrdiff_t tile_rows, ptrdiff_t tile_columns, size_t itemsize)
{
    const int few = a->m <= FEW_ROWS && a->k > SHALLOW;
    const ptrdiff_t tile = a->k <= SHALLOW || ROUND_UP(a->m, SHALLOW_ROWS) < tile_rows ? SHALLOW_ROWS : tile_rows;
    const ptrdiff_t rows = few ? ROUND_UP(a->m, tile) : tile, most = few ? FEW_DEPTH : DEPTH;
    const ptrdiff_t k = a->k < 1 ? 1 : a->k, passes = (k - 1) / most + 1, depth = (k - 1) / passes + 1;
    const ptrdiff_t panel = a->n * VECTORS <= tile_columns ? tile_columns / VECTORS : tile_columns;
    const ptrdiff_t panels = few ? FEW_PANELS : PANEL_VALUES / (panel * (depth + 1)) + 1;
    const ptrdiff_t needed = (a->n - 1) / panel + 1, columns = panel * (panels < needed ? panels : needed);
    const ptrdiff_t values = rows / tile * PACKED_WIDTH(tile_rows) * depth + columns * (depth + 1);
    return (blocking){tile, panel, rows, columns, depth, ROUND_UP((size_t)values * itemsize, CACHE_LINE) + CACHE_LINE};
}

/* The same for bounded steps: all of right, and so many rows at a time that their steps stay in the cache. Rows of
 * steps lie as far apart as there are columns in whole panels. */
static blocking moving_of(const rank_k_arguments *a, ptrdiff_t tile_rows, ptrdiff_t tile_columns, size_t itemsize)
{
    blocking b = blocking_of(a, tile_rows, tile_columns, itemsize);
    b.columns = ROUND_UP(a->n, b.panel);
    const ptrdiff_t tiles = STEP_BYTES / (ptrdiff_t)itemsize / (b.columns * b.tile + 1) + 1;
    b.rows = tiles * b.tile < a->m ? tiles * b.tile : ROUND_UP(a->m, b.tile);
    const ptrdiff_t values = (a->k + b.rows) * b.columns + b.rows / b.tile * PACKED_WIDTH(tile_rows) * b.depth;
    b.bytes = ROUND_UP((size_t)values * itemsize, CACHE_LINE) + CACHE_LINE;
    return b;
}

/* What a sample makes of row i of R: base + slope x_i^2 times the row, and step x_i times v. */
typedef struct {
    double base, slope, step;
} sample_step;

static sample_step step_of(const stream_arguments *a, double power)
{
    const double rate = a->rate, whitening = a->whitening;
    if (a->recursive) {
        const double kept = 1 - rate, total = kept + rate * power, growth = 1 / sqrt(kept);
        return (sample_step){growth, 0, -growth * rate / (total * (1 + sqrt(kept / total)))};
    }
    const double largest = (whitening < 0.5 ? 1 - whitening : whitening) * power + whitening;
    const double excess = rate * largest / a->bound, e = excess <= 1 ? rate : rate / excess;
    return (sample_step){1 + e * whitening, e * (1 - 2 * whitening), -e * (1 - whitening)};
}

/* A step size times `power` that is within the bound. */
static double bounded(double rate, double bound, double power)
{
    const double excess = rate * power / bound;
    return excess > 1 ? rate / excess : rate;
}

/* The larger of two numbers; NaN where either is. */
static double larger(double a, double b) { return a > b || a != a ? a : b; }

/* What the templates write with, for the T, SET and ROWS of the moment. */
#define VECTOR NAME(vector)
#define LANES ((ptrdiff_t)(sizeof(VECTOR) / sizeof(T)))
#define COLUMNS (VECTORS * LANES)
#define WIDTH PACKED_WIDTH(ROWS)
#define WIDE (ROWS < 8 ? 4 : 8) /* registers of one row, or rows of one register, where sums need little else */
#define PANEL (WIDE * LANES)
#define EACH_ROW UNROLL for (int r = 0; r < height; r++)
#define EACH_VECTOR UNROLL for (int v = 0; v < vectors; v++)
#define EACH_LANE UNROLL for (int i = 0; i < LANES; i++)
#define EACH_WIDE UNROLL for (int w = 0; w < WIDE; w++)

/* Blocks of ROWS x VECTORS registers: enough sums to hide the latency of a multiply-add, and registers left for
 * the operands. SSE2 and AVX2 have 16 registers, AVX-512 and NEON 32. */
#define SET baseline
#define TARGET
#define VECTOR_BYTES BASELINE_BYTES
#ifdef __aarch64__
#define ROWS 8
#else
#define ROWS 4
#endif
#include "kernels_set.h"

#ifdef HAVE_X86_SETS
#define SET avx2
#define TARGET __attribute__((target("avx2,fma")))
#define VECTOR_BYTES 32
#define ROWS 6
#include "kernels_set.h"

#define SET avx512
#define TARGET __attribute__((target("avx512f")))
#define VECTOR_BYTES 64
#define ROWS 13
#include "kernels_set.h"
#endif

int instruction_sets(const instruction_set *found[INSTRUCTION_SETS_MAX])
{
    int count = 0;
    found[count++] = &set_baseline;
#ifdef HAVE_X86_SETS
    /* These ask the operating system, too, whether it saves the wider registers. */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        found[count++] = &set_avx2;
        if (__builtin_cpu_supports("avx512f"))
            found[count++] = &set_avx512;
    }
#endif
    return count;
}

size_t rank_k_workspace(const instruction_set *set, const rank_k_arguments *arguments, size_t itemsize, int parts)
{
    return (size_t)parts * blocking_of(arguments, set->tile_rows, (ptrdiff_t)(set->tile_bytes / itemsize), itemsize).bytes;
}

size_t move_workspace(const instruction_set *set, const rank_k_arguments *step, size_t itemsize, int parts)
{
    return (size_t)parts * moving_of(step, set->tile_rows, (ptrdiff_t)(set->tile_bytes / itemsize), itemsize).bytes;
}

size_t subspace_workspace(const instruction_set *set, const subspace_arguments *a, size_t itemsize, int parts)
{
    const rank_k_arguments shapes[] = {{.m = a->m, .n = a->k, .k = a->n},
                                       {.m = a->k, .n = a->n, .k = a->counted},
                                       {.m = a->m, .n = a->n, .k = a->k}};
    size_t most = 0;
    for (int i = 0; i < 3; i++) {
        const size_t bytes = rank_k_workspace(set, &shapes[i], itemsize, parts);
        most = bytes > most ? bytes : most;
    }
    return most + (size_t)a->k * sizeof(double) + (size_t)(a->m * a->k) * itemsize + 2 * CACHE_LINE;
}

size_t stream_workspace(ptrdiff_t k, ptrdiff_t n, size_t itemsize)
{
    /* Two panels and three rows of whole groups of registers, and for each sample a register of sums and a weight. */
    const size_t rows = 2 * (size_t)k + 3, row = (size_t)n * itemsize + 8 * CACHE_LINE;
    return row > PTRDIFF_MAX / (rows + 1) ? 0 : rows * row + ((size_t)k * 2 + 1) * CACHE_LINE;
}

size_t sweep_workspace(ptrdiff_t n, int parts)
{
    return (size_t)parts * ROUND_UP((size_t)n * sizeof(double) + 1, CACHE_LINE); /* never none */
}

size_t row_workspace(ptrdiff_t m, ptrdiff_t n, int parts)
{
    return sweep_workspace(n, parts) + (2 * (size_t)n + (size_t)m) * sizeof(double);
}
