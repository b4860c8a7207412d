import pytest

torch = pytest.importorskip("torch")

from bcsim.models.average import WeightAverage  # noqa: E402

pytestmark = pytest.mark.train


def test_mean_of_the_steps_by_hand() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 8.0)
    average = WeightAverage(model, 0.75)
    torch.nn.init.constant_(model.weight, 0.0)
    average.update(model)  # 0.75 * 8
    average.update(model)  # 0.75 * 6
    made = average.applied(model)
    assert made.weight.item() == 4.5
    assert model.weight.item() == 0
