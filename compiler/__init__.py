"""The compiler: ONNX to an exact integer program to a machine image."""
