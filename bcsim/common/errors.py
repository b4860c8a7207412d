"""The one exception users meet."""

from __future__ import annotations

from bcsim.common.escape import sentence

__all__ = ["BcsimError"]


class BcsimError(Exception):
    """Bad input, told in one sentence that names the node or field and what would be accepted.

    The sentence is one line of printable characters, about 360 at most, whatever names it quotes. The command line
    prints it without a traceback and exits with code 2.
    """

    def __str__(self) -> str:
        return sentence(super().__str__())
