"""Examples under every command's --help; a test runs each as it stands."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["EXAMPLES", "SUMMARIES", "epilog"]

SUMMARIES: Mapping[str, str] = {
    "run": "Run a network on images: accuracy, cycles, energy.",
    "info": "Show a network's nodes and what each becomes.",
    "compile": "Compile a network to a stored integer program.",
    "verilog": "Write a network's accelerator as Verilog.",
    "verify": "Hold the Verilog to the simulator, cycle for cycle.",
    "program": "Load a bitstream into its board.",
    "infer": "Classify images on a board, or a simulated one.",
    "boards": "List the boards that build knows, or describe one.",
    "build": "Make a board's bitstream of a network.",
    "train": "Train a network and write it as ONNX.",
    "machines": "List the machine presets, or describe one.",
    "energy": "List the tables of energy per action, or print one.",
    "fit": "Find the best machine for a network on an FPGA part.",
    "explore": "Sweep machines for a network: table, Pareto fronts.",
}
"""What a command does, in the list of commands; never cut."""

EXAMPLES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "run": (
        ("bcsim run digits", "the bundled digits network, on its own images"),
        ("bcsim run digits --bits 4 --json - --images 20", "4-bit activations; the figures as JSON"),
        ("bcsim run digits --machine tiny,lanes=16 --report report.html", "another machine; an HTML report"),
        (
            "bcsim run digits --level machine --images 3 --trace trace.json.gz",
            "every cycle, for ui.perfetto.dev",
        ),
        ("bcsim run digits --data my.npz --input mean=0.5,std=0.5", "images of your own, normalised so"),
    ),
    "info": (
        ("bcsim info digits", "what each node becomes"),
        ("bcsim info digits --text", "the integer program, a line for each layer"),
    ),
    "compile": (
        ("bcsim compile digits -o program.onnx", "calibrated on the network's own data set"),
        ("bcsim compile digits -o program.onnx --data my.npz --bits 4", "for images of your own"),
        ("bcsim compile digits -o standard.onnx --standard", "for onnxruntime: the same integers"),
    ),
    "verilog": (("bcsim verilog digits -o out --machine tiny --no-check", "then: pytest out"),),
    "verify": (("bcsim verify digits --images 1 --machine tiny", "one image through Verilator"),),
    "program": (("bcsim program --help", "with a folder that bcsim build wrote: bcsim program out"),),
    "infer": (
        ("bcsim verilog digits -o out --machine tiny --no-check", "a design to classify with"),
        ("bcsim infer out --port sim --images 3", "in Verilator; a board: --port /dev/ttyUSB1"),
    ),
    "boards": (
        ("bcsim boards", "every board"),
        ("bcsim boards icebreaker", "its pins, clock and machine"),
    ),
    "build": (
        ("bcsim build digits --board icebreaker -o out", "a bitstream, in some minutes"),
        ("bcsim build digits --board icebreaker -o out --prove", "simulated on real images as well"),
    ),
    "train": (("bcsim train digits --epochs 2 -o trained.onnx", "two epochs, then: bcsim run trained.onnx"),),
    "machines": (
        ("bcsim machines", "every preset"),
        ("bcsim machines conv,lanes=64,pes=64", "one machine, with the meaning of each parameter"),
    ),
    "fit": (
        ("bcsim fit digits --part hx8k --clock 50", "most images a second on an iCE40 HX8K at 50 MHz"),
        ("bcsim fit digits --part lfe5u-25 --clock 50 --objective area", "the smallest machine"),
    ),
    "explore": (("bcsim explore digits --lanes 4,8 --digit 4,8 --out sweep", "then open sweep/index.html"),),
    "energy": (("bcsim energy --print horowitz-45nm", "a table to change: > mine.toml"),),
}


def epilog(command: str) -> str:
    """The examples of a command, as Typer prints them under its options: one a paragraph, not wrapped."""
    lines = [f"  {line}\n      {what}" for line, what in EXAMPLES[command]]
    return "\n\n".join(["Examples:", *(f"\b\n{line}" for line in lines)])
