"""A result as one HTML file: inline style, inline plots, no links, for light and dark screens and for paper.

Stands on bcsim.results.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from bcsim.common import formatting
from bcsim.common.escape import printable
from bcsim.common.files import write_text
from bcsim.common.version import __version__
from bcsim.report.charts import energy_bars, histogram_charts, layer_bars, legend
from bcsim.report.tables import cards, tables
from bcsim.results.result import Result

__all__ = ["render_report", "write_report"]


def write_report(result: Result, path: Path) -> None:
    """Write the report to `path` atomically; raises BcsimError where that fails."""
    write_text(path, render_report(result))


def render_report(result: Result) -> str:
    """The report as HTML. The same result gives the same text."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    here = files("bcsim.report")
    template = environment.from_string(here.joinpath("template.html").read_text("utf-8"))
    energy, layers = (energy_bars(result), layer_bars(result)) if result.on_machine else ((), ())
    return template.render(
        result=result,
        style=here.joinpath("style.css").read_text("utf-8"),
        version=__version__,
        format=formatting,
        cards=cards(result),
        tables=tables(result),
        energy=energy,
        energy_legend=legend(energy),
        layers=layers,
        layer_legend=legend(layers),
        histograms=histogram_charts(result),
    )


def _visible(value: object) -> object:
    """Text from files without control characters, which no HTML may hold; the style is Markup, not plain text."""
    return printable(value) if type(value) is str else value
