"""The accelerator as Amaranth components, and the tools around its Verilog."""
