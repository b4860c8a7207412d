"""The result of a simulation with its files: report, trace, JSON."""

from __future__ import annotations

from dataclasses import fields
from html import escape
from pathlib import Path
from typing import Any

from bcsim.common.errors import BcsimError
from bcsim.results import result as results
from bcsim.results.result import to_json
from bcsim.results.summary import overview

__all__ = ["Result", "with_files"]


class Result(results.Result):
    """Everything that one simulation found (see `bcsim.to_json` and docs/json.md), with methods that write it."""

    __slots__ = ()

    def report(self, path: str | Path) -> Path:
        """Write the HTML report; the file. Raises BcsimError where it cannot be written."""
        from bcsim.report import write_report

        write_report(self, Path(path))
        return Path(path)

    def trace(self, path: str | Path, images: int | None = None) -> Path:
        """Write every cycle of the first images as a trace for ui.perfetto.dev, in gzip for `.gz`; the file.

        images : by default all that the simulation recorded (`simulate(..., record=3)`).
        Raises BcsimError where it recorded fewer, and where the file cannot be written.
        """
        from bcsim.simulator.trace import write_trace

        recorded = int(self.machine_run.outputs.last.sum())
        wanted = recorded if images is None else images
        if not 1 <= wanted <= recorded:
            raise BcsimError(
                f"The simulation recorded {recorded} images, and a trace needs {max(wanted, 1)}: "
                f"simulate(..., record={max(wanted, 1)})"
            )
        write_trace(self.machine_run, wanted, Path(path))
        return Path(path)

    def to_json(self) -> dict[str, Any]:
        """The result with the stable keys of docs/json.md."""
        return to_json(self)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td style='text-align:right'>{escape(value)}</td></tr>"
            for name, value in overview(self)
        )
        lines = "".join(f"<li>{escape(line)}</li>" for line in (*self.advice, *self.notes))
        title = f"{escape(self.model)} on {escape(self.data)}"
        return f"<table><caption>{title}</caption>{rows}</table><ul>{lines}</ul>"


def with_files(result: results.Result) -> Result:
    """The same result with methods."""
    return Result(**{field.name: getattr(result, field.name) for field in fields(results.Result)})
