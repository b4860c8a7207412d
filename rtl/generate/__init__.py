"""Verilog, memory images and benches written to a folder; synthesis and verification of them.

Stands on rtl.accelerator, rtl.tools and rtl.bench, and on bcsim.simulator, which says what to expect.
"""
