"""The page of licences is what the installed packages say, and no package is without one."""

from tests.licences import PAGE, licence, normalised, parts, pins, rows


def page_rows() -> dict[str, str]:
    lines = PAGE.read_text("utf-8").splitlines()
    return {
        line.split(" | ")[0].removeprefix("| "): line
        for line in lines
        if line.startswith("| ") and "package" not in line
    }


def test_every_installed_package_is_listed_as_it_says() -> None:
    found = page_rows()
    assert {name for name, _ in rows()} - set(found) == set(), "python -m tests.licences > docs/licences.md"
    for name, row in rows():
        part = row.split(" | ")[2]
        # Where an extra is missing, so is what it brings in, and another part may come first.
        expected = found[name]
        assert expected.replace(f" | {expected.split(' | ')[2]} | ", " | ") == row.replace(
            f" | {part} | ", " | "
        )


def test_the_page_lists_what_is_pinned() -> None:
    assert set(page_rows()) <= set(pins())
    assert {"numpy", "onnx", "onnxruntime", "torch", "amaranth"} <= set(page_rows())


def test_everything_that_pyproject_asks_for_is_pinned() -> None:
    assert set(parts()) - set(pins()) <= {"colorama", "nvidia-cublas"}


def test_the_words_of_old_metadata_get_their_spdx_names() -> None:
    assert normalised("Typing_Extensions") == "typing-extensions"
    assert licence("numpy").startswith("BSD-3-Clause")
    assert licence("Jinja2") == "BSD-3-Clause"
