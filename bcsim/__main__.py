"""`python -m bcsim`."""

from bcsim.cli import main

main()
