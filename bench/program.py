"""The program level against onnxruntime: images a second through a network on both.

    python -m bench.program [--network mnist|cifar10] [--bits 8 4 1] [--images N] [--threads N] [--rounds 9] [--json]

mnist : the shipped 784-1024-1024-1024-10 network on test images, found as `bcsim run` finds them.
cifar10 : 2x128C3-MP2-2x256C3-MP2-2x512C3-MP2-1024-1024-10 with random weights, on random images.

onnxruntime gets the float network with plain float32 weights (DequantizeLinear nodes and batch normalisation
folded), all its optimisations, the same threads, and the better of one batch and smaller ones.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from rich.console import Console
from rich.table import Table

from bcsim.api import compile, load
from bcsim.common.float_engine import onnxruntime
from bcsim.compiler.program.layers import Program
from bcsim.data import Dataset, load_dataset
from bcsim.execution.execute import BACKENDS, prepare
from bcsim.execution.raw_levels import program_input
from bench.common import interleaved_medians, run_main
from bench.networks import cifar_program, float_twin

MODEL = Path(__file__).parents[1] / "models" / "mnist-mlp.onnx"

Contender: TypeAlias = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Case:
    """One network at one activation width, on both sides.

    q, x : the same images, as the program and as the float network take them.
    batch : images that onnxruntime gets at once, beside all.
    """

    program: Program
    model: onnx.ModelProto
    q: NDArray[np.uint8]
    x: NDArray[np.float32]
    batch: int


def _mnist(bits: int, images: int | None) -> Case:
    program = compile(load(MODEL), bits=bits, calibration="mnist")
    q = program_input(program, load_dataset("mnist", "test", images)).astype(np.uint8)
    x = program.input.stream.decode(q).astype(np.float32)
    return Case(program, _folded(onnx.load(MODEL)), q, x, batch=1000)


def _cifar10(bits: int, images: int | None) -> Case:
    program = cifar_program(bits)
    levels = np.random.default_rng(1).integers(0, 256, (images or 256, *program.input_shape), dtype=np.uint8)
    q = program_input(program, Dataset("random", levels, None, 8, 255)).astype(np.uint8)
    return Case(program, float_twin(program), q, levels.astype(np.float32), batch=32)


CASES: dict[str, Callable[[int, int | None], Case]] = {"mnist": _mnist, "cifar10": _cifar10}


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


def _float_run(case: Case, threads: int, batch: int) -> Contender:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    model = case.model.SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name, x = session.get_inputs()[0].name, case.x
    return lambda: [session.run(None, {name: x[start : start + batch]}) for start in range(0, len(x), batch)]


def _program_run(program: Program, q: NDArray[np.uint8], backend: str, threads: int) -> Contender:
    prepared = prepare(program)
    return lambda: prepared.execute(q, backend=backend, threads=threads)


def _equal(program: Program, q: NDArray[np.uint8]) -> bool:
    kept = [prepare(program).execute(q, keep=True, backend=backend).hidden for backend in BACKENDS]
    return all(np.array_equal(*pair) for other in kept[1:] for pair in zip(kept[0], other, strict=True))


def measure(network: str, bits: int, images: int | None, threads: int, rounds: int) -> dict[str, Any]:
    """Median seconds of every contender, and ratios to the faster onnxruntime run, at one activation width."""
    case = CASES[network](bits, images)
    floats = {
        f"onnxruntime, {title}": _float_run(case, threads, batch)
        for title, batch in (("one batch", len(case.q)), (f"batches of {case.batch:,}", case.batch))
    }
    programs = {f"bcsim, {name}": _program_run(case.program, case.q, name, threads) for name in BACKENDS}
    seconds = interleaved_medians(floats | programs, rounds)
    reference = min(seconds[name] for name in floats)
    return {
        "network": network,
        "bits": bits,
        "images": len(case.q),
        "threads": threads,
        "backends_equal": _equal(case.program, case.q),
        "seconds": seconds,
        "ratio": {name: reference / time for name, time in seconds.items()},
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _table(result: dict[str, Any]) -> Table:
    images = f"{result['network']}, {result['images']:,} images"
    title = f"{images}, {result['bits']}-bit activations, {result['threads']} threads"
    table = Table("", "seconds", "images/s", "× onnxruntime", title=title)
    for name, seconds in result["seconds"].items():
        speed = result["images"] / seconds
        table.add_row(name, f"{seconds:.4f}", f"{speed:,.0f}", f"{result['ratio'][name]:.2f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--network", choices=CASES, default="mnist")
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 4, 1], help="of every hidden activation")
    parser.add_argument("--images", type=int, help="by default 10,000 for mnist and 256 for cifar10")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args()
    results = [
        measure(options.network, bits, options.images, options.threads, options.rounds)
        for bits in options.bits
    ]
    if options.json:
        print(json.dumps(results, indent=2))
        return
    for result in results:
        Console().print(_table(result))


if __name__ == "__main__":
    run_main(main)
