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

static PyObject *run(const instruction_set *set, const Py_buffer *views, double scale)
{
    const Py_ssize_t itemsize = views[OUT].itemsize;
    rank_k_arguments arguments = {
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
        result = run(active_set(module), views, scale);
    release_buffers(views, BUFFERS);
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
    {"stream_block", (PyCFunction)(void (*)(void))stream_block, METH_FASTCALL, stream_block_doc},
    {"sweep", (PyCFunction)(void (*)(void))sweep, METH_FASTCALL, sweep_doc},
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
