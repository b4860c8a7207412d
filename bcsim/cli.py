"""The command line: every command is a function in a module of bcsim.commands."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from bcsim.commands import (
    boards,
    build,
    energy,
    explore,
    fit,
    infer,
    info,
    machines,
    program,
    run,
    train,
    verify,
    verilog,
)
from bcsim.commands import compile as compile_command
from bcsim.commands.examples import SUMMARIES, epilog
from bcsim.common.console import errors
from bcsim.common.encoding import plain_where_needed
from bcsim.common.errors import BcsimError
from bcsim.common.escape import sentence, shortened
from bcsim.common.extras import missing_package
from bcsim.common.version import __version__

__all__ = ["app", "main"]

USER_ERROR = 2
UNFORESEEN = 70
"""EX_SOFTWARE of sysexits.h."""

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a full disk or device gives."""

debug = False
"""Whether an unforeseen error shows its traceback."""

MOST_OF_UNFORESEEN = 130
"""Characters of an unforeseen error's own words, which leave room for what to do."""

app = typer.Typer(
    name="bcsim",
    help="Compile, simulate and generate hardware for networks whose weights are one bit.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

COMMANDS: tuple[Callable[..., None], ...] = (
    run.run,
    info.info,
    compile_command.compile,
    verilog.verilog,
    verify.verify,
    program.program,
    infer.infer,
    boards.boards,
    build.build,
    train.train,
    machines.machines,
    energy.energy,
    fit.fit,
    explore.explore,
)


class Terminated(KeyboardInterrupt):
    """SIGTERM: everything is cleaned up as after an interrupt."""


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with what a user can cause told in one sentence and an exit code."""

    @wraps(command)
    def guard(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except Terminated:
            _fail("Terminated", TERMINATED)
        except KeyboardInterrupt:
            _fail("Interrupted", INTERRUPTED)
        except BrokenPipeError:
            _drop_output()  # Whoever reads it has enough.
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            _tell(error)

    return guard


def _tell(error: Exception) -> NoReturn:
    """End with the error as one sentence; what nobody foresaw is called so."""
    if isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] != "bcsim":
        _fail(str(missing_package(error)))
    if isinstance(error, BcsimError):
        _fail(str(error))
    if isinstance(error, MemoryError):
        _fail("There is not enough memory for this: use fewer images (--images)")
    if isinstance(error, OSError):
        _fail(_refused(error))
    if debug:
        raise error
    found = shortened(sentence(f"{type(error).__name__}: {error}").rstrip("."), MOST_OF_UNFORESEEN)
    _fail(
        f"Unforeseen error, a defect of bcsim: {found}. Please report it with the command and its files; "
        "bcsim --debug COMMAND ... shows the traceback",
        UNFORESEEN,
    )


def _refused(error: OSError) -> str:
    """What the system refused; of all files standard output alone does not tell its name."""
    if error.filename is None and error.errno in FULL:
        _drop_output()
        return f"Cannot write standard output: {error.strerror}"
    return f"Cannot access {error.filename or 'a file'}: {error.strerror or error}"


def _drop_output() -> None:
    """Let what is left of standard output go nowhere: flushing it at exit must not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int = USER_ERROR) -> NoReturn:
    errors.print(f"bcsim: {sentence(message)}")
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
    show_tracebacks: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unforeseen error.")
    ] = False,
) -> None:
    """Compile, simulate and generate hardware for networks whose weights are one bit."""
    global debug
    debug = show_tracebacks


for _command in COMMANDS:
    _name = _command.__name__
    app.command(_name, epilog=epilog(_name), short_help=SUMMARIES[_name])(guarded(_command))


def _terminate(_: int, __: FrameType | None) -> NoReturn:
    raise Terminated


def main() -> None:
    """Entry point of the `bcsim` script."""
    signal.signal(signal.SIGTERM, _terminate)
    _open_closed_streams()
    plain_where_needed()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        # Help and version are printed outside of any command.
        errors.print(f"bcsim: {sentence(_refused(error))}")
        sys.exit(USER_ERROR)


def _open_closed_streams() -> None:
    """Let what is printed go nowhere where the caller closed standard output or standard error."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
