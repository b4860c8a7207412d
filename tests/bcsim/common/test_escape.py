"""Text from files, escaped for where it goes."""

import json

import pytest

from bcsim.common.errors import BcsimError
from bcsim.common.escape import (
    comment,
    printable,
    sentence,
    shortened,
    tcl_word,
    yaml_string,
)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain name/µ → 1", "plain name/µ → 1"),
        ("a\x1b[31mb\a\0", r"a\x1b[31mb\x07\x00"),
        ("one\ntwo\r\n", r"one\ntwo\r\n"),
        ("x\udc80y", r"x\udc80y"),
        ("user\u202etxt.exe", r"user\u202etxt.exe"),
    ],
)
def test_what_is_not_to_see_is_numbered(text: str, seen: str) -> None:
    assert printable(text) == seen


def test_a_comment_is_one_line_of_harmless_characters() -> None:
    assert comment("lenet-5 (a), b = c;") == "lenet-5 (a), b = c;"
    assert comment("x */ `include \"y\" \\\n'''$[exit]é\udc80") == (
        "x %2A%2F %60include %22y%22 %5C%0A%27%27%27%24[exit]%C3%A9%ED%B2%80"
    )
    assert len(comment("\\" * 100_000)) <= 3 * 80


def test_long_names_lose_their_middle_and_the_reason_stays() -> None:
    name = "n" * 5000
    told = sentence(f"Node {name!r} (Conv): its kernel has 9 rows; accepted are 1 to 7")
    assert len(told) <= 360
    assert told.startswith("Node 'nnn")
    assert told.endswith("nnn' (Conv): its kernel has 9 rows; accepted are 1 to 7")


def test_long_lists_lose_their_middle() -> None:
    told = str(BcsimError("Accepted are " + ", ".join(map(str, range(1000)))))
    assert len(told) <= 360
    assert told.startswith("Accepted are 0, 1, ")
    assert told.endswith("998, 999")
    assert shortened("short", 5) == "short"


HOSTILE = (
    "plain name",
    "",
    'a"; exec touch owned; set b "',
    "[exec touch owned]",
    "$env(HOME) ${x}",
    "} { ; exit",
    "{",
    "back\\",
    "two\nlines\r\x1b[31m",
    "é µ → 1\u202e\udc80",
    "\U0001f600",
    "??/ ??= %s %n \\0 \0",
    "# x: [y, *z] &a !b",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_word_of_tcl_is_its_text(text: str) -> None:
    tkinter = pytest.importorskip("tkinter")
    tcl = tkinter.Tcl()
    tcl.createcommand("exec", lambda *_: pytest.fail("a name ran"))
    wanted = "".join(c if ord(c) < 0x10000 else f"\\U{ord(c):08x}" for c in printable(text))
    tcl.eval(f"proc inside {{}} {{\nreturn {tcl_word(text)}\n}}")
    assert tcl.eval(f"set plain {tcl_word(text)}") == wanted
    assert tcl.eval("inside") == wanted
    assert tcl.eval(f"llength [list {tcl_word(text)}]") == "1"
    assert tcl_word(text).isascii()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_string_of_yaml_is_its_text(text: str) -> None:
    assert json.loads(yaml_string(text)) == printable(text)
    assert yaml_string(text).isprintable()
