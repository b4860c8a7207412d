"""Verilog, memory images and benches written to a folder; synthesis and verification of them."""
