import pytest

torch = pytest.importorskip("torch")

from bcsim.models.augment import augmented  # noqa: E402

pytestmark = pytest.mark.train


def _images(n: int) -> "torch.Tensor":
    return torch.arange(1.0, 2 * 16 * 16 + 1).reshape(1, 2, 16, 16).expand(n, 2, 16, 16)


def _windows(mirrored: bool) -> set[tuple[float, ...]]:
    """Every crop of the padded image, as a flat tuple."""
    padded = torch.nn.functional.pad(_images(1), (2, 2, 2, 2))
    crops = [padded[0, :, r : r + 16, c : c + 16] for r in range(5) for c in range(5)]
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
