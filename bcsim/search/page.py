"""A sweep as one HTML page that needs nothing else: Pareto fronts to click, and every point's figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from bcsim.common.files import write_text
from bcsim.search.explore import COLUMNS, Row, pareto

__all__ = ["write_pages"]

FRONTS = (
    ("luts", "images_per_second", "LUTs", "images a second"),
    ("energy_nj", "images_per_second", "energy an image in nJ", "images a second"),
    ("luts", "accuracy", "LUTs", "accuracy"),
)
"""What is plotted: costs and gains by column, and what the axes say."""


def write_pages(folder: Path, title: str, command: str, rows: Sequence[Row]) -> Path:
    """Write index.html and a page for each machine into the folder; the index.

    command : the command line of a point, with `{bits}` and `{machine}` to fill in.
    """
    points = [_point(number, row, command) for number, row in enumerate(rows) if row["cycles"] != ""]
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        files("bcsim.search").joinpath("page.html").read_text(encoding="utf-8")
    )
    fronts = [
        {"x": x, "y": y, "x_name": x_name, "y_name": y_name, "front": _front(points, x, y)}
        for x, y, x_name, y_name in FRONTS
        if any(point[y] != "" for point in points)
    ]
    data = json.dumps({"points": [_with_intensity(point) for point in points], "fronts": fronts}).replace(
        "<", "\\u003c"
    )
    index = folder / "index.html"
    write_text(index, template.render(title=title, data=data, refused=len(rows) - len(points)))
    machines = folder / "machines"
    machines.mkdir(exist_ok=True)
    for point in points:
        write_text(machines / f"{point['number']}.html", _machine_page(title, point))
    return index


def _point(number: int, row: Row, command: str) -> dict[str, Any]:
    line = command.replace("{bits}", row["bits"]).replace("{machine}", row["machine"])
    return {"number": number, "command": line, **row}


def _with_intensity(point: dict[str, Any]) -> dict[str, Any]:
    """The point with its accumulations for each byte of its traffic."""
    operations = point["gops"] * 1e9 / point["images_per_second"]
    return {**point, "intensity": operations / point["traffic"]}


def _front(points: Sequence[Row], cost: str, gain: str) -> list[int]:
    return [row["number"] for row in pareto(points, cost, gain)]


def _machine_page(title: str, point: dict[str, Any]) -> str:
    cells = "".join(
        f"<tr><th>{escape(name.replace('_', ' '))}</th><td>{escape(str(point[name]))}</td></tr>"
        for name in COLUMNS
        if name != "refused"
    )
    return (
        f'<!doctype html><meta charset="utf-8"><title>{escape(title)}: {point["number"]}</title>'
        "<style>body{font:15px system-ui;margin:2rem}th{text-align:left;padding-right:2rem}</style>"
        f'<p><a href="../index.html">{escape(title)}</a></p><h1>Machine {point["number"]}</h1><table>{cells}</table>'
        f"<pre>{escape(point['command'])}</pre>\n"
    )
