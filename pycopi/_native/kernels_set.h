/* All kernels, in both types, of one instruction set, and its entry in the list; included once for each set, with the
 * macros of rank_k_template.h defined except T. */
#define T float
#include "rank_k_template.h"
#include "stream_template.h"
#include "sweep_template.h"
#include "move_template.h"
#include "subspace_template.h"
#include "row_template.h"
#undef T
#define T double
#include "rank_k_template.h"
#include "stream_template.h"
#include "sweep_template.h"
#include "move_template.h"
#include "subspace_template.h"
#include "row_template.h"
#undef T

static const instruction_set JOINED(set, SET) = {
    QUOTED(SET),
    ROWS,
    VECTORS * (VECTOR_BYTES ? VECTOR_BYTES : sizeof(double)),
    {{JOINED(rank_k_float, SET), JOINED(rank_k_double, SET)},
     {JOINED(stream_float, SET), JOINED(stream_double, SET)},
     {JOINED(sweep_float, SET), JOINED(sweep_double, SET)},
     {JOINED(move_float, SET), JOINED(move_double, SET)},
     {JOINED(subspace_float, SET), JOINED(subspace_double, SET)},
     {JOINED(row_forward_float, SET), JOINED(row_forward_double, SET)},
     {JOINED(row_learn_float, SET), JOINED(row_learn_double, SET)}},
};

#undef SET
#undef TARGET
#undef VECTOR_BYTES
#undef ROWS
