#include "arguments.h"

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
    const int ndim = (int)strlen(rule->shape);
    if (!PyObject_CheckBuffer(object))
        return PyErr_Format(PyExc_TypeError, "%s is of %R; expected a float32 or float64 array", name,
                            Py_TYPE(object)), -1;
    if (PyObject_GetBuffer(object, view, PyBUF_STRIDES | PyBUF_FORMAT) < 0)
        return -1;
    const Py_ssize_t size = view->itemsize, stride = view->ndim ? view->strides[view->ndim - 1] : 0;
    if (!type_of(view))
        PyErr_Format(PyExc_ValueError, "%s has the buffer format '%s'; expected 'f' or 'd' (float32 or float64 in the "
                     "byte order of this machine): convert it first", name, view->format);
    else if (view->ndim != ndim)
        PyErr_Format(PyExc_ValueError, "%s has ndim %d; expected %d", name, view->ndim, ndim);
    else if (view->shape[ndim - 1] > 1 && stride != size)
        PyErr_Format(PyExc_ValueError, "%s has a stride of %zd bytes along its last axis; expected %zd (contiguous): "
                     "copy it first, as in numpy.ascontiguousarray(%s)", name, stride, size, name);
    else if ((uintptr_t)view->buf % (size_t)size || (ndim == 2 && view->shape[0] > 1 && view->strides[0] % size))
        PyErr_Format(PyExc_ValueError, "%s is not aligned to its %zd-byte elements; copy it first, as in "
                     "numpy.array(%s)", name, size, name);
    else if (rule->flags & WRITTEN && view->readonly)
        PyErr_Format(PyExc_ValueError, "%s is read-only; expected a writable array: pass a copy of it", name);
    else
        return 0;
    return -1;
}

/* Binds each letter that is new to the size found, and compares the others, and numbers. */
static int check_shape(arguments *taken, const Py_buffer *view, const argument_rule *rule)
{
    for (int i = 0; rule->shape[i]; i++) {
        const char letter = rule->shape[i];
        Py_ssize_t number = letter - '0';
        Py_ssize_t *const size =
            letter == 'k' ? &taken->k : letter == 'm' ? &taken->m : letter == 'n' ? &taken->n : &number;
        if (*size < 0)
            *size = view->shape[i];
        if (view->shape[i] != *size)
            return PyErr_Format(PyExc_ValueError, "%s has size %zd along axis %d; expected %zd to fit the arguments "
                                "before it", rule->name, view->shape[i], i, *size), -1;
    }
    return 0;
}

/* Bytes from row to row; 0 where there is only one row. */
static Py_ssize_t byte_stride(const Py_buffer *v) { return v->ndim == 2 && v->shape[0] > 1 ? v->strides[0] : 0; }

static Py_ssize_t row_bytes(const Py_buffer *view) { return view->shape[view->ndim - 1] * view->itemsize; }

/* Whether arrays may share memory: their ranges of addresses meet. Interleaved rows count as shared. */
static int overlap(const Py_buffer *a, const Py_buffer *b)
{
    const Py_buffer *views[2] = {a, b};
    uintptr_t low[2], high[2];
    for (int i = 0; i < 2; i++) {
        const Py_ssize_t stride = byte_stride(views[i]), span = stride ? stride * (views[i]->shape[0] - 1) : 0;
        low[i] = (uintptr_t)views[i]->buf + (uintptr_t)(span < 0 ? span : 0);
        high[i] = (uintptr_t)views[i]->buf + (uintptr_t)(span < 0 ? 0 : span) + (uintptr_t)row_bytes(views[i]);
    }
    return a->len && b->len && low[0] < high[1] && low[1] < high[0];
}

/* That writing argument `o` changes no other value. */
static int check_written(const arguments *taken, const argument_rule *rules, int count, int o)
{
    const Py_buffer *const out = &taken->views[o];
    const Py_ssize_t stride = byte_stride(out), width = row_bytes(out);
    if (out->ndim == 2 && out->shape[0] > 1 && stride < width && -stride < width)
        return PyErr_Format(PyExc_ValueError, "%s has rows of %zd bytes that lie %zd bytes apart, so they share "
                            "memory; pass a copy of it", rules[o].name, width, stride), -1;
    for (int i = 0; i < count; i++) {
        const Py_buffer *const other = &taken->views[i];
        const int in_place = rules[i].flags & IN_PLACE;
        if (i == o || !other->obj || !overlap(out, other) ||
            (o == 0 && in_place && out->buf == other->buf && stride == byte_stride(other)))
            continue;
        return PyErr_Format(PyExc_ValueError, "%s overlaps %s in memory; expected separate memory%s: pass a copy of %s",
                            rules[o].name, rules[i].name, in_place ? ", or the very same" : "", rules[i].name), -1;
    }
    return 0;
}

static int take_all(arguments *taken, const argument_rule *rules, int count, PyObject *const *objects)
{
    for (int i = 0; i < count; i++) {
        Py_buffer *const view = &taken->views[i];
        if (!*rules[i].shape) {
            taken->numbers[i] = PyFloat_AsDouble(objects[i]);
            if (taken->numbers[i] == -1 && PyErr_Occurred())
                return -1;
        } else if (!(rules[i].flags & OPTIONAL) || objects[i] != Py_None) {
            if (get_buffer(objects[i], view, &rules[i]) < 0 || check_shape(taken, view, &rules[i]) < 0)
                return -1;
            if (type_of(view) != type_of(&taken->views[0]))
                return PyErr_Format(PyExc_ValueError, "%s has the buffer format '%s' but %s has '%s'; convert one of "
                                    "them to the other's dtype", rules[i].name, view->format, rules[0].name,
                                    taken->views[0].format), -1;
            taken->arrays[i] = (strided){view->buf, byte_stride(view) / view->itemsize};
        }
    }
    for (int i = 0; i < count; i++)
        if (rules[i].flags & WRITTEN && taken->views[i].obj && check_written(taken, rules, count, i) < 0)
            return -1;
    taken->itemsize = (size_t)taken->views[0].itemsize;
    return 0;
}

int take_arguments(arguments *taken, const char *function, const argument_rule *rules, int count,
                   PyObject *const *objects, Py_ssize_t given)
{
    if (given != count)
        return PyErr_Format(PyExc_TypeError, "%s takes %d arguments; got %zd", function, count, given), -1;
    *taken = (arguments){.k = -1, .m = -1, .n = -1};
    if (take_all(taken, rules, count, objects) == 0)
        return 0;
    release_arguments(taken);
    return -1;
}

void release_arguments(arguments *taken)
{
    for (int i = 0; i < MOST_ARGUMENTS; i++)
        if (taken->views[i].obj)
            PyBuffer_Release(&taken->views[i]);
}
