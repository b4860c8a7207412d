"""The arrays that benches read."""

import numpy as np

from bcsim.rtl.generate.vectors import stream_words


def test_a_position_begins_with_a_new_word_and_the_last_word_is_marked() -> None:
    values = np.arange(2 * 2 * 3).reshape(2, 2, 3)
    data, kept, last = stream_words(values, 2)
    assert data.tolist() == [[0, 1], [2, 0], [3, 4], [5, 0], [6, 7], [8, 0], [9, 10], [11, 0]]
    assert kept.tolist() == [2, 1] * 4
    assert last.tolist() == [False, False, False, True] * 2


def test_whole_words_keep_all_their_bytes() -> None:
    data, kept, last = stream_words(np.full((1, 1, 8), 255), 4)
    assert data.tolist() == [[255] * 4] * 2
    assert kept.tolist() == [4, 4]
    assert last.tolist() == [False, True]
