/* The functions of pycopi._core that learn one sample at a time. */
#include "module.h"

const char stream_block_doc[] =
    "stream_block(decorrelated, left, right, scales, projected, rate, whitening, /)\n--\n\n"
    "Go through a block of samples one by one; see samples.h.";

enum { X, U, V, S, G, STREAM };

static const argument_rule stream_rules[STREAM] = {
    {"decorrelated", 2, 0, 0}, {"left", 2, 0, 0}, {"right", 2, 0, 0}, {"scales", 1, 0, 0}, {"projected", 2, 0, 0}};

PyObject *stream_block(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    Py_buffer views[STREAM] = {{0}};
    int good = 0;
    if (count != STREAM + 2)
        return PyErr_Format(PyExc_TypeError, "stream_block takes %d arguments; got %zd", STREAM + 2, count);
    const double rate = PyFloat_AsDouble(arguments[STREAM]), whitening = PyFloat_AsDouble(arguments[STREAM + 1]);
    if (!PyErr_Occurred() && get_buffers(arguments, stream_rules, STREAM, views) == 0) {
        const Py_ssize_t k = views[G].shape[0], n = views[G].shape[1], itemsize = views[G].itemsize;
        good = 1;
        for (int i = 0; good && i < G; i++)
            good = check_shape(&views[i], &stream_rules[i], i == S ? n : k, n, "to fit projected") == 0;
        good = good && check_written(views, stream_rules, STREAM, G) == 0;
        const size_t bytes = stream_workspace(k, n, (size_t)itemsize);
        void *workspace = good && bytes ? PyMem_Malloc(bytes) : NULL;
        if (workspace) {
            const stream_arguments a = {
                k, n, row_stride(&views[G]), row_stride(&views[X]), row_stride(&views[U]), row_stride(&views[V]),
                views[G].buf, views[X].buf, views[U].buf, views[V].buf, views[S].buf, rate, whitening, workspace};
            const instruction_set *set = active_set(module);
            Py_BEGIN_ALLOW_THREADS
            (itemsize == sizeof(float) ? set->stream_f32 : set->stream_f64)(&a);
            Py_END_ALLOW_THREADS
            PyMem_Free(workspace);
        } else if (good)
            PyErr_NoMemory();
        good = workspace != NULL;
    }
    release_buffers(views, STREAM);
    return good ? Py_NewRef(Py_None) : NULL;
}

const char sweep_doc[] =
    "sweep(matrix, pulled, projected, returned, vector, left, right, row_scale, column_scale, sample, scale, /)\n"
    "--\n\nUpdate a matrix for one sample, with products before and after; what is None is left out. See samples.h.";

enum { MATRIX, PULLED, PROJECTED, RETURNED, VECTOR, LEFT, RIGHT, ROW_SCALE, COLUMN_SCALE, SAMPLE, SWEEP };

/* The matrix stands a second time at the end, as what a sweep without an update only reads. */
static const argument_rule sweep_rules[SWEEP + 1] = {
    {"matrix", 2, 0, 0}, {"pulled", 1, 1, 0}, {"projected", 1, 1, 0}, {"returned", 1, 1, 0},
    {"vector", 1, 1, 0}, {"left", 1, 1, 0},   {"right", 1, 1, 0},     {"row_scale", 1, 1, 0},
    {"column_scale", 1, 1, 0}, {"sample", 1, 1, 0}, {"matrix", 2, 0, 0}};

static int check_sweep(Py_buffer *views)
{
    const Py_ssize_t m = views[MATRIX].shape[0], n = views[MATRIX].shape[1];
    const int updates = views[RIGHT].obj != NULL;
    for (int i = PULLED; i < SWEEP; i++)
        if (check_shape(&views[i], &sweep_rules[i],
                        i == PROJECTED || i == VECTOR || i == LEFT || i == ROW_SCALE ? m : n, 0, "to fit matrix") < 0)
            return -1;
    if (!views[PULLED].obj != !views[VECTOR].obj || !views[PROJECTED].obj != !views[SAMPLE].obj ||
        !views[LEFT].obj != !updates || (views[RETURNED].obj && (views[PULLED].obj || !views[PROJECTED].obj)) ||
        (!updates && (views[ROW_SCALE].obj || views[COLUMN_SCALE].obj))) {
        PyErr_SetString(PyExc_ValueError, "expected pulled with vector, projected with sample, left with right, "
                                          "scales with both, and returned with projected and without pulled");
        return -1;
    }
    views[SWEEP] = views[MATRIX];
    return updates ? check_written(views, sweep_rules, SWEEP, VECTOR)
                   : check_written(views + 1, sweep_rules + 1, SWEEP, VECTOR - 1);
}

PyObject *sweep(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    Py_buffer views[SWEEP + 1] = {{0}};
    int good = 0;
    if (count != SWEEP + 1)
        return PyErr_Format(PyExc_TypeError, "sweep takes %d arguments; got %zd", SWEEP + 1, count);
    const double scale = PyFloat_AsDouble(arguments[SWEEP]);
    if (!PyErr_Occurred() && get_buffers(arguments, sweep_rules, SWEEP, views) == 0 && check_sweep(views) == 0) {
        const Py_ssize_t m = views[MATRIX].shape[0], n = views[MATRIX].shape[1], itemsize = views[MATRIX].itemsize;
        const int parts = threads_claim((double)m * (double)n * (double)itemsize);
        const size_t bytes = sweep_workspace(n, parts);
        void *const workspace = PyMem_Malloc(bytes);
        const sweep_arguments a = {
            m, n, row_stride(&views[MATRIX]), views[MATRIX].buf, views[PULLED].buf, views[PROJECTED].buf,
            views[RETURNED].buf, views[VECTOR].buf, views[LEFT].buf, views[RIGHT].buf, views[ROW_SCALE].buf,
            views[COLUMN_SCALE].buf, views[SAMPLE].buf, scale, parts, workspace};
        const instruction_set *set = active_set(module);
        good = workspace != NULL;
        if (good) {
            Py_BEGIN_ALLOW_THREADS
            (itemsize == sizeof(float) ? set->sweep_f32 : set->sweep_f64)(&a);
            Py_END_ALLOW_THREADS
        } else
            PyErr_NoMemory();
        PyMem_Free(workspace);
        threads_release();
    }
    release_buffers(views, SWEEP);
    return good ? Py_NewRef(Py_None) : NULL;
}
