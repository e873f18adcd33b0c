#include "kernels.h"

#ifdef _OPENMP
#include <omp.h>
#ifndef _WIN32
#include <unistd.h>
#endif
#endif

#define WORK_PER_THREAD 1e6 /* some 10 microseconds, several times what starting and joining a thread costs */

int threads_available(void)
{
#ifdef _OPENMP
#ifndef _WIN32
    /* A forked child is a thread alone, and the OpenMP library of GCC would wait for those of its parent. */
    static long owner;
    if (!owner)
        owner = (long)getpid();
    if (owner != (long)getpid())
        return 1;
#endif
    return omp_in_parallel() ? 1 : omp_get_max_threads();
#else
    return 1;
#endif
}

static int calls; /* running now */

int threads_claim(double work)
{
    if (calls++ || work < 2 * WORK_PER_THREAD)
        return 1;
    const int available = threads_available();
    return work < available * WORK_PER_THREAD ? (int)(work / WORK_PER_THREAD) : available;
}

void threads_release(void) { calls--; }

void parallel_run(part_of_kernel *function, int parts, const void *arguments, void *workspace)
{
    if (parts == 1) {
        function(0, 1, arguments, workspace);
        return;
    }
#ifdef _OPENMP
#pragma omp parallel for num_threads(parts) schedule(static, 1)
#endif
    for (int part = 0; part < parts; part++)
        function(part, parts, arguments, workspace);
}
