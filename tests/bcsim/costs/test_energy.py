"""Energy tables and what they make of counts."""

import re
from math import fsum, isclose
from pathlib import Path

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import map_program
from bcsim.costs.counts import Action, count_mapping
from bcsim.costs.energy import KINDS, PARTS, TABLES, Curve, energy_of, load_table, table_text
from bcsim.costs.float_counts import FLOAT32, INT8, count_macs
from bcsim.costs.traffic import MemoryTraffic
from tests.programs import random_machine, random_program


def whole(message: str) -> str:
    return f"^{re.escape(message)}$"


@pytest.mark.parametrize(
    ("points", "size", "expected"),
    [
        (((32, 0.21),), 32, 0.21),
        (((32, 0.21),), 1, 0.21 / 32),
        (((8, 0.03), (32, 0.1)), 8, 0.03),
        (((8, 0.03), (32, 0.1)), 32, 0.1),
        (((1, 1), (4, 2), (16, 8)), 2, 2**0.5),
        (((1, 1), (4, 2), (16, 8)), 4, 2),
        (((1, 1), (4, 2), (16, 8)), 8, 4),
        (((1, 1), (4, 2), (16, 8)), 0.25, 0.5),
        (((1, 1), (4, 2), (16, 8)), 64, 32),
    ],
)
def test_curves(points: tuple[tuple[float, float], ...], size: float, expected: float) -> None:
    assert isclose(Curve(points, "test").at(size), expected)


@pytest.mark.parametrize("name", TABLES)
def test_every_figure_of_the_package_has_a_source(name: str) -> None:
    table = load_table(name)
    assert (table.name, set(table.curves)) == (name, set(KINDS))
    assert all(len(curve.source) > 20 for curve in table.curves.values())


def test_published_figures() -> None:
    table = load_table("horowitz-45nm")
    figures = [("adder", 8, 0.03), ("adder", 32, 0.1), ("multiplier", 8, 0.2), ("float_multiplier", 32, 3.7)]
    for kind, bits, pj in figures:
        assert isclose(table.action_pj(Action("adders", kind, bits, 1000)), 1000 * pj)
    fast, slow = load_table("aladdin-40nm-1ns"), load_table("aladdin-40nm-5ns")
    adder = Action("adders", "adder", 16, 1)
    assert isclose(fast.action_pj(adder), 0.105)
    assert isclose(fast.action_pj(adder) / slow.action_pj(adder), 0.21 / 0.0857)


@pytest.mark.parametrize(("words", "pj"), [(1024, 10), (4096, 20), (131072, 100)])
def test_memory_of_64_bits_costs_what_is_published(words: int, pj: float) -> None:
    traffic = MemoryTraffic(words, 64, 3, 192, 2, 128)
    assert isclose(load_table("horowitz-45nm").traffic_pj(traffic), 5 * pj)


def test_a_narrow_memory_is_as_small_as_its_words() -> None:
    """4,096 words of 16 bits are 8 KiB, of which 64 bits cost 10 pJ."""
    traffic = MemoryTraffic(4096, 16, 1, 16, 0, 0)
    assert isclose(load_table("horowitz-45nm").traffic_pj(traffic), 10 * 16 / 64)


def test_wide_memory_is_banks_side_by_side() -> None:
    table = load_table("horowitz-45nm")
    narrow, wide = MemoryTraffic(4096, 64, 1, 64, 0, 0), MemoryTraffic(4096, 1024, 1, 1024, 0, 0)
    assert isclose(table.traffic_pj(wide), 16 * table.traffic_pj(narrow))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("seed", range(8))
