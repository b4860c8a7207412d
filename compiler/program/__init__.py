"""The integer program: its layers, their checks, and its ONNX and text forms."""
