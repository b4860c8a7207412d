"""Programs in ONNX's own operators, which any runtime computes to the same integers.

Stands on bcsim.common and compiler.program.
"""
