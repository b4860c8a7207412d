"""The documentation: sentences that a newcomer reads once, links and names that exist, the field's words."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

import pytest
import typer

import bcsim.compiler.importer  # noqa: F401  (it registers the operators)
from bcsim.cli import app
from bcsim.common.errors import BcsimError
from bcsim.compiler.importer.registry import accepted
from bcsim.machine.parameters import parse_machine
from tests.markdown import anchors, blocks, cells, code_of, sentences, slug

ROOT = Path(__file__).parents[1]
FOLDERS = (".", "docs", "docs/boards", "models")
PAGES = sorted(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))

WIDTH = 100
"""Characters of a line. Rows of tables cannot be wrapped; a line of one word, such as an address, neither."""
LINES = 6
"""Lines of a paragraph, or of an item of a list."""
WORDS = 40
"""Words of a sentence, in a cell of a table too."""

RETIRED = {
    "at useful work": "array utilisation",
    "narrow place": "bottleneck",
    "by the least": "takes the minimum",
    "takes of an FPGA": "FPGA resources",
    "use of the array": "array utilisation",
    "joint sources": "shared sources",
    "loses in digit width it gains": "narrower digits leave room for more lanes",
}
"""Words of our own that a hardware engineer would have to guess, and the field's."""

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"(?<![\w./-])((?:bcsim|compiler|rtl|models|tests|bench|docs)/(?:[\w.*-]+/?)*)(?!/)")
MODULE = re.compile(r"python -m ([\w.]+)")
PAGE = re.compile(r'\b(docs/[\w-]+\.md)(?:, "([^"]+)")?')
COMMAND = re.compile(r"^\s*bcsim ([a-z]+)(.*)$", re.MULTILINE)
NAME = re.compile(r"`(bcsim(?:\.\w+){2,})`")


OPTIONS = {
    name: {
        "--help",
        *(opt for parameter in command.params for opt in (*parameter.opts, *parameter.secondary_opts)),
    }
    for name, command in typer.main.get_command(app).commands.items()
}
"""Every command's options."""


def faults(page: Path, text: str) -> list[str]:
    """What is wrong with a page, each as one sentence that begins with its place."""
    checks = (style_faults, link_faults, name_faults, command_faults)
    return [fault for check in checks for fault in check(page, text)]


def style_faults(page: Path, text: str) -> Iterator[str]:
    """Lines, paragraphs and sentences that are too long, and words of our own."""
    name = page.relative_to(ROOT)
    for block in blocks(text):
        for number, line in enumerate(block.lines, block.line):
            if block.kind != "table" and len(line) > WIDTH and len(line.split()) > 1:
                yield f"{name}:{number}: {len(line)} characters, where {WIDTH} are the limit"
        if block.kind == "prose" and len(block.lines) > LINES:
            yield f"{name}:{block.line}: a paragraph of {len(block.lines)} lines, where {LINES} are the limit"
        for sentence in (s for cell in cells(block) for s in sentences(cell)):
            if len(sentence.split()) > WORDS:
                count, begin = len(sentence.split()), " ".join(sentence.split()[:6])
                yield f"{name}:{block.line}: a sentence of {count} words, where {WORDS} are the limit: {begin}"
    flat = " ".join(text.split())
    yield from (f'{name}: "{old}" is called: {new}' for old, new in RETIRED.items() if old in flat)


def link_faults(page: Path, text: str) -> Iterator[str]:
    """Links to pages and headings that do not exist."""
    for target in LINK.findall(text):
        file, _, anchor = target.partition("#")
        other = (page.parent / file).resolve() if file else page
        if "://" in target:
            continue
        if not other.exists():
            yield f"{page.relative_to(ROOT)}: the link to {target} leads nowhere"
        elif anchor and anchor not in anchors(other.read_text(encoding="utf-8") if file else text):
            yield f"{page.relative_to(ROOT)}: the link to {target} names no heading"


def name_faults(page: Path, text: str) -> Iterator[str]:
    """Files, modules and Python names that a page names and that do not exist."""
    name = page.relative_to(ROOT)
    for path in {match.rstrip(".") for match in PATH.findall(text)}:
        if not any(ROOT.glob(path)):
            yield f"{name}: there is no {path}"
    yield from (
        f"{name}: there is no {module}" for module in set(MODULE.findall(text)) if not is_module(module)
    )
    for full in set(NAME.findall(text)):
        try:
            resolve_name(full)
        except (ImportError, AttributeError):
            yield f"{name}: there is no {full}"


