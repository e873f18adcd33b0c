#include "buffers.h"

#include <stdint.h>
#include <string.h>

/* 'f' or 'd' for a buffer of floats or doubles in the byte order of this machine, else 0. */
static char type_of(const Py_buffer *view)
{
    const char *format = view->format + (view->format[0] == '@' || view->format[0] == '=');
    return strcmp(format, "f") && strcmp(format, "d") ? 0 : format[0];
}

/* Fills the view of one argument and checks all that does not depend on the other arguments. */
static int get_buffer(PyObject *object, Py_buffer *view, const argument_rule *rule)
{
    const char *name = rule->name;
    const int ndim = rule->ndim;
    if (!PyObject_CheckBuffer(object)) {
        PyErr_Format(PyExc_TypeError, "%s is of %R; expected a float32 or float64 array", name, Py_TYPE(object));
        return -1;
    }
    if (PyObject_GetBuffer(object, view, PyBUF_STRIDES | PyBUF_FORMAT) < 0)
        return -1;
    const Py_ssize_t size = view->itemsize, stride = view->ndim ? view->strides[view->ndim - 1] : 0;
    if (!type_of(view))
        PyErr_Format(PyExc_ValueError,
                     "%s has the buffer format '%s'; expected 'f' or 'd' (float32 or float64 in the byte order of "
                     "this machine): convert it first",
                     name, view->format);
    else if (view->ndim != ndim)
        PyErr_Format(PyExc_ValueError, "%s has ndim %d; expected %d", name, view->ndim, ndim);
    else if (view->shape[ndim - 1] > 1 && stride != size)
        PyErr_Format(PyExc_ValueError,
                     "%s has a stride of %zd bytes along its last axis; expected %zd (contiguous): copy it first, as "
                     "in numpy.ascontiguousarray(%s)",
                     name, stride, size, name);
    else if ((uintptr_t)view->buf % (size_t)size || (ndim == 2 && view->shape[0] > 1 && view->strides[0] % size))
        PyErr_Format(PyExc_ValueError,
                     "%s is not aligned to its %zd-byte elements; copy it first, as in numpy.array(%s)", name, size,
                     name);
    else
        return 0;
    return -1;
}

int get_buffers(PyObject *const *objects, const argument_rule *rules, int count, Py_buffer *views)
{
    for (int i = 0; i < count; i++) {
        if (rules[i].optional && (!objects[i] || objects[i] == Py_None))
            continue;
        if (get_buffer(objects[i], &views[i], &rules[i]) < 0)
            return -1;
        if (type_of(&views[i]) != type_of(&views[0])) {
            PyErr_Format(PyExc_ValueError,
                         "%s has the buffer format '%s' but %s has '%s'; convert one of them to the other's dtype",
                         rules[i].name, views[i].format, rules[0].name, views[0].format);
            return -1;
        }
    }
    return 0;
}

void release_buffers(Py_buffer *views, int count)
{
    for (int i = 0; i < count; i++)
        PyBuffer_Release(&views[i]); /* does nothing where there is no view */
}

int check_shape(const Py_buffer *view, const argument_rule *rule, Py_ssize_t rows, Py_ssize_t columns, const char *why)
{
    if (!view->obj || (view->shape[0] == rows && (rule->ndim == 1 || view->shape[1] == columns)))
        return 0;
    if (rule->ndim == 1)
        PyErr_Format(PyExc_ValueError, "%s has shape (%zd,); expected (%zd,) %s", rule->name, view->shape[0], rows,
                     why);
    else
        PyErr_Format(PyExc_ValueError, "%s has shape (%zd, %zd); expected (%zd, %zd) %s", rule->name, view->shape[0],
                     view->shape[1], rows, columns, why);
    return -1;
}

/* Bytes from row to row; 0 also where there is only one row. */
static Py_ssize_t byte_stride(const Py_buffer *view)
{
    return view->obj && view->ndim == 2 && view->shape[0] > 1 ? view->strides[0] : 0;
}

Py_ssize_t row_stride(const Py_buffer *view)
{
    return view->obj ? byte_stride(view) / view->itemsize : 0;
}

static size_t row_bytes(const Py_buffer *view)
{
    return (size_t)(view->shape[view->ndim - 1] * view->itemsize);
}

/* Bytes from row to row upwards in memory, whichever way the array counts its rows. */
static size_t pitch(const Py_buffer *view)
{
    const Py_ssize_t stride = byte_stride(view);
    return (size_t)(stride < 0 ? -stride : stride);
}

/* Whether arrays share memory. Exact where both have the same row stride, such as two blocks of columns of one
 * matrix; otherwise decided by their lowest and highest addresses, so that interleaved rows count as shared. */
static int overlap(const Py_buffer *a, const Py_buffer *b)
{
    const Py_buffer *views[2] = {a, b};
    uintptr_t low[2], high[2];
    for (int i = 0; i < 2; i++) {
        const size_t span = pitch(views[i]) * (size_t)(views[i]->shape[0] - 1);
        low[i] = (uintptr_t)views[i]->buf - (byte_stride(views[i]) < 0 ? span : 0);
        high[i] = low[i] + span + row_bytes(views[i]);
    }
    if (a->len == 0 || b->len == 0 || high[0] <= low[1] || high[1] <= low[0])
        return 0;
    const size_t stride = pitch(a) ? pitch(a) : pitch(b); /* a single row fits any stride */
    if (stride == 0 || (pitch(b) && pitch(b) != stride))
        return 1;
    const int first = low[0] <= low[1] ? 0 : 1;
    const size_t ahead = (low[1 - first] - low[first]) % stride;
    return ahead < row_bytes(views[first]) || stride - ahead < row_bytes(views[1 - first]);
}

static int check_output(const Py_buffer *out, const argument_rule *rule)
{
    if (out->readonly) {
        PyErr_Format(PyExc_ValueError, "%s is read-only; expected a writable array: pass a copy of it", rule->name);
        return -1;
    }
    if (out->ndim == 2 && out->shape[0] > 1 && pitch(out) < row_bytes(out)) {
        PyErr_Format(PyExc_ValueError,
                     "%s has rows of %zd bytes that lie %zd bytes apart, so they share memory; pass a copy of it",
                     rule->name, (Py_ssize_t)row_bytes(out), byte_stride(out));
        return -1;
    }
    return 0;
}

int check_written(const Py_buffer *views, const argument_rule *rules, int count, int written)
{
    for (int o = 0; o < written; o++) {
        const Py_buffer *out = &views[o];
        if (!out->obj)
            continue;
        if (check_output(out, &rules[o]) < 0)
            return -1;
        for (int i = o + 1; i < count; i++) {
            const int same = o == 0 && rules[i].in_place && out->buf == views[i].buf &&
                             byte_stride(out) == byte_stride(&views[i]);
            if (!views[i].obj || same || !overlap(out, &views[i]))
                continue;
            PyErr_Format(PyExc_ValueError, "%s overlaps %s in memory; expected separate memory%s: pass a copy of %s",
                         rules[o].name, rules[i].name, rules[i].in_place ? ", or the very same" : "", rules[i].name);
            return -1;
        }
    }
    return 0;
}
