"""AXI4-Stream: images and weights in, scores out."""
