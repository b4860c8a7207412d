"""Proofs, at small widths, that blocks equal their definitions and keep their contracts, for all inputs.

Stands on the blocks that it proves and on rtl.tools, for Yosys.
"""
