"""The accelerator's parameters, the latencies that follow from them, and the records it reads."""
