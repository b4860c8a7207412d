"""Coverage points: read from Verilator's file, counted by module, and left out only for a reason."""

from __future__ import annotations

from bench.coverage_points import (
    CONSTANT,
    Constants,
    Point,
    by_module,
    read_points,
    reason,
    without_time_zero,
)

LINE = (
    "C '\1f\2a.v\1l\2{line}\1n\0025\1t\2{kind}\1page\2v_{kind}/{module}\1o\2{what}\1h\2top.{path}' {count}\n"
)
NETLIST = {
    "modules": {
        "top": {"netnames": {"loop_0.step": {"bits": [3, "0"]}, "loop_1.step": {"bits": [4, "0"]}}},
    }
}


def data(*points: tuple[str, str, str, str, int]) -> bytes:
    return "".join(
        LINE.format(line=7, kind=kind, module=module, path=path, what=what, count=count)
        for kind, module, path, what, count in points
    ).encode()


def test_points_are_counted_by_module() -> None:
    found = read_points(
        data(
            ("line", "loop", "loop_*", "block", 3),
            ("branch", "loop", "loop_*", "else", 0),
            ("toggle", "loop", "loop_*", "step[0]:0->1", 5),
            ("toggle", "loop", "loop_*", "step[0]:1->0", 0),
            ("toggle", "loop", "loop_*", "step[1]:0->1", 0),
        )
    )
    module = by_module(found, Constants(NETLIST, "top"))["loop"]
    assert module.total == {"lines": 2, "toggles": 3}
    assert module.met == {"lines": 1, "toggles": 1}
    assert module.excused == {CONSTANT: 1}
    assert [point.place for point in module.missed] == ["7", "step"]


def test_a_bit_is_constant_only_where_it_is_so_in_every_instance() -> None:
    netlist = {"modules": {"top": {"netnames": {"a_0.x": {"bits": ["1"]}, "a_1.x": {"bits": [9]}}}}}
    point = Point("a", "top.a_*", "toggle", "x", 0, "x:0->1")
    assert reason(point, Constants(netlist, "top")) == ""
    netlist["modules"]["top"]["netnames"]["a_1.x"]["bits"] = ["1"]
    assert reason(point, Constants(netlist, "top")) == CONSTANT


def test_lines_are_never_left_out() -> None:
    point = Point("watchdog", "top.watchdog", "line", "after", 9, "block")
    assert reason(point, Constants(NETLIST, "top")) == ""


def test_counts_of_two_runs_add_up() -> None:
    once = data(("line", "loop", "loop_*", "block", 3))
    assert list(read_points(once + once).values()) == [6]


def test_the_register_of_time_zero_is_dropped() -> None:
    verilog = "  always @* begin\n    if (at_time_zero) begin end\n    a = b;\n  end\n"
    assert without_time_zero(verilog) == "  always @* begin\n    a = b;\n  end\n"
