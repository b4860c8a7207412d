"""A convolutional network with random weights whose activations spread as trained ones do, and its float twin."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from bcsim.compiler.program.geometry import Geometry, Pool
from bcsim.compiler.program.layers import (
    ConvLayer,
    DenseLayer,
    Divide,
    Encoding,
    InputCoding,
    Program,
    WeightPlane,
)
from bcsim.machine.widths import SCORE_BITS

__all__ = ["cifar_program", "float_twin"]

CIFAR_LAYERS = ((128, False), (128, True), (256, False), (256, True), (512, False), (512, True))
"""2x128C3-MP2-2x256C3-MP2-2x512C3-MP2: outputs of each 3 x 3 convolution, and whether it is pooled."""

CIFAR_DENSE = (1024, 1024, 10)
SPREAD = 3.5
"""Standard deviations of an accumulator that the levels cover, above 0 (ReLU), for scores on both sides."""


def cifar_program(bits: int) -> Program:
    """The BinaryConnect network for CIFAR-10 with hidden activations of `bits` bits."""
    rng, pixel = np.random.default_rng(0), Encoding(8, Fraction(1), Fraction(0))
    side, channels, layers = 32, 3, list[ConvLayer]()
    for outputs, pooled in CIFAR_LAYERS:
        pool = Pool((2, 2), (2, 2)) if pooled else None
        geometry = Geometry(side, side, (channels,), (3, 3), pads=(1, 1, 1, 1), pool=pool)
        layers.append(_layer(rng, layers, geometry, outputs, bits))
        side, channels = geometry.output[0], outputs
    for outputs in CIFAR_DENSE:
        geometry = Geometry(side, side, (channels,), (side, side))
        layers.append(_layer(rng, layers, geometry, outputs, SCORE_BITS if outputs == 10 else bits))
        side, channels = 1, outputs
    return Program("cifar10", InputCoding(pixel, pixel), (3, 32, 32), tuple(layers))


def _layer(
    rng: np.random.Generator, before: list[ConvLayer], geometry: Geometry, outputs: int, bits: int
) -> ConvLayer:
    """As many weights of +1 as of -1 for each output, so that accumulators centre on 0 whatever the source's mean."""
    inputs = geometry.window_inputs
    signs = rng.permuted(np.tile(np.where(np.arange(inputs) % 2, 1, -1), (outputs, 1)), axis=1)
    source = before[-1].target if before else Encoding(8, Fraction(1), Fraction(0))
    # Of pixels spread evenly, 1 / sqrt(12) of the range; of half a normal distribution, 0.58 / SPREAD of it.
    deviation = (0.17 if before else 0.29) * source.levels * inputs**0.5
    # Scores have 0 in their middle; hidden values are rounded to the nearest, with half a step added.
    range_, zero = (2 * SPREAD, 1 << (bits - 1)) if bits == SCORE_BITS else (SPREAD, 0.5)
    divisor = max(2, round(256 * range_ * deviation / (1 << bits)))
    return ConvLayer(
        name=f"layer{len(before)}",
        inputs=inputs,
        outputs=outputs,
        source=source,
        target=Encoding(bits, Fraction(1), Fraction(0)),
        planes=(WeightPlane.pack(signs),),
        requantiser=Divide(
            bits, 8, np.full(outputs, -round(zero * divisor)), np.full(outputs, divisor, dtype=np.int64)
        ),
        low=-inputs * (source.levels - 1),
        high=inputs * (source.levels - 1),
        exact=False,
        float_output=f"layer{len(before)}",
        windows=geometry,
        sources=(before[-1].name if before else "",),
    )


def float_twin(program: Program) -> onnx.ModelProto:
    """The same chain of layers in float32, before its activations were rounded, as float engines like it best.

    The gain and bias of each requantiser lie in the weights, and pooling stands behind ReLU, where it can be fused.
    """
    nodes: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []
    name = "x"
    for index, layer in enumerate(program.layers):
        weight, bias = _float_parameters(layer)
        tensors += [numpy_helper.from_array(weight, f"w{index}"), numpy_helper.from_array(bias, f"b{index}")]
        nodes += _float_nodes(layer, index, name)
        name = nodes[-1].output[0]
    nodes.append(helper.make_node("Flatten", [name], ["scores"]))
    image = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", *program.input_shape])
    scores = helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["n", program.classes])
    graph = helper.make_graph(nodes, program.name, [image], [scores], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _float_parameters(layer: DenseLayer) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    assert isinstance(layer.requantiser, Divide)
    divide, geometry = layer.requantiser, layer.geometry
    kernel = layer.weights().reshape(layer.outputs, *geometry.kernel, geometry.channels[0])
    gain = 2.0**divide.fraction_bits / divide.divisor
    weight = np.moveaxis(kernel * gain[:, None, None, None], 3, 1)
    return weight.astype(np.float32), (-divide.offset / divide.divisor).astype(np.float32)


def _float_nodes(layer: DenseLayer, index: int, name: str) -> list[onnx.NodeProto]:
    geometry = layer.geometry
    convolution = helper.make_node("Conv", [name, f"w{index}", f"b{index}"], [f"conv{index}"])
    convolution.attribute.append(helper.make_attribute("pads", geometry.pads))
    nodes = [convolution]
    if layer.target.bits != SCORE_BITS:
        nodes.append(helper.make_node("Relu", [f"conv{index}"], [f"relu{index}"]))
    if geometry.pool is not None:
        pool = helper.make_node("MaxPool", list(nodes[-1].output), [f"pool{index}"])
        sizes = {"kernel_shape": geometry.pool.kernel, "strides": geometry.pool.stride}
        pool.attribute.extend(helper.make_attribute(key, value) for key, value in sizes.items())
        nodes.append(pool)
    return nodes
