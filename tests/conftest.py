"""Settings that hold for every test."""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    # A run that fails must fail again; other runs look for new examples.
    settings.load_profile("ci")
