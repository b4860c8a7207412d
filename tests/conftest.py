"""Settings that hold for every test."""

import os
from functools import cache

import typer.testing
from hypothesis import settings

# A runner would build all commands anew for each call, which takes longer than most of them.
typer.testing._get_command = cache(typer.testing._get_command)

settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    # A run that fails must fail again; other runs look for new examples.
    settings.load_profile("ci")
