"""The command line: every command is a function in a module of bcsim.commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from bcsim.commands import compile as compile_command
from bcsim.commands import info, machines, run, train, verify, verilog
from bcsim.common.console import errors
from bcsim.common.errors import BcsimError
from bcsim.common.version import __version__

__all__ = ["app", "main"]

USER_ERROR = 2
INTERRUPTED = 130

app = typer.Typer(
    name="bcsim",
    help="Compile, simulate and generate hardware for networks whose weights are one bit.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

COMMANDS: tuple[Callable[..., None], ...] = (
    run.run,
    info.info,
    compile_command.compile,
    verilog.verilog,
    verify.verify,
    train.train,
    machines.machines,
)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with what a user can cause told in one sentence and an exit code."""

    @wraps(command)
    def guard(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            _fail("Interrupted", INTERRUPTED)
        except BrokenPipeError:
            # Whoever reads the output has enough; flushing at exit must not fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (BcsimError, ModuleNotFoundError, MemoryError, OSError) as error:
            _fail(_sentence(error), USER_ERROR)

    return guard


def _sentence(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        if str(error.name).partition(".")[0] == "bcsim":
            raise error
        return f"This needs the package {error.name}, which is not installed: see the extras in README.md"
    if isinstance(error, MemoryError):
        return "There is not enough memory for this: use fewer images (--images)"
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        return f"Cannot access{where or ' a file'}: {error.strerror or error}"
    return str(error)


def _fail(message: str, code: int) -> None:
    errors.print(f"bcsim: {message}", markup=False)
    raise typer.Exit(code)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bcsim {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Compile, simulate and generate hardware for networks whose weights are one bit."""


for _command in COMMANDS:
    app.command(_command.__name__)(guarded(_command))


def main() -> None:
    """Entry point of the `bcsim` script."""
    app()
