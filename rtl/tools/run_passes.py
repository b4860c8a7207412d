"""A Yosys process: runs the passes it reads from standard input, one a line, and logs to standard output.

Yosys ends its process when a pass fails, so `bcsim.rtl.tools.yosys` runs this file as one.
"""

import sys

from pyosys import libyosys

if __name__ == "__main__":
    for command in sys.stdin.read().splitlines():
        libyosys.run_pass(command)
