/* The threads of the C core: one pool, that of OpenMP, which libraries such as threadpoolctl can limit. */
#ifndef PYCOPI_THREADS_H
#define PYCOPI_THREADS_H

/* How many threads a large call would use now. */
int threads_available(void);

/* In how many parts a call shall be done. `work` is its multiplications, or bytes of matrices moved where those are
 * more. One part where threads do not pay, or where a call from another Python thread is running. Both are called
 * with the GIL held, and threads_release() after every threads_claim(). */
int threads_claim(double work);
void threads_release(void);

/* Calls function(part, parts, argument) for every part from 0 to parts - 1, and returns when all are done. */
void parallel_run(int parts, void (*function)(int part, int parts, void *argument), void *argument);

#endif
