/* Runs jobs in the pool of threads by a clock that only their parts move, so that a thread is late where the test says
 * so: the pool has to rest where sharing a job loses time, for longer each time, and to share again where it saves.
 * Exits with 1 at the first job that was done otherwise. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static long long nanoseconds = 1000000000;

static int pretend(struct timespec *time)
{
    const long long now = __atomic_load_n(&nanoseconds, __ATOMIC_SEQ_CST);
    time->tv_sec = (time_t)(now / 1000000000);
    time->tv_nsec = (long)(now % 1000000000);
    return 0;
}

#define clock_gettime(which, time) pretend(time)
#define sysconf(name) 2L
#include "threads.c"

#define MILLISECOND 1000000LL
#define JOB 1e8 /* work enough to wake a thread */

typedef struct {
    pthread_t caller;
    long long own, other; /* milliseconds of a part, where the caller does it and where the other thread does */
    int shared, begun, done[2];
} job_of_test;

static void part_of_test(int part, int parts, const void *arguments, void *workspace)
{
    job_of_test *test = workspace;
    const int caller = pthread_equal(pthread_self(), test->caller);
    (void)parts, (void)arguments;
    test->done[part]++;
    __atomic_add_fetch(&test->begun, 1, __ATOMIC_SEQ_CST);
    while (test->shared && __atomic_load_n(&test->begun, __ATOMIC_SEQ_CST) < 2) /* so each thread has a part */
        sched_yield();
    __atomic_add_fetch(&nanoseconds, (caller ? test->own : test->other) * MILLISECOND, __ATOMIC_SEQ_CST);
}

static void no_part(int part, int parts, const void *arguments, void *workspace)
{
    (void)part, (void)parts, (void)arguments, (void)workspace;
}

/* Does a job, of which a second run of parts takes no time; whether it was shared, or -1 where a part was not done once. By the clock it takes all its parts took. */
static int run(long long own, long long other, int always)
{
    job_of_test test = {.caller = pthread_self(), .own = own, .other = other};
    const int parts = threads_claim(JOB, always);
    test.shared = parts == 2 && !job.alone;
    parallel_run(part_of_test, parts, NULL, &test);
    parallel_run(no_part, parts, NULL, NULL);
    threads_release();
    const int good = test.done[0] == 1 && test.done[1] == parts - 1 && (!always || parts == 2);
    return good ? test.shared : -1;
}

static int shared_of(int jobs, long long own, long long other)
{
    int shared = 0;
    for (int i = 0; i < jobs; i++)
        shared += run(own, other, 0);
    return shared;
}

static void pass(long long milliseconds) { nanoseconds += milliseconds * MILLISECOND; }

static int failed;

static void expect(const char *what, int found, int wanted)
{
    if (found != wanted)
        printf("%s: found %d, expected %d\n", what, found, wanted);
    failed |= found != wanted;
}

int main(void)
{
    for (int i = 0; i < FIRST_ALONE; i++) /* the first on new memory, say */
        expect("the first jobs are done alone", run(i ? 10 : 60, 0, 0), 0);
    expect("the next ones are shared", shared_of(CHECK - 1, 2, 3), CHECK - 1);
    expect("but one in so many", run(10, 0, 0), 0);
    expect("no more than was saved is lost", run(2, 25, 0), 1);
    expect("so jobs are shared", run(2, 14, 0), 1);
    expect("until more is lost", run(10, 0, 0), 0);
    expect("those in a set number of parts, too", run(5, 0, 1), 0);
    pass(60);
    expect("for thirty times the loss", run(10, 0, 0), 0);
    pass(5);
    expect("and no longer", run(2, 9, 0), 1);
    pass(200);
    expect("a rest after a rest is longer", run(10, 0, 0), 0);
    for (int i = 0; i < 9; i++) {
        pass(2100);
        expect("up to two seconds", run(2, 30, 0), 1);
    }
    pass(1900);
    expect("which it takes", run(10, 0, 0), 0);
    pass(100);
    expect("what is saved ends that", shared_of(10, 2, 3), 10);
    expect("a loss of more", run(2, 29, 0), 1);
    expect("means a rest", run(10, 0, 0), 0);
    pass(25);
    expect("that is short again", run(2, 3, 0), 1);
    if (!failed)
        printf("the pool rests where sharing loses\n");
    return failed;
}
