"""The accelerator as Amaranth components, and the tools around its Verilog.

`accelerator.py` joins the blocks of datapath, sequencer, streams and bus; generate writes them as Verilog.
"""
