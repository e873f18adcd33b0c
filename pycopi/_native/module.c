/* pycopi._core: checks the arguments, then runs the kernels without the GIL. The build defines Py_LIMITED_API, so that
 * one binary serves every Python from 3.11 on. */
#include "arguments.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

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

/* Runs a kernel without the GIL, then undoes threads_claim() and take_arguments(). */
static PyObject *run(PyObject *module, int operation, const void *call, arguments *taken, int parts, size_t bytes)
{
    const instruction_set *set = state_of(module)->active;
    void *const workspace = bytes ? PyMem_Malloc(bytes) : NULL;
    if (workspace) {
        Py_BEGIN_ALLOW_THREADS
        set->kernels[operation][taken->itemsize == sizeof(double)](call, parts, workspace);
        Py_END_ALLOW_THREADS
    }
    threads_release();
    release_arguments(taken);
    PyObject *const done = workspace ? Py_NewRef(Py_None) : PyErr_NoMemory();
    PyMem_Free(workspace);
    return done;
}

static PyObject *run_rank_k(PyObject *module, const rank_k_arguments *call, arguments *taken)
{
    const double m = (double)call->m, n = (double)call->n, k = (double)call->k;
    const int parts = threads_claim(m * n * (k + 8) + 8 * k * (m < n ? n : m), 0);
    const size_t bytes = rank_k_workspace(state_of(module)->active, call, taken->itemsize, parts);
    return run(module, RANK_K, call, taken, parts, bytes);
}

PyDoc_STRVAR(rank_k_update_doc,
             "rank_k_update(out, matrix, left, right, scale, row_scale, column_scale, /)\n--\n\n"
             "Write diag(row_scale) @ matrix @ diag(column_scale) + scale * left.T @ right into out.");

static PyObject *rank_k_update(PyObject *module, PyObject *const *objects, Py_ssize_t count)
{
    static const argument_rule rules[] = {
        {"out", "mn", WRITTEN}, {"matrix", "mn", IN_PLACE},   {"left", "km", 0},               {"right", "kn", 0},
        {"scale", "", 0},       {"row_scale", "m", OPTIONAL}, {"column_scale", "n", OPTIONAL},
    };
    arguments taken;
    if (take_arguments(&taken, "rank_k_update", rules, COUNT(rules), objects, count) < 0)
        return NULL;
    const strided *in = taken.arrays;
    const rank_k_arguments call = {taken.m, taken.n, taken.k, 0, 0, taken.numbers[4],
                                   in[0], in[1], in[2], in[3], in[5], in[6]};
    return run_rank_k(module, &call, &taken);
}

PyDoc_STRVAR(product_doc, "product(out, left, right, left_transposed, right_transposed, /)\n--\n\n"
                          "Write left @ right into out; what is transposed is given so.");

static PyObject *product(PyObject *module, PyObject *const *objects, Py_ssize_t count)
{
    const int left = count == 5 && PyObject_IsTrue(objects[3]), right = count == 5 && PyObject_IsTrue(objects[4]);
    const argument_rule rules[] = {{"out", "mn", WRITTEN},
                                   {"left", left ? "km" : "mk", 0},
                                   {"right", right ? "nk" : "kn", 0},
                                   {"left_transposed", "", 0},
                                   {"right_transposed", "", 0}};
    arguments taken;
    if (PyErr_Occurred() || take_arguments(&taken, "product", rules, COUNT(rules), objects, count) < 0)
        return NULL;
    const strided *in = taken.arrays, none = {NULL, 0};
    const rank_k_arguments call = {taken.m, taken.n, taken.k, !left, right, 1, in[0], none, in[1], in[2], none, none};
    return run_rank_k(module, &call, &taken);
}

PyDoc_STRVAR(stream_block_doc,
             "stream_block(decorrelated, left, right, scales, powers, projected, rate, whitening, bound, recursive, /)"
             "\n--\n\n"
             "Go through a block of samples one by one; see kernels.h.");

