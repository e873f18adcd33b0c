"""Converters of the estimators, for skl2onnx and whatever pipelines it converts."""

from typing import Any

import numpy as np

from pycopi._array import to_numpy
from pycopi.export.folded import fold
from pycopi.export.graph import Graph


def register_converters() -> None:
    """Make `COPIClassifier`, `COPIRegressor` and `Decorrelator` known to skl2onnx, alone and in pipelines.

    Raises
    ------
    ImportError
        If skl2onnx or scikit-learn is not installed.

    Notes
    -----
    A graph has float64 where the inputs of the conversion have, else float32. A classifier gives ``label`` and
    ``probabilities``, and takes the options ``zipmap``, ``output_class_labels`` and ``nocl`` of scikit-learn's.

    Examples
    --------
    >>> import pycopi
    >>> pycopi.export.register_converters()  # doctest: +SKIP
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        msg = 'the converters need skl2onnx, which is not installed: pip install "pycopi[onnx,sklearn]"'
        raise ImportError(msg, name="skl2onnx") from error
    from pycopi.sklearn import COPIClassifier, COPIRegressor, Decorrelator

    options = {"zipmap": [True, False, "columns"], "output_class_labels": [False, True], "nocl": [False, True]}
    for kind, shapes, convert, known in (
        (COPIClassifier, _class_shapes, _classifier, options),
        (COPIRegressor, _shapes, _regressor, None),
        (Decorrelator, _shapes, _decorrelator, None),
    ):
        update_registered_converter(kind, f"Pycopi{kind.__name__}", shapes, convert, options=known)


def _shapes(operator: Any) -> None:
    """Say what comes out: a row of numbers for each row, in the dtype of the graph."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    estimator, given = operator.raw_operator, operator.inputs[0].type
    width = getattr(estimator, "n_outputs_", estimator.n_features_in_)
    kind = DoubleTensorType if isinstance(given, DoubleTensorType) else FloatTensorType
    operator.outputs[0].type = kind([operator.inputs[0].get_first_dimension(), width])


def _class_shapes(operator: Any) -> None:
    """Say what comes out: a label or several, and a probability for each class."""
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    calculate_linear_classifier_output_shapes(operator)
    if _several(operator.raw_operator):
        operator.outputs[0].type.shape = operator.outputs[1].type.shape


def _several(estimator: Any) -> bool:
    """Return whether a classifier gives several labels a row."""
    return bool(estimator.out_activation_ == "logistic" and estimator.n_outputs_ > 1)


def _classifier(scope: Any, operator: Any, container: Any) -> None:
    from skl2onnx.common.utils_classifier import get_label_classes

    estimator = operator.raw_operator
    label, probabilities = (one.full_name for one in operator.outputs)
    graph, inputs = _begin(scope, operator)
    scores = graph.network(fold(estimator.network_, estimator.parameters_), inputs)
    if _several(estimator):
        graph.add("Sigmoid", scores, name=probabilities)
        over = graph.add("Greater", probabilities, graph.constant("half", 0.5))
        graph.add("Cast", over, name=label, to=_kind(np.int64))
    else:
        classes = np.asarray(get_label_classes(scope, estimator))
        graph.label(scores, classes.astype(np.int64) if classes.dtype.kind in "biuf" else classes, label)
        graph.add("Softmax", scores, name=probabilities, axis=1)
    _hand_over(graph, container)


def _regressor(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    graph, inputs = _begin(scope, operator)
    outputs = graph.network(fold(estimator.network_, estimator.parameters_), inputs)
    graph.add("Identity", outputs, name=operator.outputs[0].full_name)
    _hand_over(graph, container)


def _decorrelator(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    mean, scale, matrix = (
        to_numpy(one).astype(np.float64) for one in (estimator.mean_, estimator.scale_, estimator.matrix_)
    )
    graph, inputs = _begin(scope, operator)
    centred = graph.add("Sub", inputs, graph.constant("mean", mean))
    scaled = graph.add("Div", centred, graph.constant("scale", scale))
    graph.add("MatMul", scaled, graph.constant("matrix", matrix.T), name=operator.outputs[0].full_name)
    _hand_over(graph, container)


def _begin(scope: Any, operator: Any) -> tuple[Graph, str]:
    """Return a graph in the dtype of what comes in, and the name of that."""
    from skl2onnx.common.data_types import DoubleTensorType

    given = operator.inputs[0]
    dtype = "float64" if isinstance(given.type, DoubleTensorType) else "float32"
    graph = Graph(dtype, scope.get_unique_variable_name)
    return graph, graph.add("Cast", given.full_name, to=_kind(dtype))


def _kind(dtype: Any) -> int:
    """Return the number that ONNX has for a dtype."""
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _hand_over(graph: Graph, container: Any) -> None:
    """Give constants and nodes to skl2onnx."""
    for name, values in graph.constants.items():
        container.add_initializer(name, _kind(values.dtype), values.shape, values.ravel())
    for one in graph.nodes:
        container.add_node(one.operator, list(one.inputs), one.output, **one.attributes)
