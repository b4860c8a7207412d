"""Backends of the program level: exact integer layers on whole batches.

Stands on compiler.program.
"""
