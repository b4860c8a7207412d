"""The host's side of an accelerator on a board: frames, sessions, packing of images, registers.

Stands on rtl.link and rtl.common, which say what fields and registers mean, on bcsim.simulator for what a stream
carries, on compiler.mapping and compiler.program, and on bcsim.machine and bcsim.common.
"""
