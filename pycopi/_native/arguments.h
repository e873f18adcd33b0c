/* Arguments of the module's functions: numbers, and NumPy arrays or other buffers, checked before a kernel runs. */
#ifndef PYCOPI_ARGUMENTS_H
#define PYCOPI_ARGUMENTS_H

#include <Python.h>

#include "kernels.h"

enum {
    OPTIONAL = 1, /* may be None */
    WRITTEN = 2,  /* must be writable, and share no memory with another argument ... */
    IN_PLACE = 4, /* ... except one with this flag, which may be the first argument itself: same address and stride */
};

/* What one argument must be: a number where `shape` is empty, otherwise an array with a letter (k, m or n) or digit for
 * each dimension; equal letters stand for equal sizes. The first argument is an array. */
typedef struct {
    const char *name, *shape;
    int flags;
} argument_rule;

/* Checked arguments, at their positions; an array that is None has the data NULL. */
#define MOST_ARGUMENTS 22
typedef struct {
    Py_ssize_t k, m, n;
    size_t itemsize; /* of all arrays: of float or double */
    strided arrays[MOST_ARGUMENTS];
    double numbers[MOST_ARGUMENTS];
    Py_buffer views[MOST_ARGUMENTS];
} arguments;

/* Takes the arguments of a call; all arrays have one type, float32 or float64, and are aligned and contiguous along
 * their last axis. Returns 0, and release_arguments() follows, or -1 with an exception set. */
int take_arguments(arguments *taken, const char *function, const argument_rule *rules, int count,
                   PyObject *const *objects, Py_ssize_t given);
void release_arguments(arguments *taken);

#endif
