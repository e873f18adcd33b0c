/* The functions of pycopi._core, one file each, and what they share. */
#ifndef PYCOPI_MODULE_H
#define PYCOPI_MODULE_H

#include "buffers.h"
#include "rank_k.h"
#include "threads.h"

/* The instruction set that calls shall use now. */
const instruction_set *active_set(PyObject *module);

PyObject *stream_block(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *sweep(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
extern const char stream_block_doc[], sweep_doc[];

#endif
