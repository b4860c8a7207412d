"""Whatever compiles runs at the program level: networks that no machine takes, and what a result says of them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import bcsim
from bcsim.cli import app
from bcsim.common.errors import BcsimError
from bcsim.compiler.program.layers import Program
from bcsim.report import render_report
from bcsim.results.ensemble import combine
from bcsim.results.result import Result, to_json
from tests.compiler.build import model, node, save, tensors

TOO_MANY = (
    "Layer 'n_a' is too large for the machine's records: sources would be 16; accepted are values up to 15"
)
TOO_LONG = (
    "Layer 'n_a' is too large for the machine's records: window_columns would be 65997; accepted are values up to "
    "65535"
)
EITHER_WAY = (
    "Layer 'n_s' reads 3 sources in an order that the machine cannot take; accepted are 1 or 2, or more that are "
    "different tensors, which no other layer of more than 2 reads in a contradicting order"
)


def many_sources(folder: Path) -> Path:
    """An addition of more tensors than a record's field counts."""
    rng, names = np.random.default_rng(1), [f"s{i}" for i in range(17)]
    nodes = []
    for name in names:
        nodes += [node("MatMul", f"x w{name}", f"m{name}"), node("Sign", f"m{name}", name)]
    nodes += [
        node("Concat", " ".join(names), "c", axis=1),
        node("MatMul", "c v", "a"),
        node("Sign", "a", "h"),
    ]
    nodes += [node("MatMul", "h u", "y")]
    weights = {f"w{name}": rng.choice([-1.0, 1.0], (4, 2)) for name in names}
    ends = {"v": rng.choice([-1.0, 1.0], (34, 3)), "u": rng.choice([-1.0, 1.0], (3, 2))}
    return save(model(nodes, tensors(**weights, **ends), shape=(4,)), folder)


def long_window(folder: Path) -> Path:
    """A maximum over more places than a record's field holds."""
    nodes = [
        node("Conv", "x w", "a"),
        node("Sign", "a", "h"),
        node("GlobalMaxPool", "h", "g"),
        node("Flatten", "g", "f"),
        node("MatMul", "f v", "y"),
    ]
    weights = tensors(w=np.random.default_rng(1).choice([-1.0, 1.0], (4, 1, 3)), v=np.eye(4, 3))
    return save(model(nodes, weights, shape=(1, 66_000)), folder)


def contradicting_orders(folder: Path) -> Path:
    """Two concatenations that read three tensors in orders of which no memory holds both."""
    rng = np.random.default_rng(2)
    nodes = []
    for name in "abc":
        nodes += [node("MatMul", f"x w{name}", f"m{name}"), node("Sign", f"m{name}", name)]
    nodes += [
        node("Concat", "a b c", "ab", axis=1),
        node("Concat", "b a c", "ba", axis=1),
        node("MatMul", "ab v1", "r"),
        node("Sign", "r", "p"),
        node("MatMul", "ba v2", "s"),
        node("Sign", "s", "q"),
        node("Add", "p q", "t"),
        node("MatMul", "t u", "y"),
    ]
    weights = {f"w{name}": rng.choice([-1.0, 1.0], (8, 4)) for name in "abc"}
    weights |= {f"v{i}": rng.choice([-1.0, 1.0], (12, 5)) for i in (1, 2)}
    return save(model(nodes, tensors(**weights, u=rng.choice([-1.0, 1.0], (5, 3))), shape=(8,)), folder)


def compiled(path: Path) -> tuple[bcsim.Model, Program, np.ndarray]:
    loaded = bcsim.load(path)
    assert loaded.graph is not None
    x = np.random.default_rng(4).integers(0, 256, (2, *loaded.graph.input_shape)).astype(np.uint8)
    return loaded, bcsim.compile(loaded, calibration=x, input="raw"), x


