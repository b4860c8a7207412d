"""AXI4-Lite: the register file, the counters and the port that loads a program."""
