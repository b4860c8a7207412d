"""Operators that are known, and why they are not supported."""

from bcsim.compiler.importer.registry import refuse

_DENSE = "accepted are dense layers (MatMul, Gemm) with elementwise operators between them"

refuse(f"convolutions are not supported yet; {_DENSE}", "Conv", "ConvTranspose", "ConvInteger", "QLinearConv")
refuse(
    f"pooling is not supported yet; {_DENSE}",
    *("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LpPool"),
)
refuse(f"joining tensors is not supported yet; {_DENSE}", "Concat")
refuse(
    "its curve has no even steps, so it takes a multiplier or a table; accepted are Relu, Clip and Sign",
    *(
        "Sigmoid",
        "Tanh",
        "Elu",
        "Selu",
        "Gelu",
        "Softplus",
        "Softsign",
        "HardSwish",
        "HardSigmoid",
        "Mish",
        "Erf",
    ),
)
refuse("its slope below 0 makes uneven steps; accepted are Relu, Clip and Sign", "PRelu", "ThresholdedRelu")
refuse("it has a graph of its own; accepted are networks without control flow", "If", "Loop", "Scan")
refuse("recurrent layers are not supported", "RNN", "LSTM", "GRU")