def command_faults(page: Path, text: str) -> Iterator[str]:
    """Commands, options and machines that a page names and that bcsim does not have."""
    name = page.relative_to(ROOT)
    for command, rest in COMMAND.findall(code_of(text)):
        if command not in OPTIONS:
            yield f"{name}: there is no command bcsim {command}"
            continue
        for option in set(re.findall(r"(?<=\s)--[a-z-]+", rest)) - OPTIONS[command]:
            yield f"{name}: bcsim {command} has no option {option}"
    for machine in set(re.findall(r"--machine ([a-z][\w,=-]*)", code_of(text))):
        try:
            parse_machine(machine)
        except BcsimError as error:
            yield f"{name}: --machine {machine}: {error}"


def is_module(name: str) -> bool:
    """Whether a module exists; it is not imported, as training's need PyTorch."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_keeps_the_limits_and_names_what_exists(page: Path) -> None:
    assert faults(page, page.read_text(encoding="utf-8")) == []


def test_the_overview_links_every_page() -> None:
    overview = ROOT / "docs" / "README.md"
    linked = {(overview.parent / target).resolve() for target in LINK.findall(overview.read_text("utf-8"))}
    assert {page for page in PAGES if page.parent != ROOT} - linked - {overview} == set()


def test_every_operator_that_is_read_is_in_the_list() -> None:
    words = set(re.findall(r"\w+", (ROOT / "docs" / "onnx.md").read_text(encoding="utf-8")))
    assert {name for _, name in accepted() if name not in words} == set()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("word " * 21, "docs/README.md:1: 105 characters, where 100 are the limit"),
        ("```\n" + "word " * 21 + "\n```", "docs/README.md:2: 105 characters, where 100 are the limit"),
        ("a b.\n" * 7, "docs/README.md:1: a paragraph of 7 lines, where 6 are the limit"),
        ("- a b.\n" + "  a b.\n" * 6, "docs/README.md:1: a paragraph of 7 lines, where 6 are the limit"),
        (
            "One. Word " + "word word word\n" * 14,
            "docs/README.md:1: a sentence of 43 words, where 40 are the limit: Word word word word word word",
        ),
        (
            f"| cell | {'word ' * 41} |",
            "docs/README.md:1: a sentence of 41 words, where 40 are the limit: word word word word word word",
        ),
        ("the narrow\nplace", 'docs/README.md: "narrow place" is called: bottleneck'),
        ("[a](none.md)", "docs/README.md: the link to none.md leads nowhere"),
        ("# One\n[a](#two)", "docs/README.md: the link to #two names no heading"),
        ("[a](machine.md#wor)", "docs/README.md: the link to machine.md#wor names no heading"),
        ("in `bcsim/machine.py`", "docs/README.md: there is no bcsim/machine.py"),
        ("`python -m bench.none`", "docs/README.md: there is no bench.none"),
        ("`bcsim drive MODEL`", "docs/README.md: there is no command bcsim drive"),
        ("```\nbcsim run \\\n  --fast\n```", "docs/README.md: bcsim run has no option --fast"),
        (
            "`--machine tiny,lanes=3`",
            "docs/README.md: --machine tiny,lanes=3: Machine parameter lanes must be even (lanes work in pairs), not 3",
        ),
        ("`bcsim.machine.latency.none`", "docs/README.md: there is no bcsim.machine.latency.none"),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, fault: str) -> None:
    assert fault in faults(ROOT / "docs" / "README.md", text)


@pytest.mark.parametrize(
    "text",
    [
        "word " * 20,
        f"| cell | {'word ' * 40} |",
        "https://" + "a" * 120,
        "a b.\n" * 6 + "\n" + "a b.\n" * 6,
        "- a b.\n" * 7,
        "# One & two\n[a](#one--two) [b](machine.md#words) [c](https://example.org/none.md)",
        "```\nbcsim run \\\n  --images 3   # not --fast\n```\nbcsim drives `bcsim run --machine tiny,lanes=16`",
        "see `bcsim/machine/` and `tests/*.py`, `bcsim.machine.latency` and `python -m bench.machine`",
    ],
)
def test_what_keeps_the_limits_is_no_fault(text: str) -> None:
    assert faults(ROOT / "docs" / "README.md", text) == []


@pytest.mark.parametrize("folder", ["bcsim", "compiler", "rtl", "models", "bench", "tests"])
def test_a_docstring_names_pages_and_headings_that_exist(folder: str) -> None:
    wrong = []
    for source in sorted((ROOT / folder).rglob("*.py")):
        for page, title in PAGE.findall(source.read_text(encoding="utf-8")):
            text = (ROOT / page).read_text(encoding="utf-8") if (ROOT / page).exists() else None
            if text is None or (title and slug(title) not in anchors(text)):
                wrong.append(f"{source.relative_to(ROOT)}: there is no {page}, {title}".rstrip(", "))
    assert wrong == []