@pytest.mark.parametrize(
    ("make", "reason"),
    [(long_window, TOO_LONG), (many_sources, TOO_MANY), (contradicting_orders, EITHER_WAY)],
)
def test_a_network_that_no_machine_takes_runs_at_the_program_level(
    make: object, reason: str, tmp_path: Path
) -> None:
    loaded, program, x = compiled(make(tmp_path))  # type: ignore[operator]
    result = bcsim.simulate(program, x, reference=loaded)
    assert (result.on_machine, result.no_machine) == (None, reason)
    assert program.exact
    assert result.agreement == 1
    for asked in ({"machine": "conv"}, {"level": "machine"}, {"record": 1}):
        with pytest.raises(BcsimError):
            bcsim.simulate(program, x, **asked)  # type: ignore[arg-type]
    with pytest.raises(BcsimError, match=f"^{re.escape(reason)}$"):
        bcsim.simulate(program, x, level="machine")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    loaded, program, x = compiled(contradicting_orders(tmp_path_factory.mktemp("net")))
    return bcsim.simulate(program, x, reference=loaded)


def test_what_a_machine_would_give_is_missing_with_the_reason(result: Result) -> None:
    for name in ("machine", "cycles", "energy", "operations", "unit_bits", "memory", "machine_run"):
        with pytest.raises(BcsimError, match=f"^{re.escape(f'No machine takes model: {EITHER_WAY}')}$"):
            getattr(result, name)
    with pytest.raises(BcsimError, match=r"^No machine ran layer 'x/copy'$"):
        _ = result.layers[0].cycles
    assert result.advice == ()
    assert repr(result).endswith("2 images, on no machine>")


def test_json_has_null_and_the_reason(result: Result) -> None:
    found = to_json(result)
    json.dumps(found, allow_nan=False)
    assert found["machine_missing"] == EITHER_WAY
    for name in ("machine", "cycles", "operations", "unit_bits", "memory", "energy"):
        assert found[name] is None
    assert found["layers"][0]["cycles"] is None
    assert found["layers"][0]["sqnr_db"] is None
    assert to_json(bcsim.simulate(bcsim.compile("digits"), "digits", images=1))["machine_missing"] is None


def test_keys_are_the_same_with_and_without_a_machine(result: Result) -> None:
    ran = to_json(bcsim.simulate(bcsim.compile("digits"), "digits", images=1))
    found = to_json(result)
    assert set(ran) == set(found)
    assert set(ran["layers"][0]) == set(found["layers"][0])


def test_the_report_says_why(result: Result) -> None:
    html = render_report(result)
    assert "cycles, counts and energy are missing: Layer &#39;n_s&#39; reads 3 sources" in html
    assert "Where the cycles go" not in html
    assert "missing: Layer &#x27;n_s&#x27; reads 3" in result._repr_html_()  # type: ignore[attr-defined]


def test_an_ensemble_of_them_has_no_costs_either(result: Result) -> None:
    found = combine("two", [result, result], None)
    assert (found.on_machine, found.no_machine) == (None, EITHER_WAY)
    assert len(found.layers) == 2 * len(result.layers)


def test_the_command_line_runs_them_and_names_the_limit_where_a_machine_is_asked_for(tmp_path: Path) -> None:
    path, data = contradicting_orders(tmp_path), tmp_path / "x.npz"
    np.savez(data, x=np.zeros((3, 8), np.uint8), y=np.zeros(3, np.int64))
    run = ["run", str(path), "--data", str(data)]
    found = CliRunner().invoke(app, run)
    assert found.exit_code == 0
    assert "none takes it: see the notes" in found.stdout
    assert f"are missing: {EITHER_WAY}" in " ".join(found.stdout.split())
    trace, out = tmp_path / "t.json", tmp_path / "out"
    for asked in (
        [*run, "--level", "machine"],
        [*run, "--machine", "tiny,spatial=true"],
        [*run, "--trace", str(trace)],
        ["verilog", str(path), "-o", str(out)],
        ["verify", str(path)],
    ):
        refused = CliRunner().invoke(app, asked)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert " ".join(refused.stderr.split()) == f"bcsim: {EITHER_WAY}"
    assert not trace.exists()
    assert not out.exists()
