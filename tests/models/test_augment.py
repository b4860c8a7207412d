import pytest

torch = pytest.importorskip("torch")

from bcsim.models.augment import augmented, mirrored_images  # noqa: E402

pytestmark = pytest.mark.train


def _images(n: int) -> "torch.Tensor":
    return torch.arange(1.0, 2 * 16 * 16 + 1).reshape(1, 2, 16, 16).expand(n, 2, 16, 16)


def _windows(mirrored: bool, margin: int = 2) -> set[tuple[float, ...]]:
    """Every crop of the padded image, as a flat tuple."""
    padded = torch.nn.functional.pad(_images(1), (margin,) * 4)
    starts = range(2 * margin + 1)
    crops = [padded[0, :, r : r + 16, c : c + 16] for r in starts for c in starts]
    return {tuple((crop.flip(2) if mirrored else crop).flatten().tolist()) for crop in crops}


def test_none_is_the_same_tensor() -> None:
    x = _images(2)
    assert augmented(x, "none") is x


def test_crops_are_all_25_windows_of_the_padded_image() -> None:
    torch.manual_seed(0)
    found = {tuple(image.flatten().tolist()) for image in augmented(_images(400), "crop")}
    assert found == _windows(False)


def test_half_of_the_crops_are_mirrored() -> None:
    torch.manual_seed(0)
    plain, mirrored = _windows(False), _windows(True)
    found = [tuple(image.flatten().tolist()) for image in augmented(_images(600), "crop-flip")]
    assert set(found) == plain | mirrored
    # 300 +- 4 standard deviations of 12.2.
    assert 250 < sum(image in mirrored for image in found) < 350


def test_shifted_images_are_all_9_windows_mirrored_where_told() -> None:
    torch.manual_seed(0)
    mirrored = torch.arange(400) % 2 == 1
    found = [tuple(image.flatten().tolist()) for image in augmented(_images(400), "shift-flip", mirrored)]
    assert set(found[::2]) == _windows(False, 1)
    assert set(found[1::2]) == _windows(True, 1)


def test_every_image_is_mirrored_in_every_other_epoch() -> None:
    first, second, third = (mirrored_images(1000, epoch, seed=1) for epoch in range(3))
    assert torch.equal(first, ~second)
    assert torch.equal(first, third)
    assert not torch.equal(first, mirrored_images(1000, 0, seed=2))
    # 500 +- 4 standard deviations of 15.8.
    assert 436 < int(first.sum()) < 564
