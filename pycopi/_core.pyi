from collections.abc import Buffer

def rank_k_update(
    out: Buffer,
    matrix: Buffer,
    left: Buffer,
    right: Buffer,
    scale: float,
    row_scale: Buffer | None,
    column_scale: Buffer | None,
    /,
) -> None: ...
def instruction_set() -> str: ...
def instruction_sets() -> tuple[str, ...]: ...
def set_instruction_set(name: str, /) -> None: ...
