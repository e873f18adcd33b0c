"""What the tests read of pictures."""

from pathlib import Path
from xml.etree import ElementTree as ET


def read_texts(path: Path) -> str:
    """Return the texts of an SVG picture, which Matplotlib leaves as comments."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    root = ET.parse(path, parser).getroot()
    return "\n".join(node.text or "" for node in root.iter(ET.Comment))


def assert_png(path: Path) -> None:
    """Raise unless a file is a whole PNG picture."""
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n"), "not a PNG file"
    assert content.endswith(b"IEND\xaeB`\x82"), "the PNG file is cut off"
