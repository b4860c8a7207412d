"""The version, as pyproject.toml has it: written into every file that bcsim makes."""

__version__ = "0.1.0"
