"""Pages of Markdown in parts: paragraphs and items, code, tables, headings, sentences."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

FENCE = re.compile(r"^\s*```")
ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.)\s")


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together: `prose` (a paragraph or an item), `code`, `table` or `heading`."""

    kind: str
    line: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(line.strip() for line in self.lines)


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page, from the top."""
    kind, start, held, fenced = "", 0, [], False
    for number, line in enumerate([*text.splitlines(), ""], 1):
        now = line_kind(line, fenced, kind)
        fenced ^= FENCE.match(line) is not None
        if held and (now != kind or now == "heading" or (now == "prose" and ITEM.match(line))):
            yield Block(kind, start, tuple(held))
            held = []
        if now and not held:
            start = number
        kind = now
        if now:
            held.append(line)


def line_kind(line: str, fenced: bool, before: str) -> str:
    """The kind of block that a line belongs to, "" between blocks."""
    if fenced or FENCE.match(line):
        return "code"
    if not line.strip():
        return ""
    if line.startswith("    ") and before in ("", "code"):
        return "code"
    if line.startswith("|"):
        return "table"
    return "heading" if line.startswith("#") else "prose"


def sentences(text: str) -> list[str]:
    """The sentences of a text; what stands in backquotes is one word, whatever it holds."""
    words = re.sub(r"`[^`]*`", "CODE", text)
    return re.split(r"(?<=[.!?])[)\"*]*\s+(?=[A-Z*(\"\[])", words)


def cells(block: Block) -> list[str]:
    """What is read in one go: a paragraph, or the cells of a table."""
    if block.kind == "table":
        return [cell for line in block.lines for cell in line.strip("| ").split("|")]
    return [block.text] if block.kind == "prose" else []


def code_of(text: str) -> str:
    """A page's code, a command a line: that in backquotes and that in blocks, without its comments."""
    lines = [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
    for block in blocks(text):
        if block.kind == "code":
            joined = "\n".join(block.lines).replace("\\\n", " ")
            lines += [line.partition(" #")[0] for line in joined.splitlines()]
    return "\n".join(lines)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings."""
    return {slug(block.text) for block in blocks(text) if block.kind == "heading"}


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower()).replace(" ", "-")