def test_parts_and_layers_add_up(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    mapping, table = map_program(random_program(rng), random_machine(rng)), load_table(name)
    for counts in (count_mapping(mapping), count_macs(mapping, FLOAT32), count_macs(mapping, INT8)):
        found = energy_of(counts, table)
        terms = [table.action_pj(action) for action in counts.actions]
        terms += [table.traffic_pj(traffic) for layer in counts.layers for traffic in layer.traffic.values()]
        assert isclose(found.total, fsum([*terms, table.stream_pj(counts.stream_bits)]), rel_tol=1e-12)
        assert found.total == fsum(found.by_part.values())
        assert tuple(found.by_part) == tuple(part for part in PARTS if part != "accumulator_memory")
        by_layer = fsum(value for layer in found.layers for value in layer.values())
        assert isclose(by_layer + found.io, found.total, rel_tol=1e-12)


def test_user_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = "\n".join(f'[{kind}]\npoints = [[1, 1.0], [2, 2.0]]\nsource = "measured"' for kind in KINDS)
    path.write_text(f'technology = "7 nm"\n{text}\n')
    table = load_table(str(path))
    assert (table.name, table.technology) == ("mine", "7 nm")
    assert isclose(table.action_pj(Action("adders", "adder", 3, 2)), 6)


def bad_table(tmp_path: Path, section: str) -> str:
    """A table whose [adder] is `section`, everything else being right; its path."""
    rest = "\n".join(f'[{kind}]\npoints = [[1, 1.0], [2, 2.0]]\nsource = "s"' for kind in KINDS[1:])
    path = tmp_path / "t.toml"
    path.write_text(f"{section}\n{rest}\n")
    return str(path)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("", "needs a section [adder] with points and a source"),
        ("adder = 3", "needs a section [adder] with points and a source"),
        ("[adder]\npoints = [[1, 1]]", "needs a section [adder] with points and a source"),
        ('[adder]\npoints = [[1, 1]]\nsource = " "', "needs a section [adder] with points and a source"),
        ("[adder]\npoints = [[1, 1]]\nsource = 3", "needs a section [adder] with points and a source"),
        (
            '[adder]\nsource = "s"\npoints = [3]',
            "needs at least 1 points [size, pJ] of numbers from 1e-15 to 1e+15 in [adder], not [3]",
        ),
        (
            '[adder]\nsource = "s"\npoints = [[1, "a"]]',
            "needs at least 1 points [size, pJ] of numbers from 1e-15 to 1e+15 in [adder], not [[1, 'a']]",
        ),
        (
            '[adder]\nsource = "s"\npoints = [[1, 2, 3]]',
            "needs at least 1 points [size, pJ] of numbers from 1e-15 to 1e+15 in [adder], not [[1, 2, 3]]",
        ),
        (
            '[adder]\nsource = "s"\npoints = [[1, inf]]',
            "needs at least 1 points [size, pJ] of numbers from 1e-15 to 1e+15 in [adder], not [[1, inf]]",
        ),
        (
            '[adder]\nsource = "s"\npoints = []',
            "needs at least 1 points [size, pJ] of numbers from 1e-15 to 1e+15 in [adder], not []",
        ),
        (
            '[adder]\nsource = "s"',
            "needs at least 1 points [size, pJ] of numbers from 1e-15 to 1e+15 in [adder], not None",
        ),
        (
            '[adder]\nsource = "s"\npoints = [[0, 1]]',
            "needs at least 1 points [size, pJ] of numbers from 1e-15 to 1e+15 in [adder], not [[0, 1]]",
        ),
        (
            '[adder]\nsource = "s"\npoints = [[1, nan]]',
            "needs at least 1 points [size, pJ] of numbers from 1e-15 to 1e+15 in [adder], not [[1, nan]]",
        ),
        *(
            (
                f'[adder]\nsource = "s"\npoints = [[1, {text}]]',
                f"needs at least 1 points [size, pJ] of numbers from 1e-15 to 1e+15 in [adder], not [[1, {found}]]",
            )
            for text, found in (("1e-320", "1e-320"), ("true", "True"), ("9" * 99, "9" * 99))
        ),
        (
            '[adder]\nsource = "s"\npoints = [[1, 1e-15], [1.001, 1.0]]',
            "needs points that rise or fall by the size to the power of 10 at most in [adder], not "
            "[[1, 1e-15], [1.001, 1.0]]",
        ),
        (
            '[adder]\nsource = "s"\npoints = [[2, 1], [2, 2]]',
            "needs points of rising size in [adder], not [[2, 1], [2, 2]]",
        ),
    ],
)
def test_user_tables_that_are_wrong(tmp_path: Path, section: str, message: str) -> None:
    path = bad_table(tmp_path, section)
    with pytest.raises(BcsimError, match=whole(f"Energy table {path!r} {message}")):
        load_table(path)


def test_table_on_a_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "aladdin-40nm-5ns"\n[sram]\npoints = [[1, 1.0], [2, 2.0]]\nsource = "measured"\n')
    table, base = load_table(str(path)), load_table("aladdin-40nm-5ns")
    assert (table.name, table.technology) == ("mine", "not stated")
    assert table.curves == {**base.curves, "sram": Curve(((1, 1), (2, 2)), "measured")}


@pytest.mark.parametrize("base", ["x", 3])
def test_base_that_is_no_table(tmp_path: Path, base: object) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"base = {base!r}\n")
    message = f"Energy table {str(path)!r} has base = {base!r}; accepted are {', '.join(TABLES)}"
    with pytest.raises(BcsimError, match=whole(message)):
        load_table(str(path))


@pytest.mark.parametrize("name", TABLES)
def test_printed_table_is_accepted(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(table_text(name))
    assert load_table(str(path)) == load_table(name)


def test_no_such_table_to_print() -> None:
    with pytest.raises(
        BcsimError, match=whole(f"There is no energy table 'x'; accepted are {', '.join(TABLES)}")
    ):
        table_text("x")


def test_no_table() -> None:
    message = f"Energy table 'x' is neither one of {', '.join(TABLES)} nor a readable TOML file"
    with pytest.raises(BcsimError, match=whole(message)):
        load_table("x")


def test_memory_needs_a_trend(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text('base = "horowitz-45nm"\n[sram]\npoints = [[8192, 10.0]]\nsource = "s"\n')
    points = "at least 2 points [size, pJ] of numbers from 1e-15 to 1e+15 in [sram], not [[8192, 10.0]]"
    with pytest.raises(BcsimError, match=whole(f"Energy table {str(path)!r} needs {points}")):
        load_table(str(path))


def test_no_text(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_bytes(b"\xff\xfe")
    message = f"Energy table {str(path)!r} is neither one of {', '.join(TABLES)} nor a readable TOML file"
    with pytest.raises(BcsimError, match=whole(message)):
        load_table(str(path))


@pytest.mark.parametrize(("size", "fits"), [(1 << 20, True), ((1 << 20) + 1, False)])
def test_a_table_has_at_most_a_mebibyte(tmp_path: Path, size: int, fits: bool) -> None:
    path, text = tmp_path / "mine.toml", table_text("horowitz-45nm")
    path.write_text(text + "#" * (size - len(text.encode())), "utf-8")
    if fits:
        assert load_table(str(path)) == load_table("horowitz-45nm")
        return
    with pytest.raises(BcsimError, match=rf"^Energy table {path} has more than 1048576 bytes"):
        load_table(str(path))


def test_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text("[adder\n")
    with pytest.raises(
        BcsimError, match=f"^Energy table {re.escape(repr(str(path)))} is not valid TOML: .+$"
    ):
        load_table(str(path))
