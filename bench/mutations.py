"""Errors planted in Python source and in energy tables, one at a time, as a slip of the keyboard would make them.

An operator for another, a term left out, a number one more or one less, a name for its neighbour (lanes for pes, read
for written), an element left out or twice, a comparison turned round, a string changed; a table's entry a tenth more.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

__all__ = ["Mutant", "source_mutants", "table_mutants"]

OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.LShift: ast.RShift,
    ast.BitOr: ast.BitAnd,
}
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
NEIGHBOURS = (
    ("lanes", "pes"),
    ("digit", "activation_bits"),
    ("accumulator_bits", "fraction_bits"),
    ("requantisers", "pes"),
    ("remainder_bits", "divisor_bits"),
    ("activation_words", "weight_words"),
    ("parameter_words", "weight_words"),
    ("words_read", "words_written"),
    ("bits_read", "bits_written"),
    ("inputs", "outputs"),
    ("source_words", "output_words"),
    ("digits", "planes"),
    ("target_digits", "digits"),
    ("rounds", "tiles"),
    ("passes", "results"),
    ("positions", "results"),
    ("words", "word_bits"),
    ("bits", "number"),
    ("height", "width"),
    ("spatial", "shift_planes"),
    ("STEP", "CHUNK"),
    ("READ", "STEP"),
    ("PASS", "ROUND"),
    ("BIT", "ROUND"),
    ("QUOTIENT", "THRESHOLD"),
    ("REMAINDER", "BIT"),
    ("PARAMETER", "ROUND"),
)
SWAPPED_ARGUMENTS = (("read", "written"), ("words_read", "words_written"), ("bits_read", "bits_written"))
SILENT = (ast.Import, ast.ImportFrom, ast.Raise, ast.JoinedStr)
"""Statements and texts that no figure depends on."""
NUMBER = re.compile(r"(?<=[\[ ])\d+(?:\.\d+)?(?=[\],])")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file with one error: `where` is its function (or section), `error` what was changed."""

    file: str
    where: str
    line: int
    error: str
    text: str


def source_mutants(file: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a Python file, in order of its lines."""
    tree = ast.parse(source)
    left_out, names = _left_out(tree), _functions(tree)
    tests = {node.test for node in ast.walk(tree) if isinstance(node, ast.If | ast.While)}
    # Offsets of nodes are in bytes.
    text = source.encode()
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in ast.walk(tree):
        if node in left_out or not isinstance(node, ast.expr | ast.stmt):
            continue
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        turned = [ast.UnaryOp(ast.Not(), node)] if node in tests and isinstance(node, ast.expr) else []
        for changed in chain(turned, _changes(node)):
            planted = f"({ast.unparse(changed)})" if isinstance(changed, ast.expr) else _statement(changed)
            error = f"{_short(node)} -> {_short(changed)}"
            whole = text[:start] + planted.encode() + text[end:]
            yield Mutant(file, names.get(node, "module"), node.lineno, error, whole.decode())


def _statement(changed: ast.stmt | list[ast.stmt]) -> str:
    return "; ".join(map(ast.unparse, changed)) if isinstance(changed, list) else ast.unparse(changed)


def table_mutants(file: str, text: str) -> Iterator[Mutant]:
    """A TOML table with one number a tenth more, number by number."""
    section = ""
    for line, content in enumerate(text.splitlines(keepends=True), 1):
        section = content.strip() if content.startswith("[") else section
        if not content.startswith("points"):
            continue
        for found in NUMBER.finditer(content):
            more = f"{float(found[0]) * 1.1:.6g}"
            planted = content[: found.start()] + more + content[found.end() :]
            lines = text.splitlines(keepends=True)
            lines[line - 1] = planted
            yield Mutant(file, section, line, f"{found[0]} -> {more}", "".join(lines))


def _left_out(tree: ast.AST) -> set[ast.AST]:
    """Nodes that compute nothing: docstrings, annotations, imports, decorators, __all__ and the texts of errors."""
    left_out: set[ast.AST] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.AnnAssign | ast.arg):
            alias = node.annotation is not None and ast.unparse(node.annotation) == "TypeAlias"
            parts = [node if alias else node.annotation]
        elif isinstance(node, ast.ExceptHandler):
            parts = [node.type]
        elif isinstance(node, ast.FunctionDef):
            parts = [node.returns, *node.decorator_list]
        elif isinstance(node, ast.ClassDef):
            parts = [*node.bases, *node.decorator_list]
        elif isinstance(node, SILENT) or _is_text(node):
            parts = [node]
        for part in parts:
            left_out |= set(ast.walk(part)) if part else set()
    return left_out


def _is_text(node: ast.AST) -> bool:
    """A docstring, __all__ or the name of a type."""
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) == "__all__"
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _functions(tree: ast.Module) -> dict[ast.AST, str]:
    """The function or class that a node belongs to, the innermost one."""
    names: dict[ast.AST, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.update(dict.fromkeys(ast.walk(node), node.name))
    return names


def _changes(node: ast.AST) -> Iterator[ast.expr | ast.stmt | list[ast.stmt]]:
    if isinstance(node, ast.BinOp):
        yield from _operator_changes(node)
    elif isinstance(node, ast.Constant):
        yield from _constant_changes(node.value)
    elif isinstance(node, ast.Attribute):
        for pair in NEIGHBOURS:
            if node.attr in pair:
                yield ast.Attribute(node.value, pair[pair.index(node.attr) - 1], node.ctx)
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        yield ast.Compare(node.left, [COMPARISONS[type(node.ops[0])](), *node.ops[1:]], node.comparators)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.BoolOp):
        yield from node.values
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom):
        yield ast.Pass()
        yield [node, node]
    elif isinstance(node, ast.Tuple | ast.List) and isinstance(node.ctx, ast.Load):
        yield from _element_changes(node)
    elif isinstance(node, ast.Dict):
        for index in range(len(node.keys)):
            keys, values = node.keys[:], node.values[:]
            del keys[index], values[index]
            yield ast.Dict(keys, values)
    elif isinstance(node, ast.Call):
        yield from _argument_changes(node)


def _operator_changes(node: ast.BinOp) -> Iterator[ast.expr]:
    if type(node.op) in OPERATORS:
        yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
    yield node.left
    if isinstance(node.op, ast.Add | ast.Mult):
        yield node.right


def _constant_changes(value: object) -> Iterator[ast.expr]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield from (ast.Constant(value + 1), ast.Constant(value - 1))
    elif isinstance(value, str):
        yield ast.Constant(f"{value}_" if value else "none")


def _element_changes(node: ast.Tuple | ast.List) -> Iterator[ast.expr]:
    for index, element in enumerate(node.elts):
        kind = type(node)
        yield kind(node.elts[:index] + node.elts[index + 1 :], node.ctx)
        if not isinstance(element, ast.Constant):
            yield kind([*node.elts[:index], element, *node.elts[index:]], node.ctx)


def _argument_changes(node: ast.Call) -> Iterator[ast.expr]:
    """Keyword arguments left out, and those for reading and writing for one another."""
    for index in range(len(node.keywords)):
        yield ast.Call(node.func, node.args, node.keywords[:index] + node.keywords[index + 1 :])
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    for one, other in SWAPPED_ARGUMENTS:
        if one in given and other in given:
            swapped = given | {one: given[other], other: given[one]}
            yield ast.Call(
                node.func, node.args, [ast.keyword(name, value) for name, value in swapped.items()]
            )


def _short(node: ast.AST | list[ast.stmt]) -> str:
    if isinstance(node, list):
        return "twice"
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else f"{text[:28]} ... {text[-28:]}"
