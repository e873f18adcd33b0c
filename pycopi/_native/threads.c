/* A small pool of threads. The caller takes parts as the others do, so a thread that has not begun, because another
 * program or another library's threads keep its processor busy, costs nothing: with OpenMP, whose threads meet at the
 * end of each region, the caller would wait for it. For one that has begun it waits; so the pool keeps an account of
 * what sharing saves, and rests where it loses. How many threads there are is OpenMP's to say, where it is linked, so
 * that its environment variables and threadpoolctl set it. */
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
#define MOST_SAVED 2e-2     /* seconds that sharing may lose again before the pool rests, ... */
#define REST_PER_LOSS 30    /* ... so many times the loss, and twice as long as before, ... */
#define LONGEST_REST 2.0    /* ... but no more seconds */
#define CHECK 127           /* jobs of which one is done alone, to see what that takes: the others of a step in turn */
#define FIRST_ALONE 3       /* jobs of each size that are done alone to begin with, ... */
#define LARGE 1e9           /* ... unless they are as large as this */
#define PLACES 64
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

/* What jobs of a size take alone, seconds a unit of work; sizes may share a place. */
typedef struct {
    double pace;
    int jobs; /* that were done alone, up to FIRST_ALONE */
} place;

/* Whether sharing pays: what jobs take is compared with what jobs of the same size took alone. Like `row`, this belongs
 * to the job that found no other running. */
static struct {
    place places[PLACES];
    double saved, rest, until; /* seconds: saved so far, of the last rest, and when that ends */
    unsigned jobs;
} account = {.saved = MOST_SAVED};

/* The job that this thread has claimed: its place in the account, if it has one, the seconds that its parts have
 * taken, whether it is done alone, and whether other threads have done a part. */
static __thread struct {
    double work, took;
    place *place;
    int alone, shared;
} job;

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

int threads_available(void)
{
#ifdef _OPENMP
    const long count = omp_get_max_threads();
#else
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
#endif
    return count < 1 ? 1 : count < MOST_THREADS ? (int)count : MOST_THREADS;
}

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Threads that sleep are woken where that pays: for a job that is large by itself, or one of many in a row. What is
 * noted here is the job's that gets the pool, so a call during another one notes nothing. */
int threads_claim(double work, int always)
{
    if (!pool.prepared++)
        pthread_atfork(NULL, NULL, forget);
    const int others = calls++;
    job.place = NULL;
    job.took = 0;
    job.alone = job.shared = 0;
    if (work < 2 * WORK_PER_THREAD || (others && !always))
        return 1;
    const int available = threads_available();
    const int parts = work < available * WORK_PER_THREAD ? (int)(work / WORK_PER_THREAD) : available;
    if (others || parts == 1)
        return parts;
    const double now = seconds();
    pool.row = now < pool.until ? pool.row + work : work;
    pool.until = now + LULL + SLOWEST * work;
    job.work = work;
    job.place = &account.places[(uint64_t)work * 0x9e3779b97f4a7c15 >> 58];
    job.alone = now < account.until || (job.place->jobs < FIRST_ALONE && work < LARGE) || ++account.jobs % CHECK == 0;
    const int asleep = pool.row < WORK_TO_WAKE && __atomic_load_n(&pool.sleeping, __ATOMIC_SEQ_CST);
    return !always && (job.alone || asleep) ? 1 : parts;
}

/* Notes what a job took alone. Memory that is new, or other programs on the processor, make single ones slow: of the
 * first jobs the fastest counts, and later a slower one little. */
static void note_alone(double took)
{
    place *const found = job.place;
    const double pace = took / job.work, change = pace - found->pace, most = found->pace / 4;
    if (found->jobs == FIRST_ALONE)
        found->pace += change < 0 ? change / 2 : (change < most ? change : most) / 8;
    else if (!found->jobs++ || change < 0)
        found->pace = pace;
}

/* Notes what a job took of which other threads did a part. */
static void note_shared(double took)
{
    if (!job.place->jobs)
        return;
    account.saved += job.place->pace * job.work - took;
    if (account.saved > MOST_SAVED) {
        account.saved = MOST_SAVED;
        account.rest = 0;
    } else if (account.saved < 0) {
        const double rest = 2 * account.rest - REST_PER_LOSS * account.saved;
        account.rest = rest < LONGEST_REST ? rest : LONGEST_REST;
        account.until = seconds() + account.rest;
        account.saved = 0;
    }
}

void threads_release(void)
{
    calls--;
    if (job.took > 0 && job.alone) /* a job for which there was no memory took none */
        note_alone(job.took);
    else if (job.took > 0 && job.shared)
        note_shared(job.took);
}

/* Runs the parts of a job together with the other threads; returns how many this one has run. */
static int run_shared(part_of_kernel *function, int parts, const void *arguments, void *workspace)
{
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
    int own = 0;
    while (run_part(1))
        own++;
    for (int spin = 0; __atomic_load_n(&pool.done, __ATOMIC_ACQUIRE) < parts; spin++)
        spin < SPINS ? (void)PAUSE() : (void)sched_yield();
    return own;
}

/* The parts are done one after the other where there is one only, or the pool rests or has another job. */
void parallel_run(part_of_kernel *function, int parts, const void *arguments, void *workspace)
{
    const double start = job.place ? seconds() : 0;
    if (parts == 1 || job.alone || __atomic_exchange_n(&pool.taken, 1, __ATOMIC_ACQUIRE)) {
        for (int part = 0; part < parts; part++)
            function(part, parts, arguments, workspace);
    } else {
        job.shared |= run_shared(function, parts, arguments, workspace) < parts;
        __atomic_store_n(&pool.taken, 0, __ATOMIC_RELEASE);
    }
    job.took += job.place ? seconds() - start : 0;
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
