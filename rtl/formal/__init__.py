"""Proofs, at small widths, that blocks equal their definitions and keep their contracts, for all inputs."""
