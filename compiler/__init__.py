"""The compiler: ONNX to an exact integer program to a machine image.

A network passes through importer, graph, lowering, program and mapping; docs/architecture.md has a picture.
"""
