"""The machine level: every cycle and every address of the accelerator."""
