import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bcsim.common.errors import BcsimError  # noqa: E402
from bcsim.models.data import Samples  # noqa: E402
from bcsim.models.evaluate import Images, mean_scores, scores  # noqa: E402
from bcsim.models.export import check, to_onnx  # noqa: E402
from bcsim.models.inference import baked_layers, sampled, with_weights  # noqa: E402
from bcsim.models.layers import binary_layers, build  # noqa: E402
from bcsim.models.recipes import Recipe, recipe_for  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture
def images() -> Images:
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 17, (1500, 64)).astype(np.uint8)
    values = (np.arange(256) / 8 - 1).astype(np.float32)
    samples = Samples(levels, rng.integers(0, 10, 1500), values)
    return Images.of(samples, torch.device("cpu"))


def _model(recipe: Recipe) -> "torch.nn.Sequential":
    """A network that looks trained: its weights spread, its statistics far from those of a fresh one."""
    torch.manual_seed(3)
    model = build(recipe)
    for name, tensor in model.state_dict().items():
        if name.endswith(("running_var", "running_mean")):
            tensor.uniform_(10, 40)
    return model


def test_members_are_drawn_by_the_stochastic_rule(images: Images) -> None:
    model = _model(Recipe("digits", method="stoch"))
    members = list(sampled(model, 40, seed=1, images=images))
    drawn = torch.stack([binary_layers(member)[0].effective_weight() for member in members])
    assert set(drawn.unique().tolist()) == {-1.0, 1.0}
    # A mean of 40 draws has a standard deviation of at most 0.16; over 8,192 weights 0.81 times that root mean square.
    spread = (drawn.mean(0) - binary_layers(model)[0].weight).square().mean().sqrt()
    assert 0.11 < spread < 0.15


def test_equal_seeds_draw_equal_members(images: Images) -> None:
    model = _model(Recipe("digits", method="stoch"))
    a, b, other = (next(sampled(model, 1, seed=seed, images=images)) for seed in (1, 1, 2))
    assert torch.equal(scores(a, images), scores(b, images))
    assert not torch.equal(scores(a, images), scores(other, images))


def test_every_member_has_statistics_of_its_own_weights(images: Images) -> None:
    model = _model(Recipe("digits", method="stoch"))
    for member in sampled(model, 2, seed=1, images=images):
        found = member[1](member[0](images.inputs(images.levels)))
        assert found.mean(0).abs().max() < 1e-4
        # 1,500 images: two batches' variances, each with the n - 1 of its own size.
        assert (found.var(0) - 1).abs().max() < 0.1


def test_scores_of_an_ensemble_are_means(images: Images) -> None:
    members = list(sampled(_model(Recipe("digits", method="stoch")), 3, seed=1, images=images))
    expected = torch.stack([scores(member, images) for member in members]).mean(0)
    torch.testing.assert_close(mean_scores(members, images), expected)


def test_only_stochastic_networks_are_sampled(images: Images) -> None:
    with pytest.raises(BcsimError) as caught:
        next(sampled(_model(Recipe("digits")), 1, seed=1, images=images))
    assert str(caught.value) == "An ensemble is sampled from the stochastic rule: train with the method stoch"


def test_weights_that_were_trained_keep_their_statistics(images: Images) -> None:
    model = _model(Recipe("digits"))
    assert torch.equal(with_weights(model, "binary", images)[1].running_mean, model[1].running_mean)
    other = with_weights(model, "real", images)
    assert not torch.equal(other[1].running_mean, model[1].running_mean)
    assert (other[1].momentum, model[1].momentum, other.training) == (0.1, 0.1, False)
    assert binary_layers(model)[0].inference == "binary"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"method": "stoch"},
        {"method": "none"},
        {"method": "bnn", "normalisation": "shift"},
        {"activation_bits": 3, "normalisation": "shift"},
        {"inference": "real"},
    ],
)
def test_baked_file_equals_the_network(given: dict[str, object], images: Images) -> None:
    recipe = recipe_for({"network": "digits", **given})
    model = with_weights(_model(recipe), recipe.inference, images)
    exported = to_onnx(recipe, baked_layers(model))
    x = images.inputs(images.levels).numpy()
    check(exported, x, scores(model, images).numpy(), is_exact=recipe.activation.is_real)


def test_baked_convolutions_equal_the_network() -> None:
    recipe = recipe_for({"network": "digits-cnn", "width": 4})
    model = _model(recipe).eval()
    x = torch.randint(0, 17, (20, 1, 8, 8)) / 8 - 1
    with torch.no_grad():
        check(to_onnx(recipe, baked_layers(model)), x.numpy(), model(x).numpy())


def test_shift_norm_is_baked_to_powers_of_two() -> None:
    layer = baked_layers(_model(recipe_for({"network": "digits", "normalisation": "shift"})))[0]
    assert np.all(np.frexp(np.abs(layer.gamma))[0] == 0.5)
    assert (layer.epsilon, set(layer.variance.tolist())) == (0.0, {1.0})
