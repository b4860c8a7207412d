"""Sweeps: every point once, however often they are interrupted; their page in a browser; workers that die."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bcsim.api import compile, load, save
from bcsim.commands.explore import _bit_choices, _numbers, _programs
from bcsim.common.errors import BcsimError
from bcsim.costs.energy import TABLES, load_table
from bcsim.costs.external_memories import with_memory
from bcsim.costs.parts import PARTS
from bcsim.data import load_dataset
from bcsim.interface.program import Program
from bcsim.machine.parameters import Machine
from bcsim.search.explore import COLUMNS, Row, Sweep, evaluate_row, explore, grid, in_turn, pareto, read_table
from bcsim.search.on_dask import on_dask
from bcsim.search.page import write_pages
from tests.programs import random_program

SWEEP = Sweep(
    {"": random_program(np.random.default_rng(5))}, {"": 0.9}, PARTS["lfe5u-25"], load_table(TABLES[0]), 50.0
)
MACHINES = grid({"lanes": [2, 4, 8], "digit": [1, 2, 4]}, spatial=False)


def test_an_interrupted_sweep_goes_on_and_evaluates_nothing_twice(tmp_path: Path) -> None:
    evaluated: list[Machine] = []

    def counted(sweep: Sweep, points: Sequence[tuple[str, Machine]]) -> Iterator[Row]:
        for bits, machine in points:
            if len(evaluated) == 4:
                evaluated.append(machine)
                raise KeyboardInterrupt
            evaluated.append(machine)
            yield from in_turn(sweep, [(bits, machine)])

    with pytest.raises(KeyboardInterrupt):
        explore(SWEEP, MACHINES, tmp_path, counted)
    assert len(read_table(tmp_path / "table.csv")) == 4
    rows = explore(SWEEP, MACHINES, tmp_path, counted)
    assert len(evaluated) - 1 == len(rows) == len(MACHINES)
    assert rows == explore(SWEEP, MACHINES, tmp_path) or len(read_table(tmp_path / "table.csv")) == len(rows)


def test_a_folder_of_another_sweep_is_refused(tmp_path: Path) -> None:
    explore(SWEEP, MACHINES[:1], tmp_path)
    other = Sweep(SWEEP.programs, SWEEP.accuracy, PARTS["up5k"], SWEEP.table, SWEEP.clock)
    with pytest.raises(BcsimError, match=r"holds a sweep of .*'part': 'lfe5u-25'.*: give another --out$"):
        explore(other, MACHINES[:1], tmp_path)


def test_a_folder_of_somebodys_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("a thesis")
    with pytest.raises(BcsimError, match=r"has files and no sweep: give another --out, or an empty folder$"):
        explore(SWEEP, MACHINES[:1], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_bits_are_of_all_layers_or_of_each() -> None:
    assert _bit_choices(None) == {"": None}
    assert _bit_choices("8,4:2:2") == {"8": 8, "4,2,2": [4, 2, 2]}
    with pytest.raises(BcsimError, match=r"with colons between those of layers, such as 8,8:4:4, not '8;4'$"):
        _bit_choices("8;4")


def test_accuracy_is_measured_once_for_bits_of_each_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5 and 5:5:5 are one program; with fewer bits in two layers the accuracy is that of such a program."""
    programs, accuracy = _programs("digits", _bit_choices("5,5:5:5,2:5:1"), 50, tmp_path)
    assert list(programs) == ["5", "5,5,5", "2,5,1"]
    assert [layer.source.bits for layer in programs["2,5,1"].layers] == [2, 5, 1]
    right = programs["2,5,1"].run(load_dataset("digits", "test", 50)).classes
    truth = load_dataset("digits", "test", 50).y
    assert truth is not None
    assert accuracy["2,5,1"] == round(float((right == truth).mean()), 4) < accuracy["5"] == accuracy["5,5,5"]
    monkeypatch.setattr(Program, "run", lambda *_: pytest.fail("measured again"))
    assert _programs("digits", _bit_choices("2:5:1,5"), 50, tmp_path)[1].items() <= accuracy.items()
    rows = explore(replace(SWEEP, accuracy={"": accuracy["5"]}), MACHINES[:1], tmp_path)
    assert rows[0]["accuracy"] == accuracy["5"]
    with pytest.raises(BcsimError, match=r"errors.json has errors of .*: name another file or folder$"):
        _programs("digits", _bit_choices("5"), 40, tmp_path)


def test_a_compiled_program_takes_no_bits(tmp_path: Path) -> None:
    program = save(compile(load("digits"), bits=4), tmp_path / "program.onnx")
    with pytest.raises(BcsimError, match=r"is compiled already: --bits"):
        _programs(str(program), _bit_choices("8,4"), 0, tmp_path / "sweep")


def test_values_of_no_machine_are_refused_for_their_reason() -> None:
    with pytest.raises(
        BcsimError, match=r"^No machine has these values: Machine parameter lanes must be even"
    ):
        grid({"lanes": [3, 5]}, spatial=False)


