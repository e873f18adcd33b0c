/* pycopi._core: checks the arguments, then runs the kernels of rank_k.c without the GIL. The build defines
 * Py_LIMITED_API, so that one binary serves every Python from 3.11 on. */
#include "module.h"

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

const instruction_set *active_set(PyObject *module) { return state_of(module)->active; }

enum { OUT, MATRIX, LEFT, RIGHT, PRODUCT, ROW_SCALE, COLUMN_SCALE, BUFFERS };

static const argument_rule rules[BUFFERS] = {
    {"out", 2, 0, 0},     {"matrix", 2, 0, 1},    {"left", 2, 0, 0},         {"right", 2, 0, 0},
    {"product", 2, 1, 1}, {"row_scale", 1, 1, 0}, {"column_scale", 1, 1, 0},
};

static int check_arguments(const Py_buffer *views)
{
    const Py_ssize_t m = views[MATRIX].shape[0], n = views[MATRIX].shape[1], k = views[LEFT].shape[0];
    const Py_ssize_t expected[BUFFERS][2] = {{m, n}, {m, n}, {k, m}, {k, n}, {m, n}, {m, 0}, {n, 0}};
    for (int i = 0; i < BUFFERS; i++)
        if (check_shape(&views[i], &rules[i], expected[i][0], expected[i][1],
                        i == RIGHT ? "to fit matrix and left" : "to fit matrix") < 0)
            return -1;
    return check_written(views, rules, BUFFERS, 1);
}

/* Runs the kernel without the GIL, in as many threads as pay. */
static PyObject *run(PyObject *module, const rank_k_arguments *arguments, size_t itemsize)
{
    const instruction_set *set = active_set(module);
    const double m = (double)arguments->m, n = (double)arguments->n, k = (double)arguments->k;
    const int parts = threads_claim(m * n * (k + 8) + 8 * k * (m < n ? n : m));
    void *workspace = PyMem_Malloc((size_t)parts * rank_k_workspace(set, arguments, itemsize));
    if (workspace) {
        Py_BEGIN_ALLOW_THREADS
        rank_k_run(set, arguments, itemsize, parts, workspace);
        Py_END_ALLOW_THREADS
    }
    threads_release();
    if (!workspace)
        return PyErr_NoMemory();
    PyMem_Free(workspace);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(rank_k_update_doc,
             "rank_k_update(out, matrix, left, right, scale, row_scale, column_scale, product=None, /)\n--\n\n"
             "Write diag(row_scale) @ matrix @ diag(column_scale) + scale * (left.T @ right + product) into out.");

static PyObject *rank_k_update(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
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
    if (get_buffers(arrays, rules, BUFFERS, views) == 0 && check_arguments(views) == 0)
        result = run(module,
                     &(rank_k_arguments){
                         .m = views[OUT].shape[0],
                         .n = views[OUT].shape[1],
                         .k = views[LEFT].shape[0],
                         .out_stride = row_stride(&views[OUT]),
                         .matrix_stride = row_stride(&views[MATRIX]),
                         .left_stride = row_stride(&views[LEFT]),
                         .right_stride = row_stride(&views[RIGHT]),
                         .product_stride = row_stride(&views[PRODUCT]),
                         .out = views[OUT].buf,
                         .matrix = views[MATRIX].buf,
                         .left = views[LEFT].buf,
                         .right = views[RIGHT].buf,
                         .product = views[PRODUCT].buf,
                         .row_scale = views[ROW_SCALE].buf,
                         .column_scale = views[COLUMN_SCALE].buf,
                         .scale = scale,
                     },
                     (size_t)views[OUT].itemsize);
    release_buffers(views, BUFFERS);
    return result;
}

PyDoc_STRVAR(product_doc, "product(out, rows, matrix, transposed, /)\n--\n\n"
                          "Write rows @ matrix, or with transposed rows @ matrix.T, into out.");

static PyObject *product(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    static const argument_rule product_rules[] = {{"out", 2, 0, 0}, {"rows", 2, 0, 0}, {"matrix", 2, 0, 0}};
    Py_buffer views[3] = {{0}};
    PyObject *result = NULL;
    if (count != 4)
        return PyErr_Format(PyExc_TypeError, "product takes 4 arguments; got %zd", count);
    const int transposed = PyObject_IsTrue(arguments[3]);
    if (transposed >= 0 && get_buffers(arguments, product_rules, 3, views) == 0) {
        const Py_buffer *out = &views[0], *rows = &views[1], *matrix = &views[2];
        const Py_ssize_t batch = rows->shape[0], n = matrix->shape[!transposed], k = matrix->shape[transposed];
        if (check_shape(rows, &product_rules[1], batch, k, "to fit matrix") == 0 &&
            check_shape(out, &product_rules[0], batch, n, "to fit rows and matrix") == 0 &&
            check_written(views, product_rules, 3, 1) == 0)
            result = run(module,
                         &(rank_k_arguments){
                             .m = batch,
                             .n = n,
                             .k = k,
                             .out_stride = row_stride(out),
                             .left_stride = row_stride(rows),
                             .right_stride = row_stride(matrix),
                             .left_transposed = 1,
                             .right_transposed = transposed,
                             .out = out->buf,
                             .left = rows->buf,
                             .right = matrix->buf,
                             .scale = 1,
                         },
                         (size_t)out->itemsize);
    }
    release_buffers(views, 3);
    return result;
}

static PyObject *get_threads(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyLong_FromLong(threads_available());
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
    {"product", (PyCFunction)(void (*)(void))product, METH_FASTCALL, product_doc},
    {"stream_block", (PyCFunction)(void (*)(void))stream_block, METH_FASTCALL, stream_block_doc},
    {"sweep", (PyCFunction)(void (*)(void))sweep, METH_FASTCALL, sweep_doc},
    {"threads", get_threads, METH_NOARGS,
     "threads()\n--\n\nReturn how many threads a large call from this thread would use now."},
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
