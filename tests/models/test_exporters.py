"""Networks that users export themselves with PyTorch's two exporters, read as they come."""

import warnings
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from bcsim.compiler.graph.evaluate import evaluate_graph  # noqa: E402
from bcsim.compiler.graph.nodes import Conv, Dense, Graph  # noqa: E402
from bcsim.compiler.importer import import_onnx  # noqa: E402

pytestmark = pytest.mark.train


class Straight(torch.nn.Module):  # type: ignore[misc,name-defined,unused-ignore]
    """A layer as people write it: the estimator is in the graph, and so are the real weights."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(shape).uniform_(-1, 1))

    def binary(self) -> "torch.Tensor":
        sign = torch.where(self.weight >= 0, 1.0, -1.0)
        return self.weight + (sign - self.weight).detach()

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        if self.weight.dim() == 4:
            return torch.nn.functional.conv2d(x, self.binary(), padding=1)
        return torch.nn.functional.linear(x, self.binary())


class Signed(Straight):
    """The same with a plain sign, which a trained weight of exactly 0 would make 0."""

    def binary(self) -> "torch.Tensor":
        return torch.sign(self.weight)


def _mlp(layer: type[Straight]) -> "torch.nn.Sequential":
    nn = torch.nn
    return nn.Sequential(
        nn.Flatten(),
        layer(12, 64),
        nn.BatchNorm1d(12),
        nn.ReLU(),
        nn.Dropout(0.5),
        layer(10, 12),
        nn.BatchNorm1d(10),
    )


def _cnn(layer: type[Straight]) -> "torch.nn.Sequential":
    nn = torch.nn
    return nn.Sequential(
        layer(4, 1, 3, 3),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(4),
        nn.Hardtanh(),
        nn.Flatten(),
        layer(10, 64),
        nn.LogSoftmax(1),
    )


def _trained(model: "torch.nn.Sequential") -> "torch.nn.Sequential":
    """The model with statistics that a training might leave, for inference."""
    for norm in model.modules():
        if isinstance(norm, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            norm.running_mean.uniform_(-3, 3)
            norm.running_var.uniform_(4, 40)
            norm.weight.data.uniform_(-1, 1)
    return model.eval()


def _exported(model: "torch.nn.Sequential", x: "torch.Tensor", path: Path, dynamo: bool) -> Graph:
    with warnings.catch_warnings():
        # Both exporters warn of their own parts' ends.
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (x,), path, dynamo=dynamo, input_names=["x"], verbose=False)
    return import_onnx(path)


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("layer", [Straight, Signed])
@pytest.mark.parametrize("build", [_mlp, _cnn])
def test_exported_networks_are_read_as_they_are(
    build: object, layer: type, dynamo: bool, tmp_path: Path
) -> None:
    if dynamo:
        pytest.importorskip("onnxscript")
    assert callable(build)
    torch.manual_seed(0)
    model, x = _trained(build(layer)), torch.rand(5, 1, 8, 8)
    graph = _exported(model, x, tmp_path / "net.onnx", dynamo)
    weights = [node.weights for node in graph.nodes if isinstance(node, Dense | Conv)]
    assert len(weights) == 2
    assert all(set(w.ravel().tolist()) == {-1, 1} for w in weights)
    scores = evaluate_graph(graph, x.numpy())[graph.output]
    with torch.no_grad():
        expected = (model[:-1] if isinstance(model[-1], torch.nn.LogSoftmax) else model)(x)
    torch.testing.assert_close(torch.from_numpy(scores), expected.double(), rtol=1e-4, atol=1e-4)
