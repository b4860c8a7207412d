r"""What a model's file says, made safe for where it goes: one function for each target.

Names, notes and metadata may hold anything: quotes, newlines, escape sequences of terminals, halves of characters.
HTML is escaped by its template and JSON by its encoder; what is here comes before them or stands in their place.
"""

from __future__ import annotations

import json
import re

__all__ = ["comment", "printable", "sentence", "shortened", "tcl_word", "yaml_string"]

LONGEST_NAME = 80
LONGEST_SENTENCE = 360
QUOTED = re.compile(rf"(['\"])((?:(?!\1)[^\\]|\\.){{{LONGEST_NAME},}})\1")
PLAIN = re.compile(r"[^A-Za-z0-9 .,:;=()\[\]+_-]")
TCL_SPECIAL = re.compile(r'[\\"$\[\]{}]')


def printable(text: str) -> str:
    r"""The text with \xNN, \uNNNN or \n for every character that is not one to see: for terminals and HTML.

    Control characters steer terminals, marks of direction turn lines around, and lone surrogates are in no encoding.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and its end where it has more than `most` characters."""
    if len(text) <= most:
        return text
    tail = (most - 3) // 3
    return f"{text[: most - 3 - tail]} … {text[len(text) - tail :]}"


def sentence(text: str) -> str:
    """One line of at most LONGEST_SENTENCE characters, in which long quoted names lose their middle first."""
    line = printable(text)
    if len(line) <= LONGEST_SENTENCE:
        return line
    line = QUOTED.sub(lambda found: f"{found[1]}{shortened(found[2], LONGEST_NAME)}{found[1]}", line)
    return shortened(line, LONGEST_SENTENCE)


def comment(text: str) -> str:
    """The text for a one-line comment of Verilog, Tcl, Python or C: plain ASCII, %NN for the bytes of the rest.

    No backslash continues the line, no quote, `*/` or backtick ends or begins anything.
    """
    return PLAIN.sub(_percent, shortened(text, LONGEST_NAME).replace("…", "..."))


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def tcl_word(text: str) -> str:
    r"""The text as one word of Tcl, in quotes, for scripts and constraint files (XDC, SDC): nothing is substituted.

    Braces are escaped too, so that the word may stand in a braced body. Tcl 8 has no characters beyond U+FFFF: they
    become their \UNNNNNNNN as plain text, like everything that `printable` numbers.
    """
    escaped = TCL_SPECIAL.sub(lambda found: "\\" + found[0], printable(text))
    return '"' + "".join(c if c.isascii() else _tcl_character(c) for c in escaped) + '"'


def _tcl_character(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\\\U{code:08x}"


def yaml_string(text: str) -> str:
    """The text as a string of YAML or JSON, in quotes, for core files of FuseSoC and their like."""
    return json.dumps(printable(text), ensure_ascii=False)
