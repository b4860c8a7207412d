"""Backends of the program level: exact integer layers on whole batches."""