def test_weights_stream_at_the_clock_of_the_sweep() -> None:
    """Half as many cycles to a word of the port at half the clock."""
    fast, slow = (
        with_memory(grid({"lanes": [8]}, spatial=False, clock=clock)[0], "ulx3s-sdram")
        for clock in (1064.0, 532.0)
    )
    assert (fast.clock_mhz, slow.clock_mhz) == (1064.0, 532.0)
    assert fast.weight_stream_bytes == slow.weight_stream_bytes
    assert fast.weight_stream_interval == 2 * slow.weight_stream_interval > 2


def test_a_scheduler_that_is_none_is_told(tmp_path: Path) -> None:
    def lost(sweep: Sweep, points: Sequence[tuple[str, Machine]]) -> Iterator[Row]:
        return on_dask(sweep, points, scheduler="nonsense")

    with pytest.raises(BcsimError, match=r"^No Dask scheduler answers at --scheduler nonsense: "):
        explore(SWEEP, MACHINES[:1], tmp_path, lost)


def test_pareto_fronts_hold_what_no_other_beats() -> None:
    rows: list[Row] = [{"luts": cost, "fps": gain} for cost, gain in ((1, 1), (2, 1), (3, 5), (4, 4), (5, 6))]
    assert [row["luts"] for row in pareto(rows, "luts", "fps")] == [1, 3, 5]


def test_ranges_double_and_bad_ones_are_told() -> None:
    assert _numbers("--lanes", "8..64") == [8, 16, 32, 64]
    assert _numbers("--lanes", "8,12") == [8, 12]
    with pytest.raises(BcsimError, match=r"^--lanes must be integers such as 8,16,32 or a range "):
        _numbers("--lanes", "64..8")


def test_a_click_shows_a_points_command(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is installed; .ci/run installs it")
    rows = explore(SWEEP, MACHINES, tmp_path)
    index = write_pages(tmp_path, "net <b>", "bcsim verilog net --fit --machine {machine}", rows)
    text = index.read_text()
    assert "<b>" not in text.partition("<h1>")[2].partition("</h1>")[0]
    click = "<script>document.querySelector('circle.front').dispatchEvent(new MouseEvent('click'))</script>"
    (tmp_path / "clicked.html").write_text(text.replace("</body>", click + "</body>"))
    dom = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"file://{tmp_path}/clicked.html"],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    assert 'class="front chosen"' in dom
    assert "<pre>bcsim verilog net --fit --machine lanes=" in dom
    assert (tmp_path / "machines" / "0.html").is_file()
    roofs = re.findall(r'<path class="own" d="(M[^"]+)"', dom)
    assert len(roofs) == 1
    assert roofs[0].count("L") >= 1


def test_no_point_is_above_its_roof() -> None:
    streamed = with_memory(replace(MACHINES[0], weight_words=64), "icebreaker-flash")
    for machine in (*MACHINES, streamed):
        row = evaluate_row(SWEEP, "", machine)
        intensity = row["gops"] * 1e9 / row["images_per_second"] / row["traffic"]
        assert row["gops"] <= row["peak_gops"]
        assert row["gops"] <= 1.01 * row["bandwidth"] * intensity / 1000
    assert row["traffic"] > evaluate_row(SWEEP, "", MACHINES[0])["traffic"]


def test_a_worker_that_dies_loses_no_point() -> None:
    distributed = pytest.importorskip("distributed")
    points = [("", machine) for machine in MACHINES * 3]
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            victim = sorted(client.run(os.getpid).values())[0]
        found = []
        for row in on_dask(SWEEP, points, scheduler=cluster.scheduler_address):
            if not found:
                os.kill(victim, signal.SIGKILL)
            found.append(row["machine"])
    assert len(found) == len(points)
    assert set(found) == {row["machine"] for row in in_turn(SWEEP, points)}


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("sweep.json", b"{", "sweep.json is not what a sweep wrote: Expecting"),
        ("sweep.json", b"[" * 200_000, "sweep.json is not what a sweep wrote: maximum recursion"),
        ("table.csv", b"\xff\xfe", "table.csv is no table of a sweep: 'utf-8' codec"),
        (
            "table.csv",
            (",".join(COLUMNS) + "\na,b\n").encode(),
            "Line 2 of .* has not the 19 values of a row",
        ),
        (
            "table.csv",
            (",".join(COLUMNS) + "\n,m,x" + ",1" * 16 + "\n").encode(),
            "no table of a sweep: invalid",
        ),
    ],
)
def test_a_folder_that_somebody_changed_is_refused(
    file: str, content: bytes, told: str, tmp_path: Path
) -> None:
    explore(SWEEP, MACHINES[:1], tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(BcsimError, match=told):
        explore(SWEEP, MACHINES[:1], tmp_path)
