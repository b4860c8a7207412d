"""Proofs, for all inputs at small widths, that the arithmetic blocks equal their definitions."""
