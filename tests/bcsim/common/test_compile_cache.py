"""The cache of compiled functions: kept between processes, and stale once a source that they take code from changes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bcsim.common import compile_cache
from bcsim.common.compile_cache import cached, source_digest

COMMON = Path(compile_cache.__file__).parent
KERNEL = """
from bcsim.common.compile_cache import cached
from bcsim.common.vectors import load_u16, store

@cached
def double(values):
    x = load_u16(values, 0)
    store(values, 0, x + x)
"""
RUN = """
import numpy as np
from bcsim.kernel import double

values = np.full(32, 5, np.uint16)
double(values)
print(sum(double.stats.cache_hits.values()), values[0], values[31])
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with a copy of the vectors and a kernel that adds them."""
    common = tmp_path / "bcsim" / "common"
    common.mkdir(parents=True)
    for file in ("vectors.py", "compile_cache.py"):
        (common / file).write_text((COMMON / file).read_text())
    (common / "__init__.py").touch()
    (tmp_path / "bcsim" / "__init__.py").touch()
    (tmp_path / "bcsim" / "kernel.py").write_text(KERNEL)
    return tmp_path


def run(package: Path) -> str:
    """Hits of the cache in a process of its own, and the first and the last lane of 5 + 5."""
    environment = os.environ | {"PYTHONPATH": str(package), "NUMBA_CACHE_DIR": str(package / "cache")}
    return subprocess.run(
        [sys.executable, "-c", RUN], cwd=package, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_change_in_the_vectors_compiles_a_kernel_anew(package: Path) -> None:
    assert run(package) == "0 10 10"
    assert run(package) == "1 10 10"
    vectors = package / "bcsim" / "common" / "vectors.py"
    addition = "_operator(operator.add, (U16, WIDE), lambda builder, x, y: builder.add(x, y))"
    assert addition in vectors.read_text()
    vectors.write_text(vectors.read_text().replace(addition, addition.replace("builder.add", "builder.mul")))
    assert run(package) == "0 25 25"
    assert run(package) == "1 25 25"


def test_a_kernel_is_compiled_where_no_cache_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object, function: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(compile_cache._SourcesCache, "__init__", refuse)
    assert cached(lambda x: x + 1)(4) == 5


def test_the_digest_covers_what_a_module_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    import bcsim.execution.kernels.windows

    assert bcsim.execution.kernels.windows
    found = compile_cache._sources("bcsim.execution.kernels.windows", {})
    assert set(found) >= {
        "bcsim.execution.kernels.windows",
        "bcsim.execution.kernels.lookup",
        "bcsim.common.vectors",
    }
    assert source_digest("bcsim.execution.kernels.windows") != source_digest(
        "bcsim.execution.kernels.transfer"
    )
