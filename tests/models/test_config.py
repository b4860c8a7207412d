import dataclasses
import re
from pathlib import Path

import pytest

from bcsim.common.errors import BcsimError
from bcsim.models.config import read_config
from bcsim.models.recipes import RECIPES, Recipe, recipe_for


def _write(folder: Path, text: str) -> Path:
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_field_can_be_given(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPES["cifar10-cnn"], width=64, lr_scaling=False, augment="crop-flip")
    words = {True: "true", False: "false"}
    lines = [
        f"{name} = {words[value] if isinstance(value, bool) else repr(value)}"
        for name, value in dataclasses.asdict(recipe).items()
    ]
    found = read_config(_write(tmp_path, "\n".join(lines)))
    assert list(found) == [field.name for field in dataclasses.fields(Recipe)]
    assert recipe_for(found) == recipe


def test_whole_numbers_are_numbers(tmp_path: Path) -> None:
    found = read_config(_write(tmp_path, "lr_start = 1"))
    assert found == {"lr_start": 1.0}
    assert type(found["lr_start"]) is float


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("epochs = 2.5", "must give an integer for 'epochs', not 2.5"),
        ("epochs = true", "must give an integer for 'epochs', not True"),
        ("lr_scaling = 1", "must give true or false for 'lr_scaling', not 1"),
        ("method = 3", "must give text for 'method', not 3"),
        ("lr_end = 'low'", "must give a number for 'lr_end', not 'low'"),
        ("width = [1]", "must give an integer for 'width', not [1]"),
    ],
)
def test_wrong_types(line: str, message: str, tmp_path: Path) -> None:
    path = _write(tmp_path, line)
    with pytest.raises(BcsimError) as caught:
        read_config(path)
    assert str(caught.value) == f"Recipe {path} {message}"


def test_unknown_fields_are_named(tmp_path: Path) -> None:
    path = _write(tmp_path, "batch = 3\nepoch = 3")
    with pytest.raises(BcsimError) as caught:
        read_config(path)
    meant = "did you mean 'epochs'? docs/training.md lists all of them"
    assert str(caught.value) == f"Recipe {path} has an unknown field 'epoch'; {meant}"


def test_a_field_like_none_is_told_where_all_are_listed(tmp_path: Path) -> None:
    path = _write(tmp_path, "zzz = 3")
    with pytest.raises(BcsimError, match=r"has an unknown field 'zzz'; docs/training\.md lists all of them$"):
        read_config(path)


def test_the_page_lists_every_field() -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^(\w+) = ", page, re.MULTILINE))
    assert {field.name for field in dataclasses.fields(Recipe)} <= listed


def test_what_is_not_toml(tmp_path: Path) -> None:
    path = _write(tmp_path, "batch 3")
    with pytest.raises(BcsimError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"Recipe {path} is not TOML: Expected '=' after a key")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BcsimError) as caught:
        read_config(tmp_path / "none.toml")
    assert str(caught.value) == f"Recipe {tmp_path / 'none.toml'} cannot be read: No such file or directory"
