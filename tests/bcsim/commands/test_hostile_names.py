r"""One hostile name through every output of every command: nothing executes, nothing breaks.

Every name in the model's file and the file's own name are hostile. Each output is held to that of the same network
with plain names: the same program but for comments, the same tags, the same keys.
"""

import ast
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from typer.testing import CliRunner, Result

from bcsim.cli import app

HOSTILE = (
    '"""\'\'\'\nimport os; os.mkdir(\'pwned\')\n"""'
    '`include "x" */ endmodule module pwned; initial $finish; endmodule //\\\n'
    "</title></script><script>alert(1)</script>\x1b[31m\x1b]0;title\x07[red]bold[/red][/] :smile: ../../pwned "
    "[exec touch pwned] $env(HOME) {{ 7 * 7 }} {% raw %} \0\r\n\u202eevil \u2028" + "x" * 70_000
)
FILE_NAME = "\"'`;$(touch pwned)\n\x1b[31m[red]<script>alert(1)</script>\udcff".replace("/", "") + ".onnx"
PLAIN_NAME = "plain"


def network(name: str) -> ModelProto:
    """Digits, 64 to 10, with a layer of 8 between; every name in it begins with `name`."""
    generator = np.random.default_rng(3)
    first, second = (generator.choice([-1.0, 1.0], size).astype(np.float32) for size in ((64, 8), (8, 10)))
    nodes = [
        helper.make_node("MatMul", [f"{name}x", f"{name}w1"], [f"{name}a"], f"{name} first"),
        helper.make_node("Relu", [f"{name}a"], [f"{name}b"], f"{name} relu", doc_string=name),
        helper.make_node("MatMul", [f"{name}b", f"{name}w2"], [f"{name}y"], f"{name} second"),
    ]
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(f"{name}x", TensorProto.FLOAT, ["N", 64])],
        [helper.make_tensor_value_info(f"{name}y", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(first, f"{name}w1"), numpy_helper.from_array(second, f"{name}w2")],
        doc_string=name,
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    helper.set_model_props(model, {"bcsim.dataset": "digits", f"{name}key": name, "author": name})
    return model


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def run(*arguments: object) -> str:
    """Standard output of a command that succeeds, which holds characters to see and newlines alone."""
    found = invoke(*arguments)
    assert found.exit_code == 0, found.output[-2000:]
    assert found.stderr == ""
    assert all(character.isprintable() or character == "\n" for character in found.stdout)
    return found.stdout


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A folder with the plain network and one with the hostile one."""
    made = tmp_path / "plain", tmp_path / "hostile"
    for folder, name, file in zip(made, (PLAIN_NAME, HOSTILE), ("plain.onnx", FILE_NAME), strict=True):
        folder.mkdir()
        (folder / file).write_bytes(network(name).SerializeToString())
    monkeypatch.chdir(tmp_path)
    return made


def model_of(folder: Path) -> Path:
    return next(folder.glob("*.onnx"))


def strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield key
            yield from strings(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from strings(entry)
    elif isinstance(value, str):
        yield value


class Tags(HTMLParser):
    """Every tag and attribute of a document but for the texts of titles and labels."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[object] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(
            (tag, [name if name in ("title", "aria-label") else (name, value) for name, value in attrs])
        )


def test_info_and_a_compiled_program(folders: tuple[Path, Path]) -> None:
    for folder in folders:
        run("info", model_of(folder))
        run("compile", model_of(folder), "-o", folder / "program.onnx")
        run("info", folder / "program.onnx")


def test_run(folders: tuple[Path, Path]) -> None:
    tags, keys = [], []
    for folder in folders:
        files = {kind: folder / f"out.{kind}" for kind in ("json", "html", "npz", "trace")}
        run(
            *("run", model_of(folder), "--images", 4, "--json", files["json"], "--report", files["html"]),
            *("--outputs", files["npz"], "--trace", files["trace"]),
        )
        found = json.loads(files["json"].read_text("ascii"))
        keys.append(sorted(found))
        assert (HOSTILE in "".join(strings(found))) == (folder.name == "hostile")
        html = files["html"].read_text("utf-8")
        assert all(character.isprintable() or character == "\n" for character in html)
        tags.append(Tags(html).found)
        assert "traceEvents" in json.loads(files["trace"].read_text("ascii"))
    assert tags[0] == tags[1]
    assert keys[0] == keys[1]
    assert "script" not in {entry[0] for entry in tags[1]}  # type: ignore[index]


def test_generated_verilog_and_bench(folders: tuple[Path, Path], tmp_path: Path) -> None:
    modules, benches, described, headers = [], [], [], []
    for folder in folders:
        out = folder / "out"
        run("compile", model_of(folder), "-o", folder / "program.onnx")
        stored = renamed(folder / "program.onnx", PLAIN_NAME if folder.name == "plain" else HOSTILE)
        run("verilog", stored, "-o", out, "--machine", "tiny", "--images", 1, "--no-check")
        text = (out / "accelerator.v").read_text("ascii")
        modules.append(re.sub(r"//[^\n]*", "", text))
        benches.append(tree_of((out / "test_accelerator.py").read_text("ascii")))
        headers.append([code_of(path.read_text("ascii")) for path in sorted(out.glob("c/*.[ch]"))])
        described.append(sorted(json.loads((out / "machine.json").read_text("ascii"))))
    assert modules[0] == modules[1]
    assert benches[0] == benches[1]
    assert described[0] == described[1]
    assert headers[0]
    assert headers[0] == headers[1]
    assert not list(tmp_path.rglob("pwned"))


def renamed(path: Path, name: str) -> Path:
    """A stored program under another name, as nobody's compiler wrote it."""
    model = ModelProto.FromString(path.read_bytes())
    model.graph.name = name
    path.write_bytes(model.SerializeToString())
    return path


def code_of(source: str) -> str:
    """C without its comments."""
    return re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)


def tree_of(source: str) -> str:
    """A Python file without its docstring, as a tree."""
    tree = ast.parse(source)
    assert ast.get_docstring(tree)
    return ast.dump(ast.Module(tree.body[1:], []))


def test_refusals_name_it_in_one_short_sentence(folders: tuple[Path, Path]) -> None:
    model = network(HOSTILE)
    model.graph.node[1].op_type = f"Softsign{HOSTILE}"
    broken = folders[1] / "broken.onnx"
    broken.write_bytes(model.SerializeToString())
    for arguments in (
        ("run", broken),
        ("compile", broken, "-o", "x"),
        ("verilog", broken, "-o", "y"),
        ("verify", broken),
    ):
        found = invoke(*arguments)
        assert found.exit_code == 2
        assert found.stderr.count("\n") == 1
        assert found.stderr[:-1].isprintable()
        assert len(found.stderr) < 380
    told = invoke("info", broken)
    assert told.exit_code == 2
    assert all(character.isprintable() or character == "\n" for character in told.stdout)
    assert len(told.stdout) < 30_000
