from typing import Any

from numpy.typing import NDArray

def rank_k_update(
    out: NDArray[Any],
    matrix: NDArray[Any],
    left: NDArray[Any],
    right: NDArray[Any],
    scale: float,
    row_scale: NDArray[Any] | None,
    column_scale: NDArray[Any] | None,
    /,
) -> None: ...
def product(
    out: NDArray[Any],
    left: NDArray[Any],
    right: NDArray[Any],
    left_transposed: bool,
    right_transposed: bool,
    /,
) -> None: ...
def threads() -> int: ...
def stream_block(
    decorrelated: NDArray[Any],
    left: NDArray[Any],
    right: NDArray[Any],
    scales: NDArray[Any],
    powers: NDArray[Any],
    projected: NDArray[Any],
    rate: float,
    whitening: float,
    bound: float,
    recursive: float,
    /,
) -> None: ...
def sweep(
    matrix: NDArray[Any],
    pulled: NDArray[Any] | None,
    projected: NDArray[Any] | None,
    returned: NDArray[Any] | None,
    vector: NDArray[Any] | None,
    left: NDArray[Any] | None,
    right: NDArray[Any] | None,
    row_scale: NDArray[Any] | None,
    column_scale: NDArray[Any] | None,
    sample: NDArray[Any] | None,
    scale: float,
    /,
) -> None: ...
def move(
    matrix: NDArray[Any],
    velocity: NDArray[Any] | None,
    left: NDArray[Any],
    right: NDArray[Any],
    scale: float,
    row_scale: NDArray[Any] | None,
    kept: float,
    times: float,
    least: float,
    /,
) -> None: ...
def subspace(
    out: NDArray[Any],
    rows: NDArray[Any],
    vectors: NDArray[Any],
    values: NDArray[Any],
    moments: NDArray[Any],
    sums: NDArray[Any],
    found: NDArray[Any],
    power: float,
    damping: float,
    least: float,
    counted: int,
    /,
) -> None: ...
def row_forward(
    weight: NDArray[Any],
    decorrelator: NDArray[Any] | None,
    bias: NDArray[Any] | None,
    weight_left: NDArray[Any] | None,
    weight_right: NDArray[Any] | None,
    weight_scale: NDArray[Any] | None,
    decorrelator_left: NDArray[Any] | None,
    decorrelator_right: NDArray[Any] | None,
    decorrelator_scale: NDArray[Any] | None,
    inputs: NDArray[Any],
    decorrelated: NDArray[Any] | None,
    returned: NDArray[Any] | None,
    preactivations: NDArray[Any],
    outputs: NDArray[Any],
    slope: float,
    /,
) -> None: ...
def row_learn(
    weight: NDArray[Any],
    decorrelator: NDArray[Any] | None,
    bias: NDArray[Any] | None,
    weight_left: NDArray[Any] | None,
    weight_right: NDArray[Any] | None,
    weight_scale: NDArray[Any] | None,
    decorrelator_left: NDArray[Any] | None,
    decorrelator_right: NDArray[Any] | None,
    decorrelator_scale: NDArray[Any] | None,
    inputs: NDArray[Any],
    decorrelated: NDArray[Any] | None,
    returned: NDArray[Any] | None,
    preactivations: NDArray[Any],
    perturbations: NDArray[Any],
    below: NDArray[Any] | None,
    slope: float,
    infers: float,
    rate: float,
    bound: float,
    decorrelation_rate: float,
    decorrelation_bound: float,
    whitening: float,
    /,
) -> None: ...
def instruction_set() -> str: ...
def instruction_sets() -> tuple[str, ...]: ...
def set_instruction_set(name: str, /) -> None: ...
