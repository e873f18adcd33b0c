"""Blocks as a Markdown page, with pictures beside it as files."""

from collections.abc import Sequence

from pycopi.experiments.document import Block, Code, Gallery, Heading, Table, Text


def render_markdown(blocks: Sequence[Block]) -> str:
    """Return the page; pictures are named by their file names, so they lie in the folder of the page."""
    return "\n\n".join(_render(block) for block in blocks) + "\n"


def _render(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Code(text):
            return f"```console\n{text}\n```"
        case Table():
            return _render_table(block)
        case Gallery(pictures):
            return "\n\n".join(f"![{picture.caption}]({picture.path.name})" for picture in pictures)


def _render_table(table: Table) -> str:
    marks = ["---", *["---:"] * (len(table.header) - 1)]
    lines = [table.header, marks, *table.rows]
    text = "\n".join("| " + " | ".join(_escape(cell) for cell in line) + " |" for line in lines)
    return f"{table.caption}\n\n{text}" if table.caption else text


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|")
