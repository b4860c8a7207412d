"""The HTML report: one file that needs nothing else, with every figure in it."""

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import bcsim
from bcsim.common.formatting import percent
from bcsim.report import render_report, write_report
from bcsim.report.charts import energy_bars, histogram_charts, layer_bars, legend
from bcsim.results.result import Result


@pytest.fixture(scope="module")
def result() -> Result:
    model = bcsim.load("digits")
    return bcsim.simulate(bcsim.compile(model), "digits", images=60, reference=model)


class Balance(HTMLParser):
    """Raises where tags do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parse(html: str) -> str:
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    return parser.text


def test_one_file_without_links(result: Result) -> None:
    html = render_report(result)
    assert re.findall(r"(?:href|src|url)\s*[=(]|https?:|<script|@import", html) == []
    assert html == render_report(result)


def test_tags_nest_and_figures_are_there(result: Result) -> None:
    text = parse(render_report(result))
    assert result.accuracy_program is not None
    for figure in (
        percent(result.accuracy_program),
        "25,856",
        f"{result.cycles.per_image:,}",
        "float32 MACs",
        "weight memory",
    ):
        assert figure in text
    for note in result.notes:
        assert note in text


def test_names_of_the_user_are_escaped(result: Result) -> None:
    html = render_report(replace(result, model="<img src=x>", notes=("a <b> & c",)))
    assert "<img" not in html
    assert "&lt;img src=x&gt; on digits" in html
    assert "a &lt;b&gt; &amp; c" in html


def test_bars_are_as_long_as_their_figures(result: Result) -> None:
    bars = energy_bars(result)
    assert [bar.label for bar in bars] == ["bcsim", "int8 MACs", "float32 MACs"]
    assert bars[2].length == 1
    assert bars[0].length == pytest.approx(result.energy.total_pj / result.energy.float32_pj)
    for bar in (*bars, *layer_bars(result)):
        assert sum(segment.share for segment in bar.segments) == pytest.approx(1)


def test_every_colour_of_a_legend_is_in_the_style(result: Result) -> None:
    html = render_report(result)
    for segment in (*legend(energy_bars(result)), *legend(layer_bars(result))):
        assert f"--{segment.key}: #" in html or f"--{segment.key}:#" in html


def test_histograms_mark_what_is_clipped(result: Result) -> None:
    chart, layer = histogram_charts(result)[0], result.layers[0]
    assert layer.histogram is not None
    assert layer.histogram.clipped > 0
    assert any(not column.inside for column in chart.columns)
    assert max(column.height for column in chart.columns) == pytest.approx(100)


def test_report_without_float_network(tmp_path: Path) -> None:
    found = bcsim.simulate(bcsim.compile(bcsim.load("digits")), "digits", images=5)
    write_report(found, tmp_path / "r.html")
    text = parse((tmp_path / "r.html").read_text("utf-8"))
    assert "Activations and their quantised range" not in text
    assert "float network –" in text


@pytest.mark.parametrize("width", [700, 1100])
def test_no_table_is_wider_than_its_place(result: Result, width: int, tmp_path: Path) -> None:
    """The records' fields of a fitted machine are a long text; they once hid the values of all parameters."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is installed; .ci/run installs it")
    assert result.machine is not None
    assert len(result.machine.record_bits) > 100
    count = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
    script = f"<script>document.title = 'wider: ' + {count}</script>"
    page = tmp_path / "report.html"
    page.write_text(render_report(result).replace("</body>", f"{script}</body>"), encoding="utf-8")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900", "--dump-dom")
    command = [browser, *flags, page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "<title>wider: 0</title>" in dom
