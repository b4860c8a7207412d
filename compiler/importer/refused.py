"""Operators that are known, and why they are not supported."""

from bcsim.compiler.importer.registry import refuse

refuse("it widens its input, which no window of the array does; accepted is Conv", "ConvTranspose")
refuse(
    "it takes its scale from what it finds in the image; accepted is QuantizeLinear with a stored scale (static "
    "quantisation)",
    "DynamicQuantizeLinear",
)
refuse("it sums powers; accepted are MaxPool and AveragePool", "LpPool", "GlobalLpPool")
refuse("it makes values between those of its input; accepted is Resize to the nearest pixel", "GridSample")
refuse(
    "it divides by what it finds in the image; accepted is BatchNormalization with stored mean and variance",
    *("InstanceNormalization", "LayerNormalization", "GroupNormalization", "LRN", "LpNormalization"),
)
refuse(
    "it is not monotone, so that no single threshold parts its levels; accepted are functions that rise everywhere, "
    "such as Relu, LeakyRelu, Sigmoid and Tanh, and before quantisers HardSwish, Swish, Gelu and Mish",
    *("Abs", "Cos", "Sin", "Tan", "Pow", "Reciprocal"),
)
refuse("it has a graph of its own; accepted are networks without control flow", "If", "Loop", "Scan")
refuse("recurrent layers are not supported", "RNN", "LSTM", "GRU")
