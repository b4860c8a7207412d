"""What a machine lacks for a program: collected while the program is laid out, told all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bcsim.common.errors import BcsimError
from bcsim.machine.parameters import Machine

__all__ = ["MachineTooSmallError", "Shortfall"]


class MachineTooSmallError(BcsimError):
    """A program needs more of some machine parameters.

    needed : the least value of each of them, True for a feature.
    """

    def __init__(self, message: str, needed: Mapping[str, int | bool]) -> None:
        super().__init__(message)
        self.needed = needed


@dataclass(slots=True)
class Shortfall:
    """The parameters of `machine` that are too small: least value, and what needs it, if it is one layer."""

    machine: Machine
    needed: dict[str, tuple[int, str]] = field(default_factory=dict)

    def require(self, parameter: str, least: int, where: str = "") -> None:
        """Note that `parameter` must be at least `least` (True for a feature)."""
        if least > max(getattr(self.machine, parameter), self.needed.get(parameter, (0, ""))[0]):
            self.needed[parameter] = (least, where)

    def check(self) -> None:
        """Raise MachineTooSmallError where anything is missing."""
        if self.needed:
            wants = "; ".join(self._text(name, least, where) for name, (least, where) in self.needed.items())
            message = f"Machine {self.machine.name!r} is too small for this network: it needs {wants}"
            raise MachineTooSmallError(message, {name: least for name, (least, _) in self.needed.items()})

    def _text(self, parameter: str, least: int, where: str) -> str:
        where = where and f" ({where})"
        if isinstance(least, bool):
            return f"{parameter}=true{where}"
        return f"{parameter} of at least {least}{where}, not {getattr(self.machine, parameter)}"
