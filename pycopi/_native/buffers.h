/* Arguments of the module's functions: NumPy arrays, or other buffers, taken and checked before a kernel runs. */
#ifndef PYCOPI_BUFFERS_H
#define PYCOPI_BUFFERS_H

#include <Python.h>

/* What one argument must be. A function lists its arguments in the order of its views, those it writes first. */
typedef struct {
    const char *name;
    int ndim;     /* 1 or 2 */
    int optional; /* may be None or absent: its view is then empty, with obj and buf NULL */
    int in_place; /* an input that may be the first argument itself: same address, same stride */
} argument_rule;

/* Fills the views of arguments that all have the element type of the first, float32 or float64, contiguous along
 * their last axis and aligned. Views start zeroed; release_buffers() follows, also after a failure. Like the
 * checks below it returns 0, or -1 with an exception set. */
int get_buffers(PyObject *const *objects, const argument_rule *rules, int count, Py_buffer *views);
void release_buffers(Py_buffer *views, int count);

/* That an argument that was given has this shape; columns is left out for one dimension. `why` follows "expected
 * (2, 3)", as in "to fit matrix". */
int check_shape(const Py_buffer *view, const argument_rule *rule, Py_ssize_t rows, Py_ssize_t columns, const char *why);

/* That the first `written` arguments can be written, and that writing them changes no value of another one. */
int check_written(const Py_buffer *views, const argument_rule *rules, int count, int written);

/* Elements from row to row; 0 where there is only one row, one dimension, or no array. */
Py_ssize_t row_stride(const Py_buffer *view);

#endif
