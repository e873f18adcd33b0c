#include "rank_k.h"

#include <stdint.h>
#include <string.h>

#include "threads.h"

/* Rows of left and right that one pass takes: packed left stays in the first-level cache, partial sums short. */
#define DEPTH 256
#define CACHE_LINE 64

#define JOIN(a, b) a##_##b
#define JOINED(a, b) JOIN(a, b)
#define NAME(base) JOINED(JOINED(base, T), SET)
#define QUOTE(a) #a
#define QUOTED(a) QUOTE(a)

#if defined(__GNUC__) && !defined(PYCOPI_SCALAR) /* and Clang */
#define UNROLL _Pragma("GCC unroll 16")
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define BASELINE_BYTES 16
#ifdef __x86_64__
#define HAVE_X86_SETS 1
#endif
#else /* plain scalars: every compiler unrolls and some vectorise them */
#define UNROLL
#define ALWAYS_INLINE static inline
#define BASELINE_BYTES 0
#endif

#define VECTORS 2
#define WIDE (ROWS < 8 ? 4 : 8) /* registers of one row, or rows of one register, where sums need little else */
#define EACH_ROW UNROLL for (int r = 0; r < ROWS; r++)
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
#define ROWS 8
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

size_t rank_k_workspace(const instruction_set *set, ptrdiff_t n, ptrdiff_t k, size_t itemsize)
{
    const size_t depth = (size_t)(k < DEPTH ? k : DEPTH) + 1; /* the panels, and column_scale */
    const size_t limit = PTRDIFF_MAX / depth - 2 * CACHE_LINE - set->tile_bytes;
    if ((size_t)n > limit / itemsize)
        return 0;
    const size_t row = ((size_t)n * itemsize + set->tile_bytes - 1) / set->tile_bytes * set->tile_bytes;
    return depth * row + CACHE_LINE;
}
