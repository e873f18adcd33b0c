/* Stands in for threads.c where ThreadSanitizer watches: it does not know the locks inside OpenMP, and would report
 * what they protect. Every part runs in a thread of its own. */
#include "kernels.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct {
    part_of_kernel *function;
    int part, parts;
    const void *arguments;
    void *workspace;
} job;

static void *start(void *argument)
{
    const job *j = argument;
    j->function(j->part, j->parts, j->arguments, j->workspace);
    return NULL;
}

void parallel_run(part_of_kernel *function, int parts, const void *arguments, void *workspace)
{
    enum { MOST = 64 };
    pthread_t threads[MOST];
    job jobs[MOST];
    if (parts > MOST)
        abort();
    for (int part = 0; part < parts; part++) {
        jobs[part] = (job){function, part, parts, arguments, workspace};
        if (pthread_create(&threads[part], NULL, start, &jobs[part]))
            abort();
    }
    for (int part = 0; part < parts; part++)
        pthread_join(threads[part], NULL);
}
