/* A small pool of threads. The caller takes parts as the others do, so a thread that is late, because another program
 * or another library's threads keep its processor busy, costs no more than its share of the work: with OpenMP, whose
 * threads meet at the end of each region, the caller would wait for it. How many threads there are is OpenMP's
 * to say, where it is linked, so that its environment variables and threadpoolctl set it. */
#define _POSIX_C_SOURCE 200809L
#include "kernels.h"

#if defined(__GNUC__) && !defined(_WIN32)
#define HAVE_POOL 1
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

#ifdef HAVE_POOL

#define MOST_THREADS 64
#define WORK_PER_THREAD 5e5 /* some 10 microseconds, several times what sharing a job costs */
#define WORK_TO_WAKE 3e7    /* a millisecond of it, after which a thread that slept has come to its processor, ... */
#define LULL 2e-3           /* ... in jobs with no more than so many seconds between them, where a job ... */
#define SLOWEST 1e-10       /* ... takes at most so many for each unit of its work */
#define SPINS 20000         /* before a thread goes to sleep: longer than any pause in a training step */
#ifdef __x86_64__
#define PAUSE() __builtin_ia32_pause()
#else
#define PAUSE() (void)0
#endif

static int calls; /* running now; changed and read with the GIL held */

/* The ticket holds the number of the job, and in its last two bytes the first part that nobody has taken and the one
 * past the last: the caller takes parts from the front, the others from the back, so that each finds in its cache
 * what it wrote before. What describes a job is written only when every part of the job before it is done. */
static struct {
    part_of_kernel *function;
    const void *arguments;
    void *workspace;
    uint64_t ticket;
    int parts, done, workers, sleeping, prepared, taken;
    double row, until; /* work of the last job and those shortly before it, and when the next is too late to count */
    pthread_mutex_t lock;
    pthread_cond_t wake;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

#define FIRST(ticket) ((int)((ticket) >> 8 & 0xff))
#define END(ticket) ((int)((ticket) & 0xff))
#define LEFT(ticket) (END(ticket) - FIRST(ticket))

/* Takes one part of the current job and runs it; 0 where none is left. */
static int run_part(int caller)
{
    uint64_t ticket = __atomic_load_n(&pool.ticket, __ATOMIC_ACQUIRE);
    do {
        if (!LEFT(ticket))
            return 0;
    } while (!__atomic_compare_exchange_n(&pool.ticket, &ticket, caller ? ticket + 0x100 : ticket - 1, 0,
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    pool.function(caller ? FIRST(ticket) : END(ticket) - 1, pool.parts, pool.arguments, pool.workspace);
    __atomic_add_fetch(&pool.done, 1, __ATOMIC_RELEASE);
    return 1;
}

static void *work(void *unused)
{
    for (;;) {
        for (int spin = 0; spin < SPINS; spin++) {
            if (run_part(0))
                spin = 0;
            PAUSE();
        }
        pthread_mutex_lock(&pool.lock);
        __atomic_add_fetch(&pool.sleeping, 1, __ATOMIC_SEQ_CST);
        while (!LEFT(__atomic_load_n(&pool.ticket, __ATOMIC_SEQ_CST)))
            pthread_cond_wait(&pool.wake, &pool.lock);
        __atomic_sub_fetch(&pool.sleeping, 1, __ATOMIC_SEQ_CST);
        pthread_mutex_unlock(&pool.lock);
    }
    return unused;
}

/* A forked child is a thread alone: it starts a pool of its own when it needs one. */
static void forget(void)
{
    pool.workers = pool.sleeping = pool.taken = calls = 0;
    pool.ticket &= ~(uint64_t)0xffff;
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
}

/* Starts threads up to a number, if the system lets it; signals stay with the threads of the program. */
static void hire(int workers)
{
    sigset_t all, usual;
    if (pool.workers >= workers)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &usual);
    for (pthread_t thread; pool.workers < workers && !pthread_create(&thread, NULL, work, NULL); pool.workers++)
        pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &usual, NULL);
}

void threads_release(void) { calls--; }

int threads_available(void)
{
#ifdef _OPENMP
    const long count = omp_get_max_threads();
#else
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
#endif
    return count < 1 ? 1 : count < MOST_THREADS ? (int)count : MOST_THREADS;
}

/* Threads that sleep are woken where that pays: for a job that is large by itself, or one of many in a row. What is
 * noted here is the job's that gets the pool, so a call during another one notes nothing. */
int threads_claim(double work, int always)
{
    struct timespec time;
    if (!pool.prepared++)
        pthread_atfork(NULL, NULL, forget);
    const int others = calls++;
    if (work < 2 * WORK_PER_THREAD || (others && !always))
        return 1;
    const int available = threads_available();
    const int parts = work < available * WORK_PER_THREAD ? (int)(work / WORK_PER_THREAD) : available;
    if (others)
        return parts;
    clock_gettime(CLOCK_MONOTONIC, &time);
    const double now = (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
    pool.row = now < pool.until ? pool.row + work : work;
    pool.until = now + LULL + SLOWEST * work;
    return !always && pool.row < WORK_TO_WAKE && __atomic_load_n(&pool.sleeping, __ATOMIC_SEQ_CST) ? 1 : parts;
}

/* Runs the parts of a job one after the other, where there is one only, or the pool has another job. */
static void run_alone(part_of_kernel *function, int parts, const void *arguments, void *workspace)
{
    for (int part = 0; part < parts; part++)
        function(part, parts, arguments, workspace);
}

void parallel_run(part_of_kernel *function, int parts, const void *arguments, void *workspace)
{
    if (parts == 1 || __atomic_exchange_n(&pool.taken, 1, __ATOMIC_ACQUIRE)) {
        run_alone(function, parts, arguments, workspace);
        return;
    }
    hire(parts - 1);
    pool.function = function;
    pool.parts = parts;
    pool.arguments = arguments;
    pool.workspace = workspace;
    __atomic_store_n(&pool.done, 0, __ATOMIC_RELAXED);
    const uint64_t number = (__atomic_load_n(&pool.ticket, __ATOMIC_RELAXED) >> 16) + 1;
    __atomic_store_n(&pool.ticket, number << 16 | (uint64_t)parts, __ATOMIC_SEQ_CST);
    if (pool.row >= WORK_TO_WAKE && __atomic_load_n(&pool.sleeping, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&pool.lock);
        pthread_cond_broadcast(&pool.wake);
        pthread_mutex_unlock(&pool.lock);
    }
    while (run_part(1))
        continue;
    for (int spin = 0; __atomic_load_n(&pool.done, __ATOMIC_ACQUIRE) < parts; spin++)
        spin < SPINS ? (void)PAUSE() : (void)sched_yield();
    __atomic_store_n(&pool.taken, 0, __ATOMIC_RELEASE);
}

#else

int threads_available(void) { return 1; }
int threads_claim(double work, int always) { return (void)work, (void)always, 1; }
void threads_release(void) {}

void parallel_run(part_of_kernel *function, int parts, const void *arguments, void *workspace)
{
    for (int part = 0; part < parts; part++)
        function(part, parts, arguments, workspace);
}

#endif
