"""What Python users hold: programs and results with methods, arrays in, errors that say what is accepted.

Stands on bcsim.results, bcsim.report and bcsim.execution, and on bcsim.data; verilog and verify on rtl.generate, infer
on bcsim.host.
"""
