import numpy as np

from bcsim.data.splits import digits_split


def test_digits_split_is_disjoint_and_complete() -> None:
    parts = digits_split(1797)
    assert [len(part) for part in parts] == [1258, 180, 359]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(1797))
    assert all(part.dtype == np.int64 for part in parts)


def test_digits_split_never_changes() -> None:
    train, validation, test = digits_split(1797)
    assert train[:6].tolist() == [0, 3, 7, 8, 10, 11]
    assert validation[:6].tolist() == [1, 2, 22, 27, 42, 45]
    assert test[:6].tolist() == [4, 5, 6, 9, 14, 17]
    assert [int(part.sum()) for part in (train, validation, test)] == [1146977, 156652, 310077]


def test_digits_split_keeps_classes_balanced() -> None:
    from sklearn.datasets import load_digits

    labels = load_digits().target
    for part in digits_split(len(labels)):
        share = np.bincount(labels[part], minlength=10) / len(part)
        assert share.min() > 0.05
        assert share.max() < 0.15
