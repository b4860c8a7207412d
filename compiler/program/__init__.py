"""The integer program: its layers, their checks, and its ONNX and text forms.

Stands on bcsim.common and compiler.graph.
"""
