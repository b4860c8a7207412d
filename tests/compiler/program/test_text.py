"""The text of a program."""

from dataclasses import replace

from bcsim.compiler.program.layers import Divide
from bcsim.compiler.program.text import program_text
from tests.compiler.program.test_onnx_format import make_program

TEXT = """\
program net: 3 -> 2 classes
input u3 (0.142857, -0.333333) by table 668a95a42590 -> u1 (2, -1)
0 dense dense: 3 x u1 (2, -1) -> 10 x u3 (0.25, 0), planes 0, accumulator -1..2, divide F=2, exact, 1ca78dcca9c1
1 dense dense#2: 10 x u3 (0.25, 0) -> 2 x u2 (0.5, 0), planes 0,0, accumulator -70..70, search, exact, f13ca9cdb4f7
2 dense dense#3: 2 x u2 (0.5, 0) -> 2 x u16 (0.5, -1.5), planes 0, accumulator -3..6, divide F=0, exact, ab655c88c2d0
note a note
note ünother
"""


def test_text_of_a_program() -> None:
    assert program_text(make_program()) == TEXT


def test_another_parameter_prints_another_digest() -> None:
    program = make_program()
    first = program.layers[0]
    assert isinstance(first.requantiser, Divide)
    moved = replace(first.requantiser, offset=first.requantiser.offset + 1)
    other = replace(program, layers=(replace(first, requantiser=moved), *program.layers[1:]))
    before, after = program_text(program).splitlines(), program_text(other).splitlines()
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False, True, True, True, True]


def test_names_cannot_break_a_line_or_command_a_terminal() -> None:
    program = replace(make_program(), name="a\nb\x1b[2J")
    text = program_text(program)
    assert len(text.splitlines()) == len(TEXT.splitlines())
    assert "\x1b" not in text