static PyObject *stream_block(PyObject *module, PyObject *const *objects, Py_ssize_t count)
{
    static const argument_rule rules[] = {
        {"decorrelated", "kn", WRITTEN}, {"left", "kn", WRITTEN}, {"right", "kn", WRITTEN}, {"scales", "n", WRITTEN},
        {"powers", "k", WRITTEN},        {"projected", "kn", 0},  {"rate", "", 0},          {"whitening", "", 0},
        {"bound", "", 0},                {"recursive", "", 0},
    };
    arguments taken;
    if (take_arguments(&taken, "stream_block", rules, COUNT(rules), objects, count) < 0)
        return NULL;
    const strided *in = taken.arrays;
    const stream_arguments call = {taken.k, taken.n, taken.numbers[6], taken.numbers[7], taken.numbers[8],
                                   taken.numbers[9] != 0, in[0], in[1], in[2], in[3], in[4], in[5]};
    const size_t bytes = stream_workspace(call.k, call.n, taken.itemsize);
    return run(module, STREAM, &call, &taken, threads_claim(0, 0), bytes);
}

PyDoc_STRVAR(sweep_doc,
             "sweep(matrix, pulled, projected, returned, vector, left, right, row_scale, column_scale, sample, scale, /)"
             "\n--\n\nUpdate a matrix for one sample, with products before and after; what is None is left out. See "
             "kernels.h.");

static PyObject *sweep(PyObject *module, PyObject *const *objects, Py_ssize_t count)
{
    const int updates = count > 6 && objects[6] != Py_None;
    const argument_rule rules[] = {
        {"matrix", "mn", updates ? WRITTEN : 0}, {"pulled", "n", OPTIONAL | WRITTEN},
        {"projected", "m", OPTIONAL | WRITTEN},  {"returned", "n", OPTIONAL | WRITTEN},
        {"vector", "m", OPTIONAL},    {"left", "m", OPTIONAL},         {"right", "n", OPTIONAL},
        {"row_scale", "m", OPTIONAL}, {"column_scale", "n", OPTIONAL}, {"sample", "n", OPTIONAL}, {"scale", "", 0},
    };
    arguments taken;
    if (take_arguments(&taken, "sweep", rules, COUNT(rules), objects, count) < 0)
        return NULL;
    const strided *in = taken.arrays;
    const sweep_arguments call = {taken.m, taken.n, taken.numbers[10], in[0], in[1], in[2], in[3],
                                  in[4], in[5], in[6], in[7], in[8], in[9]};
    if (!call.pulled.data != !call.vector.data || !call.projected.data != !call.sample.data ||
        !call.left.data != !call.right.data || (!call.right.data && (call.row_scale.data || call.column_scale.data)) ||
        (call.returned.data && (!call.projected.data || call.pulled.data))) {
        release_arguments(&taken);
        PyErr_SetString(PyExc_ValueError, "expected pulled with vector, projected with sample, left with right, "
                                          "scales with both, and returned with projected and without pulled");
        return NULL;
    }
    const int parts = threads_claim((double)call.m * (double)call.n * (double)taken.itemsize, 1);
    return run(module, SWEEP, &call, &taken, parts, sweep_workspace(call.n, parts));
}

PyDoc_STRVAR(move_doc, "move(matrix, velocity, left, right, scale, row_scale, kept, times, least, /)\n--\n\n"
                       "Add a step, of which no row is longer than its bound, to kept * matrix; see kernels.h.");

static PyObject *move(PyObject *module, PyObject *const *objects, Py_ssize_t count)
{
    static const argument_rule rules[] = {
        {"matrix", "mn", WRITTEN}, {"velocity", "mn", OPTIONAL | WRITTEN}, {"left", "km", 0},
        {"right", "kn", 0},        {"scale", "", 0},                       {"row_scale", "m", OPTIONAL},
        {"kept", "", 0},           {"times", "", 0},                       {"least", "", 0}};
    arguments taken;
    if (take_arguments(&taken, "move", rules, COUNT(rules), objects, count) < 0)
        return NULL;
    const strided *in = taken.arrays, none = {NULL, 0};
    const double *number = taken.numbers, m = (double)taken.m, n = (double)taken.n, k = (double)taken.k;
    const rank_k_arguments step = {taken.m, taken.n, taken.k, 0, 0, number[4], in[1], in[1], in[2], in[3], in[5], none};
    const move_arguments call = {step, in[0], number[6], number[7], number[8]};
    const int parts = threads_claim(m * n * (k + 8) + 8 * k * n, 0);
    const size_t bytes = move_workspace(state_of(module)->active, &step, taken.itemsize, parts);
    return run(module, MOVE, &call, &taken, parts, bytes);
}

