"""The bench that runs the accelerator in a simulator; `bcsim verilog` copies these files beside the Verilog.

Stands on rtl.common.
"""
