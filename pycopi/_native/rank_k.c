#include "rank_k.h"

#include <stdint.h>
#include <string.h>

#include "threads.h"

#define DEPTH 192           /* rows of left and right that one pass takes: packed, they stay in the caches */
#define FEW_ROWS 256        /* up to so many rows of out, packed left stays in the second-level cache ... */
#define FEW_PANELS 4        /* ... with so many panels of right; */
#define PANEL_VALUES 125000 /* otherwise so many values of packed right do */
#define SHALLOW 8           /* up to such a k, memory is the limit, and fewer rows at once stream faster */
#define SHALLOW_ROWS 4
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
#define PREFETCH(address) __builtin_prefetch(address)
#define BASELINE_BYTES 16
#ifdef __x86_64__
#define HAVE_X86_SETS 1
#endif
#else /* plain scalars: every compiler unrolls and some vectorise them */
#define UNROLL
#define ALWAYS_INLINE static inline
#define PREFETCH(address) (void)(address)
#define BASELINE_BYTES 0
#endif

#define ROUND_UP(value, multiple) (((value) + (multiple) - 1) / (multiple) * (multiple))

/* What is packed at once: all of left and some panels of right where out has few rows, else one tile's rows of left
 * and many panels of right, so that rows are swept over a long way. */
typedef struct {
    ptrdiff_t tile, rows, columns, depth;
} blocking;

static blocking blocking_of(const rank_k_arguments *a, ptrdiff_t tile_rows, ptrdiff_t tile_columns)
{
    const int few = a->m <= FEW_ROWS;
    const ptrdiff_t tile = few || a->k > SHALLOW ? tile_rows : SHALLOW_ROWS;
    const ptrdiff_t depth = a->k < DEPTH ? a->k : DEPTH, needed = (a->n - 1) / tile_columns + 1;
    const ptrdiff_t panels = few ? FEW_PANELS : PANEL_VALUES / (tile_columns * (depth + 1)) + 1;
    return (blocking){tile, few ? ROUND_UP(a->m, tile) : tile, tile_columns * (panels < needed ? panels : needed), depth};
}

#define VECTORS 2
#define WIDE (ROWS < 8 ? 4 : 8) /* registers of one row, or rows of one register, where sums need little else */
#define EACH_ROW UNROLL for (int r = 0; r < height; r++)
#define EACH_VECTOR UNROLL for (int v = 0; v < VECTORS; v++)

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
#include "rank_k_set.h"

#ifdef HAVE_X86_SETS
#define SET avx2
#define TARGET __attribute__((target("avx2,fma")))
#define VECTOR_BYTES 32
#define ROWS 6
#include "rank_k_set.h"

#define SET avx512
#define TARGET __attribute__((target("avx512f")))
#define VECTOR_BYTES 64
#define ROWS 13
#include "rank_k_set.h"
#endif

int instruction_sets(const instruction_set *found[INSTRUCTION_SETS_MAX])
{
    int count = 0;
    found[count++] = &set_baseline;
#ifdef HAVE_X86_SETS
    /* These ask the operating system, too, whether it saves the wider registers. */
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        found[count++] = &set_avx2;
        if (__builtin_cpu_supports("avx512f"))
            found[count++] = &set_avx512;
    }
#endif
    return count;
}

size_t rank_k_workspace(const instruction_set *set, const rank_k_arguments *arguments, size_t itemsize)
{
    const blocking b = blocking_of(arguments, set->tile_rows, (ptrdiff_t)(set->tile_bytes / itemsize));
    const ptrdiff_t left = b.rows / b.tile * PACKED_WIDTH(set->tile_rows) * b.depth;
    return (size_t)(left + b.columns * (b.depth + 1)) * itemsize + 2 * CACHE_LINE;
}

typedef struct {
    const instruction_set *set;
    const rank_k_arguments *arguments;
    size_t itemsize;
    char *workspace;
} task;

/* Cuts the longer side of out, between tiles. */
static void run_part(int part, int parts, void *argument)
{
    const task *t = argument;
    const rank_k_arguments *a = t->arguments;
    const size_t bytes = rank_k_workspace(t->set, a, t->itemsize);
    rank_k_part own = {{0, a->m}, {0, a->n}, t->workspace + (size_t)part * bytes};
    ptrdiff_t *const cut = a->m >= a->n ? own.rows : own.columns;
    const ptrdiff_t tile = a->m >= a->n ? t->set->tile_rows : (ptrdiff_t)(t->set->tile_bytes / t->itemsize);
    const ptrdiff_t tiles = (cut[1] + tile - 1) / tile, length = cut[1];

    cut[0] = tiles * part / parts * tile;
    cut[1] = tiles * (part + 1) / parts * tile;
    cut[1] = cut[1] < length ? cut[1] : length;
    (t->itemsize == sizeof(float) ? t->set->f32 : t->set->f64)(a, &own);
}

void rank_k_run(const instruction_set *set, const rank_k_arguments *arguments, size_t itemsize, int parts,
                void *workspace)
{
    task t = {set, arguments, itemsize, workspace};
    parallel_run(parts, run_part, &t);
}

size_t stream_workspace(ptrdiff_t k, ptrdiff_t n, size_t itemsize)
{
    /* Two panels and three rows of whole groups of registers, and for each sample a register of sums and a weight. */
    const size_t rows = 2 * (size_t)k + 3, row = (size_t)n * itemsize + 8 * CACHE_LINE;
    return row > PTRDIFF_MAX / (rows + 1) ? 0 : rows * row + ((size_t)k * 2 + 1) * CACHE_LINE;
}

size_t sweep_workspace(ptrdiff_t n, int parts)
{
    return (size_t)(parts - 1) * ROUND_UP((size_t)n * sizeof(double), CACHE_LINE);
}