PyDoc_STRVAR(subspace_doc, "subspace(out, rows, vectors, values, moments, sums, found, power, damping, least, counted, /)"
                           "\n--\n\nDamp the directions of rows, and follow them; see kernels.h.");

static PyObject *subspace(PyObject *module, PyObject *const *objects, Py_ssize_t count)
{
    static const argument_rule rules[] = {
        {"out", "mn", WRITTEN},     {"rows", "mn", 0},      {"vectors", "kn", 0},     {"values", "k", 0},
        {"moments", "kn", WRITTEN}, {"sums", "3", WRITTEN}, {"found", "2", WRITTEN},  {"power", "", 0},
        {"damping", "", 0},         {"least", "", 0},       {"counted", "", 0}};
    arguments taken;
    if (take_arguments(&taken, "subspace", rules, COUNT(rules), objects, count) < 0)
        return NULL;
    const strided *in = taken.arrays;
    const double *number = taken.numbers, rows = (double)taken.m;
    const double counted = number[10] > 0 ? (number[10] < rows ? number[10] : rows) : 0; /* 0 for NaN */
    const subspace_arguments call = {taken.m,   taken.n, taken.k, (ptrdiff_t)counted, number[7], number[8], number[9],
                                     in[0],     in[1],   in[2],   in[3],              in[4],     in[5],     in[6]};
    const int parts = threads_claim((2 * rows + counted) * (double)taken.n * (double)taken.k, 0);
    const size_t bytes = subspace_workspace(state_of(module)->active, &call, taken.itemsize, parts);
    return run(module, SUBSPACE, &call, &taken, parts, bytes);
}

/* The arrays of a row come first in both functions: matrices, bias, late updates, and what the forward pass finds. */
#define ROW_ARRAYS(matrices, bias, late, found)                                                                        \
    {"weight", "mn", matrices}, {"decorrelator", "nn", OPTIONAL | (matrices)}, {"bias", "m", OPTIONAL | (bias)},       \
        {"weight_left", "m", OPTIONAL | (late)}, {"weight_right", "n", OPTIONAL | (late)},                             \
        {"weight_scale", "n", OPTIONAL | (late)}, {"decorrelator_left", "n", OPTIONAL | (late)},                       \
        {"decorrelator_right", "n", OPTIONAL | (late)}, {"decorrelator_scale", "n", OPTIONAL | (late)},                \
        {"inputs", "n", 0}, {"decorrelated", "n", OPTIONAL | (found)}, {"returned", "n", OPTIONAL | (found)},          \
        {"preactivations", "m", found}

static row_arguments row_of(const arguments *taken)
{
    const strided *in = taken->arrays;
    return (row_arguments){.m = taken->m, .n = taken->n, .weight = in[0], .decorrelator = in[1], .bias = in[2],
                           .late_weight = {in[3], in[4], in[5]}, .late_decorrelator = {in[6], in[7], in[8]},
                           .inputs = in[9], .decorrelated = in[10], .returned = in[11], .preactivations = in[12]};
}

static PyObject *run_row(PyObject *module, int operation, const row_arguments *call, arguments *taken)
{
    const late_update w = call->late_weight, r = call->late_decorrelator;
    const int linear = !call->decorrelator.data, learns = operation == ROW_LEARN, late = w.left.data != NULL;
    const char *fault = NULL;
    if (linear != !call->decorrelated.data || (learns ? linear != !call->returned.data : linear && call->returned.data))
        fault = "expected decorrelated, and returned to learn from, with decorrelator, and without it none";
    else if (!late != !w.right.data || !late != !w.scale.data || (late && !linear) != (r.left.data != NULL) ||
             !r.left.data != !r.right.data || !r.left.data != !r.scale.data || (late && call->below.data))
        fault = "expected left, right and scale of late updates of each matrix, without below, or none of them";
    if (fault) {
        release_arguments(taken);
        PyErr_SetString(PyExc_ValueError, fault);
        return NULL;
    }
    const double rows = (double)(call->m < call->n && !linear ? call->n : call->m);
    const int parts = threads_claim(rows * (double)call->n * (double)taken->itemsize, 1);
    return run(module, operation, call, taken, parts, row_workspace(call->m, call->n, parts));
}

