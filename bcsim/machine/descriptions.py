"""What the presets are for and what every parameter means, in a sentence each, as `bcsim machines` tells it."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PARAMETERS", "PRESET_USES"]

PRESET_USES: Mapping[str, str] = {
    "tiny": "a few thousand weights on the smallest FPGAs: the bundled digits network",
    "small": "dense networks on small FPGAs; what verilog and verify take by default",
    "medium": "dense networks such as mnist-mlp; what run takes by default",
    "large": "dense networks at four times the speed of medium",
    "bnn": "dense networks with one-bit activations",
    "conv": "convolutional networks with activations of up to 8 bits, such as cifar10-cnn",
    "conv-bnn": "convolutional networks with one-bit activations, such as CNV W1A1",
}

PARAMETERS: Mapping[str, str] = {
    "lanes": "inputs that one processing element takes in a cycle; even, 2 to 1024",
    "pes": "processing elements, each of which forms one output; 1 to 1024",
    "digit": "bits of an activation that a lane takes in a cycle: 1, 2, 4 or 8",
    "activation_bits": "bits of the widest activation, from digit to 8",
    "accumulator_bits": "bits of each accumulator, which hold the greatest sum of a layer",
    "fraction_bits": "fraction bits in a division by the requantisers: more round nearer",
    "requantisers": "units that turn sums into activations; must divide lanes and pes",
    "activation_words": "words of the activation memory, of lanes * digit bits",
    "weight_words": "words of the weight memory, of lanes * pes bits",
    "parameter_words": "words of each requantiser's parameter memory",
    "layers": "layers that a program may have",
    "input_buffers": "images in the activation memory: 2 load one while another is computed",
    "input_bytes": "bytes of an input stream word; a power of two that divides lanes",
    "outputs": "class scores that a program may have",
    "shift_planes": "whether weights may have more than two bits",
    "spatial": "whether it runs convolutions, pooling and additions",
    "weight_stream_bytes": "bytes of a word of the port for weights that do not fit; 0 for none",
    "weight_stream_latency": "cycles until the first word of a tile arrives at that port",
    "weight_stream_interval": "cycles from each word to the next at that port",
    "offset_bits": "bits of an offset and of the remainder; 0: what any program may need",
    "step_bits": "bits of a divisor; 0: what any program may need",
    "record_bits": "bits of fields of the records; empty: what any program may need",
    "divide_cycles": "cycles a bit of a division, 1 or 2: two for a carry chain of half the length",
    "loading": "whether programs can be loaded over the bus; else the bitstream holds the only one",
    "counters": "whether it counts images, cycles, steps and waits",
    "readable_parameters": "whether these parameters can be read over the bus",
    "watchdog": "whether a machine that takes too long for an image is stopped",
    "parity": "whether the program memories have a parity bit for every 32 bits, checked when read",
    "reuse": "positions for which a weight is read once: 1, 2, 4, 8 or 16; above 1 needs spatial",
    "drains": "positions whose sums are requantised at once, each by units of its own: 1, or 2 with reuse",
    "activation_banks": "activation memories: 1 of two ports, or 2 of one port, read and written by turns",
    "batch": "images that a dense network takes at once, a power of two up to reuse, for fewer weight reads",
    "pipeline_registers": "further registers between memories and array, 0 to 4, for arrays that fill a large die",
    "six_input_luts": "whether additions are written for six-input LUTs, as 7-series FPGAs have",
    "clock_mhz": "clock for times in reports; nothing else depends on it",
}
