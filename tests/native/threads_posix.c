/* Stands in for threads.c where ThreadSanitizer watches: it does not know the locks inside OpenMP, and would report
 * what they protect. Every part runs in a thread of its own. */
#include "threads.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct {
    int part, parts;
    void (*function)(int part, int parts, void *argument);
    void *argument;
} job;

static void *start(void *argument)
{
    const job *j = argument;
    j->function(j->part, j->parts, j->argument);
    return NULL;
}

void parallel_run(int parts, void (*function)(int part, int parts, void *argument), void *argument)
{
    enum { MOST = 64 };
    pthread_t threads[MOST];
    job jobs[MOST];
    if (parts > MOST)
        abort();
    for (int part = 0; part < parts; part++) {
        jobs[part] = (job){part, parts, function, argument};
        if (pthread_create(&threads[part], NULL, start, &jobs[part]))
            abort();
    }
    for (int part = 0; part < parts; part++)
        pthread_join(threads[part], NULL);
}