PyDoc_STRVAR(row_forward_doc,
             "row_forward(weight, decorrelator, bias, weight_left, weight_right, weight_scale, decorrelator_left, "
             "decorrelator_right, decorrelator_scale, inputs, decorrelated, returned, preactivations, outputs, slope, /)"
             "\n--\n\nSend one row through a dense layer; see kernels.h.");

static PyObject *row_forward(PyObject *module, PyObject *const *objects, Py_ssize_t count)
{
    const int late = count > 3 && objects[3] != Py_None;
    const argument_rule rules[] = {
        ROW_ARRAYS(late ? WRITTEN : 0, 0, 0, WRITTEN), {"outputs", "m", WRITTEN}, {"slope", "", 0}};
    arguments taken;
    if (take_arguments(&taken, "row_forward", rules, COUNT(rules), objects, count) < 0)
        return NULL;
    row_arguments call = row_of(&taken);
    call.outputs = taken.arrays[13];
    call.slope = taken.numbers[14];
    return run_row(module, ROW_FORWARD, &call, &taken);
}

PyDoc_STRVAR(row_learn_doc,
             "row_learn(weight, decorrelator, bias, weight_left, weight_right, weight_scale, decorrelator_left, "
             "decorrelator_right, decorrelator_scale, inputs, decorrelated, returned, preactivations, perturbations, "
             "below, slope, infers, rate, bound, decorrelation_rate, decorrelation_bound, whitening, /)"
             "\n--\n\nLet a dense layer learn from one row; see kernels.h.");

static PyObject *row_learn(PyObject *module, PyObject *const *objects, Py_ssize_t count)
{
    static const argument_rule rules[] = {
        ROW_ARRAYS(WRITTEN, WRITTEN, WRITTEN, 0), {"perturbations", "m", 0}, {"below", "n", OPTIONAL | WRITTEN},
        {"slope", "", 0}, {"infers", "", 0}, {"rate", "", 0}, {"bound", "", 0}, {"decorrelation_rate", "", 0},
        {"decorrelation_bound", "", 0}, {"whitening", "", 0}};
    arguments taken;
    if (take_arguments(&taken, "row_learn", rules, COUNT(rules), objects, count) < 0)
        return NULL;
    const double *number = taken.numbers;
    row_arguments call = row_of(&taken);
    call.perturbations = taken.arrays[13];
    call.below = taken.arrays[14];
    call.slope = number[15];
    call.infers = number[16] != 0;
    call.rate = number[17];
    call.bound = number[18];
    call.decorrelation_rate = number[19];
    call.decorrelation_bound = number[20];
    call.whitening = number[21];
    return run_row(module, ROW_LEARN, &call, &taken);
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
    return PyErr_Format(PyExc_ValueError, "this processor has no instruction set %R; instruction_sets() lists its own",
                        name);
}

/* The double cast silences the compilers' warning at what CPython asks for. */
static PyMethodDef methods[] = {
    {"rank_k_update", (PyCFunction)(void (*)(void))rank_k_update, METH_FASTCALL, rank_k_update_doc},
    {"product", (PyCFunction)(void (*)(void))product, METH_FASTCALL, product_doc},
    {"stream_block", (PyCFunction)(void (*)(void))stream_block, METH_FASTCALL, stream_block_doc},
    {"sweep", (PyCFunction)(void (*)(void))sweep, METH_FASTCALL, sweep_doc},
    {"move", (PyCFunction)(void (*)(void))move, METH_FASTCALL, move_doc},
    {"subspace", (PyCFunction)(void (*)(void))subspace, METH_FASTCALL, subspace_doc},
    {"row_forward", (PyCFunction)(void (*)(void))row_forward, METH_FASTCALL, row_forward_doc},
    {"row_learn", (PyCFunction)(void (*)(void))row_learn, METH_FASTCALL, row_learn_doc},
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
