/* pycopi._core: checks the arguments, then runs the kernels of rank_k.c without the GIL. The build defines
 * Py_LIMITED_API, so that one binary serves every Python from 3.11 on. */
#include <Python.h>

#include <stdint.h>
#include <string.h>

#include "rank_k.h"

typedef struct {
    const instruction_set *sets[INSTRUCTION_SETS_MAX], *active;
    int count;
} module_state;

/* Filled at the first use, which spares an initialising function; the GIL is held. */
static module_state *state_of(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    if (!state->count) {
        state->count = instruction_sets(state->sets);
        state->active = state->sets[state->count - 1];
    }
    return state;
}

enum { OUT, MATRIX, LEFT, RIGHT, PRODUCT, ROW_SCALE, COLUMN_SCALE, BUFFERS };

static const char *const names[] = {"out", "matrix", "left", "right", "product", "row_scale", "column_scale"};

/* 'f' or 'd' for a buffer of floats or doubles in the byte order of this machine, else 0. */
static char type_of(const Py_buffer *view)
{
    const char *format = view->format + (view->format[0] == '@' || view->format[0] == '=');
    return strcmp(format, "f") && strcmp(format, "d") ? 0 : format[0];
}

/* Fills the view of one argument and checks all that does not depend on the other arguments. */
static int get_buffer(PyObject *object, Py_buffer *view, const char *name, int ndim)
{
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

static int get_buffers(PyObject *const *objects, Py_buffer *views)
{
    for (int i = 0; i < BUFFERS; i++) {
        if (i >= PRODUCT && (!objects[i] || objects[i] == Py_None))
            continue;
        if (get_buffer(objects[i], &views[i], names[i], i < ROW_SCALE ? 2 : 1) < 0)
            return -1;
        if (i > OUT && type_of(&views[i]) != type_of(&views[OUT])) {
            PyErr_Format(PyExc_ValueError,
                         "%s has the buffer format '%s' but out has '%s'; convert one of them to the other's dtype",
                         names[i], views[i].format, views[OUT].format);
            return -1;
        }
    }
    return 0;
}

static int check_shapes(const Py_buffer *views)
{
    const Py_ssize_t m = views[MATRIX].shape[0], n = views[MATRIX].shape[1], k = views[LEFT].shape[0];
    const Py_ssize_t expected[ROW_SCALE][2] = {{m, n}, {m, n}, {k, m}, {k, n}, {m, n}};
    for (int i = 0; i < ROW_SCALE; i++) {
        const Py_ssize_t *shape = views[i].shape;
        if (views[i].obj && (shape[0] != expected[i][0] || shape[1] != expected[i][1])) {
            PyErr_Format(PyExc_ValueError,
                         "%s has shape (%zd, %zd) but matrix has shape (%zd, %zd) and left has %zd rows; expected "
                         "(%zd, %zd)", names[i], shape[0], shape[1], m, n, k, expected[i][0], expected[i][1]);
            return -1;
        }
    }
    for (int i = ROW_SCALE; i < BUFFERS; i++) {
        const Py_ssize_t length = i == ROW_SCALE ? m : n;
        if (views[i].obj && views[i].shape[0] != length) {
            PyErr_Format(PyExc_ValueError, "%s has shape (%zd,) but matrix has shape (%zd, %zd); expected (%zd,)",
                         names[i], views[i].shape[0], m, n, length);
            return -1;
        }
    }
    return 0;
}

/* Bytes from row to row; 0 also where there is only one row. */
static Py_ssize_t row_stride(const Py_buffer *view)
{
    return view->obj && view->ndim == 2 && view->shape[0] > 1 ? view->strides[0] : 0;
}

static size_t row_bytes(const Py_buffer *view)
{
    return (size_t)(view->shape[view->ndim - 1] * view->itemsize);
}

/* Bytes from row to row upwards in memory, whichever way the array counts its rows. */
static size_t pitch(const Py_buffer *view)
{
    const Py_ssize_t stride = row_stride(view);
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
        low[i] = (uintptr_t)views[i]->buf - (row_stride(views[i]) < 0 ? span : 0);
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

/* That out can be written, and that writing it changes no value that is still to be read. */
static int check_out(const Py_buffer *views)
{
    const Py_buffer *out = &views[OUT];
    const Py_ssize_t stride = row_stride(out);
    if (out->readonly) {
        PyErr_SetString(PyExc_ValueError, "out is read-only; expected a writable array: pass a copy of it");
        return -1;
    }
    if (out->shape[0] > 1 && pitch(out) < row_bytes(out)) {
        PyErr_Format(PyExc_ValueError,
                     "out has rows of %zd bytes that lie %zd bytes apart, so they share memory; pass a copy of it",
                     (Py_ssize_t)row_bytes(out), stride);
        return -1;
    }
    for (int i = MATRIX; i < BUFFERS; i++) {
        if (!views[i].obj || !overlap(out, &views[i]))
            continue;
        if ((i == MATRIX || i == PRODUCT) && out->buf == views[i].buf && stride == row_stride(&views[i]))
            continue;
        PyErr_Format(PyExc_ValueError, "out overlaps %s in memory; expected separate memory%s: pass a copy of %s",
                     names[i], i == MATRIX ? ", or matrix itself" : "", names[i]);
        return -1;
    }
    return 0;
}

static PyObject *run(const instruction_set *set, const Py_buffer *views, double scale)
{
    const Py_ssize_t itemsize = views[OUT].itemsize;
    rank_k_arguments arguments = {
        .m = views[OUT].shape[0],
        .n = views[OUT].shape[1],
        .k = views[LEFT].shape[0],
        .out_stride = row_stride(&views[OUT]) / itemsize,
        .matrix_stride = row_stride(&views[MATRIX]) / itemsize,
        .left_stride = row_stride(&views[LEFT]) / itemsize,
        .right_stride = row_stride(&views[RIGHT]) / itemsize,
        .product_stride = row_stride(&views[PRODUCT]) / itemsize,
        .out = views[OUT].buf,
        .matrix = views[MATRIX].buf,
        .left = views[LEFT].buf,
        .right = views[RIGHT].buf,
        .product = views[PRODUCT].buf,
        .row_scale = views[ROW_SCALE].buf,
        .column_scale = views[COLUMN_SCALE].buf,
        .scale = scale,
    };
    if (arguments.m && arguments.n) {
        const size_t bytes = rank_k_workspace(set, arguments.n, arguments.k, (size_t)itemsize);
        arguments.workspace = bytes ? PyMem_Malloc(bytes) : NULL;
        if (!arguments.workspace)
            return PyErr_NoMemory();
        Py_BEGIN_ALLOW_THREADS
        (itemsize == sizeof(float) ? set->f32 : set->f64)(&arguments);
        Py_END_ALLOW_THREADS
        PyMem_Free(arguments.workspace);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(rank_k_update_doc,
             "rank_k_update(out, matrix, left, right, scale, row_scale, column_scale, product=None, /)\n--\n\n"
             "Write diag(row_scale) @ matrix @ diag(column_scale) + scale * (left.T @ right + product) into out.");

static PyObject *rank_k_update(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    const module_state *state = state_of(module);
    Py_buffer views[BUFFERS] = {{0}};
    PyObject *result = NULL;
    if (count != BUFFERS && count != BUFFERS + 1)
        return PyErr_Format(PyExc_TypeError, "rank_k_update takes %d or %d arguments; got %zd", BUFFERS,
                            BUFFERS + 1, count);
    PyObject *const arrays[BUFFERS] = {
        arguments[0], arguments[1], arguments[2], arguments[3], count > BUFFERS ? arguments[BUFFERS] : NULL,
        arguments[5], arguments[6]};
    const double scale = PyFloat_AsDouble(arguments[4]);
    if (scale == -1.0 && PyErr_Occurred())
        return NULL;
    if (get_buffers(arrays, views) == 0 && check_shapes(views) == 0 && check_out(views) == 0)
        result = run(state->active, views, scale);
    for (int i = 0; i < BUFFERS; i++)
        PyBuffer_Release(&views[i]); /* does nothing where there is no view */
    return result;
}

static PyObject *get_instruction_sets(PyObject *module, PyObject *Py_UNUSED(unused))
{
    const module_state *state = state_of(module);
    PyObject *result = PyTuple_New(state->count);
    for (int i = 0; result && i < state->count; i++) {
        PyObject *name = PyUnicode_FromString(state->sets[i]->name);
        if (!name || PyTuple_SetItem(result, i, name) < 0)
            Py_CLEAR(result);
    }
    return result;
}

static PyObject *get_instruction_set(PyObject *module, PyObject *Py_UNUSED(unused))
{
    return PyUnicode_FromString(state_of(module)->active->name);
}

static PyObject *set_instruction_set(PyObject *module, PyObject *name)
{
    module_state *state = state_of(module);
    if (!PyUnicode_Check(name))
        return PyErr_Format(PyExc_TypeError, "name is of %R; expected a string", Py_TYPE(name));
    for (int i = 0; i < state->count; i++)
        if (PyUnicode_CompareWithASCIIString(name, state->sets[i]->name) == 0) {
            state->active = state->sets[i];
            Py_RETURN_NONE;
        }
    PyObject *known = get_instruction_sets(module, NULL);
    if (known)
        PyErr_Format(PyExc_ValueError, "this processor has no instruction set %R; expected one of %R", name, known);
    Py_XDECREF(known);
    return NULL;
}

/* The double cast silences the compilers' warning at what CPython asks for. */
static PyMethodDef methods[] = {
    {"rank_k_update", (PyCFunction)(void (*)(void))rank_k_update, METH_FASTCALL, rank_k_update_doc},
    {"instruction_set", get_instruction_set, METH_NOARGS,
     "instruction_set()\n--\n\nReturn the name of the instruction set in use."},
    {"instruction_sets", get_instruction_sets, METH_NOARGS,
     "instruction_sets()\n--\n\nReturn the names of the instruction sets of this processor, slowest first."},
    {"set_instruction_set", set_instruction_set, METH_O,
     "set_instruction_set(name, /)\n--\n\nUse one of instruction_sets() from now on, in the whole process."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pycopi._core",
    .m_doc = "The C core of pycopi.",
    .m_size = sizeof(module_state),
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&definition);
}
