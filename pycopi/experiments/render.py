"""Blocks as a page: of HTML that needs no network, and of Markdown with its pictures beside it as files."""

import base64
from collections.abc import Sequence
from html import escape

from pycopi.experiments.document import Block, Code, Gallery, Heading, Picture, Table, Text

_WORDS = 24  # letters of a cell from which on a column holds sentences, which are wrapped, not numbers
_STYLE = """
:root { color-scheme: light dark;
  --ink: #1c2024; --paper: #fff; --line: #d5d9de; --soft: #f3f5f7; --link: #1f5f8b }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7ea; --paper: #15181b; --line: #3a4046; --soft: #1f2428; --link: #7fb8de }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1rem; max-width: 68rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; overflow-wrap: break-word }
h1 { font-size: 1.6rem; line-height: 1.2 }
h2 { font-size: 1.3rem; margin-top: 2.2rem }
h3 { font-size: 1.05rem }
p { max-width: 46rem } a { color: var(--link) }
pre { padding: .7rem; background: var(--soft); border-radius: .4rem; overflow-x: auto }
.scroll { overflow-x: auto; margin: 1rem 0 }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .7rem .3rem 0; text-align: right; vertical-align: top;
  border-bottom: 1px solid var(--line) }
th:first-child, td:first-child { text-align: left; font-weight: 600 }
td, th:first-child { white-space: nowrap }
td.words { text-align: left; min-width: 14rem; white-space: normal } th.words { text-align: left }
.caption { margin: 1rem 0 -.6rem; font-size: .92rem; opacity: .85 }
.gallery { display: grid; gap: 1rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)) }
figure { margin: 0 } figure.wide { grid-column: 1 / -1 }
figure img { width: 100%; height: auto; display: block; background: #fff; border-radius: .4rem }
figcaption { font-size: .88rem; opacity: .85; padding-top: .3rem }
"""


def render_html(title: str, blocks: Sequence[Block]) -> str:
    """Return a whole page, with style and pictures inside and without a script."""
    body = "\n".join(_in_html(block) for block in blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'  # keeps a browser from asking a server for one
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _in_html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Text(text):
            return f"<p>{escape(text)}</p>"
        case Code(text):
            return f"<pre><code>{escape(text)}</code></pre>"
        case Table():
            return _table_in_html(block)
        case Gallery(pictures):
            return '<div class="gallery">\n' + "\n".join(map(_picture_in_html, pictures)) + "\n</div>"


def _of_words(table: Table) -> list[bool]:
    """Return which columns have long texts, and so begin at the left."""
    return [max(map(len, column)) > _WORDS for column in zip(*table.rows, strict=True)]


def _table_in_html(table: Table) -> str:
    words = _of_words(table)
    head = "".join(_cell("th", name, wide) for name, wide in zip(table.header, words, strict=True))
    rows = "\n".join(
        "<tr>" + "".join(_cell("td", text, wide) for text, wide in zip(row, words, strict=True)) + "</tr>"
        for row in table.rows
    )
    caption = f'<p class="caption">{escape(table.caption)}</p>\n' if table.caption else ""
    body = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>"
    return f'{caption}<div class="scroll"><table>{body}</table></div>'


def _cell(tag: str, text: str, words: bool) -> str:
    kind = ' class="words"' if words else ""
    return f"<{tag}{kind}>{escape(text)}</{tag}>"


def _picture_in_html(picture: Picture) -> str:
    content = base64.b64encode(picture.path.read_bytes()).decode("ascii")
    kind = ' class="wide"' if picture.wide else ""
    return (
        f'<figure{kind}><img alt="{escape(picture.caption)}" src="data:image/png;base64,{content}">'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
    )


def render_markdown(blocks: Sequence[Block]) -> str:
    """Return the page; pictures are named by their file names, and are in the folder of the page."""
    return "\n\n".join(_in_markdown(block) for block in blocks) + "\n"


def _in_markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Code(text):
            return f"```console\n{text}\n```"
        case Table():
            return _table_in_markdown(block)
        case Gallery(pictures):
            return "\n\n".join(f"![{picture.caption}]({picture.path.name})" for picture in pictures)


def _table_in_markdown(table: Table) -> str:
    marks = ["---", *("---" if wide else "---:" for wide in _of_words(table)[1:])]
    lines = [table.header, marks, *table.rows]
    text = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return f"{table.caption}\n\n{text}" if table.caption else text
