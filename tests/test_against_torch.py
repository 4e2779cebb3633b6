"""The network airbench, trained as airbench94 is, beside PyTorch, step by step."""

import keras
import numpy as np
import pytest

from kerasopt import layers, models, optimizers
from kerasopt.benchmarks import torch_airbench

torch = pytest.importorskip("torch", reason='needs PyTorch: pip install ".[bench]"')

WIDTHS = (8, 16, 16)
RATE = 0.1


def keras_model(activation, images):
    """Return the airbench network with airbench94's optimizer groups, compiled."""
    model = models.airbench(
        input_shape=(32, 32, 3),
        num_classes=10,
        widths=WIDTHS,
        activation=activation,
        mean=torch_airbench.MEAN,
        std=torch_airbench.STD,
    )
    layers.adapt(model, images / 255)
    common = {"name": "sgd", "momentum": torch_airbench.MOMENTUM, "nesterov": True}
    offsets = {
        "learning_rate": RATE * torch_airbench.OFFSET_FACTOR,
        "l2": torch_airbench.L2 / torch_airbench.OFFSET_FACTOR,
    }
    optimizer = optimizers.get(
        "grouped",
        default={**common, "learning_rate": RATE, "l2": torch_airbench.L2},
        groups={"beta$": {**common, **offsets}},
    )
    loss = keras.losses.CategoricalCrossentropy(
        label_smoothing=torch_airbench.LABEL_SMOOTHING
    )
    model.compile(optimizer, loss)
    return model


def torch_network(activation, model):
    """Return PyTorch's network with the weights of the Keras model."""
    net = torch_airbench.network(activation, WIDTHS)
    ours = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    theirs = [x for x in net if isinstance(x, torch.nn.Conv2d)]
    for layer, convolution in zip(ours, theirs, strict=True):
        set_weight(convolution, layer.kernel.numpy().transpose(3, 2, 0, 1))
    (head,) = (x for x in net if isinstance(x, torch.nn.Linear))
    set_weight(head, model.get_layer("head").kernel.numpy().T)
    return net


def set_weight(module, array):
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.ascontiguousarray(array)))


def torch_weights(net):
    """Return everything that a step changes, in the order of Keras's layers."""
    found = []
    for module in net:
        if isinstance(module, torch.nn.Conv2d):
            found.append(module.weight.detach().numpy().transpose(2, 3, 1, 0))
            found += [] if module.bias is None else [module.bias.detach().numpy()]
        elif isinstance(module, torch.nn.BatchNorm2d):
            found += [module.bias.detach().numpy(), module.running_mean.numpy()]
        elif isinstance(module, torch.nn.Linear):
            found.append(module.weight.detach().numpy().T)
    return found


def keras_weights(model):
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            found += [layer.kernel, layer.bias] if layer.use_bias else [layer.kernel]
        elif isinstance(layer, keras.layers.BatchNormalization):
            found += [layer.beta, layer.moving_mean]
        elif isinstance(layer, keras.layers.Dense):
            found.append(layer.kernel)
    return [np.asarray(weight) for weight in found]


def test_whitening_spans_what_it_does_in_torch():
    images = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), "uint8")
    layer = keras_model("relu", images).get_layer("whitening")
    net = torch_airbench.network("relu", WIDTHS)
    torch_airbench.whiten(net, torch_airbench.normalized(torch.from_numpy(images)))
    # Each eigenvector may have either sign: compare sums of outer products.
    ours = layer.kernel.numpy().reshape(12, 24)
    theirs = net[0].weight.numpy().transpose(2, 3, 1, 0).reshape(12, 24)
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-3)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_training_steps_are_those_of_torch(activation):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 64, 32, 32, 3), "uint8")
    labels = rng.integers(0, 10, (3, 64))
    model = keras_model(activation, images[0])
    net = torch_network(activation, model)
    before = keras_weights(model)
    optimizer = torch_airbench.sgd(net)
    for group in optimizer.param_groups:
        group["lr"] *= RATE / torch_airbench.LEARNING_RATE

    for x, y in zip(images, labels, strict=True):
        model.train_on_batch(x / 255, keras.utils.to_categorical(y, 10))
        logits = net(torch_airbench.normalized(torch.from_numpy(x)))
        loss = torch.nn.functional.cross_entropy(
            logits * torch_airbench.LOGIT_SCALE,
            torch.from_numpy(y),
            label_smoothing=torch_airbench.LABEL_SMOOTHING,
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    compared = zip(keras_weights(model), torch_weights(net), before, strict=True)
    for ours, theirs, start in compared:
        change = np.linalg.norm(theirs - start)
        assert np.linalg.norm(ours - theirs) <= 0.02 * change
