"""The class of an image: the first greatest score, of one score whether it is positive."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bcsim.compiler.program.classes import NEVER, classes_of_levels, classes_of_scores, least_positive
from bcsim.compiler.program.layers import Encoding
from tests.programs import random_program


@pytest.mark.parametrize(
    ("scale", "offset", "least"),
    [(1, -3, 4), (2, -3, 2), ("1/3", -1, 4), (1, 0, 1), (1, "1/2", 0), (1, -65535, NEVER), (1, -9e9, NEVER)],
)
def test_the_least_level_that_means_a_positive_score(scale: int, offset: int, least: int) -> None:
    encoding = Encoding(16, Fraction(scale), Fraction(offset))
    assert least_positive(encoding) == least
    around = np.clip(np.arange(least - 2, least + 2), 0, NEVER - 1)
    np.testing.assert_array_equal(around >= least, encoding.decode(around) > 0)


def test_one_score_is_a_class_by_its_sign_and_several_by_the_first_greatest() -> None:
    program = random_program(np.random.default_rng(1), layers=1)
    target = Encoding(16, Fraction(1, 2), Fraction(-2))
    one = replace(program, layers=(replace(program.layers[0], outputs=1, target=target),))
    q = np.array([[0], [4], [5], [9]], dtype=np.uint16)
    assert classes_of_levels(one, q).tolist() == [0, 0, 1, 1]
    assert classes_of_scores(target.decode(q)).tolist() == [0, 0, 1, 1]
    two = replace(program, layers=(replace(program.layers[0], outputs=2, target=target),))
    levels = np.array([[3, 3], [1, 2]], dtype=np.uint16)
    assert classes_of_levels(two, levels).tolist() == [0, 1]
    assert classes_of_scores(target.decode(levels)).tolist() == [0, 1]
