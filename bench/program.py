"""The program level against onnxruntime: MNIST images a second through the shipped 784-1024-1024-1024-10 network.

    python -m bench.program [--bits 8 4 1] [--images 10000] [--threads N] [--rounds 9] [--json]

onnxruntime gets the float network with plain float32 weights (its DequantizeLinear nodes folded), all its
optimisations, the same threads, and the better of one batch and batches of 1,000. MNIST is found as `bcsim run`
finds it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from rich.console import Console
from rich.table import Table

from bcsim.api import compile, load
from bcsim.compiler.program import Program
from bcsim.data import load_dataset
from bcsim.encodings import program_input
from bcsim.execute import BACKENDS, prepare
from bench.common import interleaved_medians

MODEL = Path(__file__).parents[1] / "models" / "mnist-mlp.onnx"
FLOAT_BATCHES = {"onnxruntime, one batch": None, "onnxruntime, batches of 1,000": 1000}

Contender: TypeAlias = Callable[[], object]


def _folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with every node whose inputs are all constants replaced by its value."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in list(model.graph.node):
        if all(name in constants for name in node.input):
            inputs = {name: constants[name] for name in node.input}
            (value,) = ReferenceEvaluator(node).run(None, inputs)
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), node.output[0]))
            model.graph.node.remove(node)
    return model


def _float_run(threads: int, x: NDArray[np.float32], batch: int | None) -> Contender:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    model = _folded(onnx.load(MODEL)).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    size = batch or len(x)
    return lambda: [session.run(None, {name: x[start : start + size]}) for start in range(0, len(x), size)]


def _program_run(program: Program, q: NDArray[np.uint8], backend: str, threads: int) -> Contender:
    prepared = prepare(program)
    return lambda: prepared.execute(q, backend=backend, threads=threads)


def _equal(program: Program, q: NDArray[np.uint8]) -> bool:
    kept = [prepare(program).execute(q, keep=True, backend=backend).hidden for backend in BACKENDS]
    return all(np.array_equal(*pair) for other in kept[1:] for pair in zip(kept[0], other, strict=True))


def measure(bits: int, images: int, threads: int, rounds: int) -> dict[str, Any]:
    """Median seconds of every contender, and ratios to the faster onnxruntime run, at one activation width."""
    data = load_dataset("mnist", "test", images)
    program = compile(load(MODEL), bits=bits, calibration="mnist")
    q = program_input(program, data).astype(np.uint8)
    x = program.input.stream.decode(q).astype(np.float32)
    contenders = {name: _float_run(threads, x, batch) for name, batch in FLOAT_BATCHES.items()}
    contenders |= {f"bcsim, {name}": _program_run(program, q, name, threads) for name in BACKENDS}
    seconds = interleaved_medians(contenders, rounds)
    reference = min(seconds[name] for name in FLOAT_BATCHES)
    return {
        "bits": bits,
        "images": len(q),
        "threads": threads,
        "backends_equal": _equal(program, q),
        "seconds": seconds,
        "ratio": {name: reference / time for name, time in seconds.items()},
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _table(result: dict[str, Any]) -> Table:
    title = f"{result['images']:,} images, {result['bits']}-bit activations, {result['threads']} threads"
    table = Table("", "seconds", "images/s", "× onnxruntime", title=title)
    for name, seconds in result["seconds"].items():
        speed = result["images"] / seconds
        table.add_row(name, f"{seconds:.4f}", f"{speed:,.0f}", f"{result['ratio'][name]:.2f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 4, 1], help="of every hidden activation")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args()
    results = [measure(bits, options.images, options.threads, options.rounds) for bits in options.bits]
    if options.json:
        print(json.dumps(results, indent=2))
        return
    for result in results:
        Console().print(_table(result))


if __name__ == "__main__":
    main()
