import copy

import pytest

torch = pytest.importorskip("torch")

from bcsim.models.shift_adamax import ShiftAdaMax  # noqa: E402

pytestmark = pytest.mark.train


def test_first_steps_by_hand() -> None:
    x = torch.tensor([1.0, 1.0, 1.0], requires_grad=True)
    optimiser = ShiftAdaMax([x], lr=2**-10)
    x.grad = torch.tensor([0.5, -3.0, 0.0])
    optimiser.step()
    # m = g / 8; rate / (1 - 7/8) = 2**-7; 1 / v = 2 and 1/3, which rounds to 2**-2 (log2 is -1.58).
    assert x.tolist() == [1 - 2**-7 * 0.0625 * 2, 1 + 2**-7 * 0.375 / 4, 1]
    before = x.tolist()
    x.grad = torch.tensor([0.0, 0.0, 0.25])
    optimiser.step()
    # m = 7/64, g / 8 = 1/32; 2**-10 / (1 - 49/64) = 2**-7.9, hence 2**-8; v = 0.4995, 2.997, 0.25.
    assert x.tolist() == pytest.approx(
        [before[0] - 2**-8 * 0.0546875 * 2, before[1] + 2**-8 * 0.328125 / 4, 1 - 2**-8 * 0.03125 * 4],
        abs=1e-7,
    )


def test_state_survives_saving() -> None:
    def steps(optimiser: ShiftAdaMax, x: "torch.Tensor") -> list[float]:
        for value in (1.0, -2.0):
            x.grad = torch.full_like(x, value)
            optimiser.step()
        return list(x.tolist())

    x = torch.tensor([0.3], requires_grad=True)
    optimiser = ShiftAdaMax([x], lr=0.01)
    steps(optimiser, x)
    y = x.detach().clone().requires_grad_()
    other = ShiftAdaMax([y], lr=0.5)
    other.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    assert steps(optimiser, x) == steps(other, y)
