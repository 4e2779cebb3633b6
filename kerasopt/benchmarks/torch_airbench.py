"""The airbench94 recipe in PyTorch, as the other side of the benchmarks.

A script that needs PyTorch and NumPy alone, so that a Python without kerasopt can
run it. The benchmarks start it in a process of its own::

    python torch_airbench.py race --arrays cifar10.npz --threads 2 --seed 0
    python torch_airbench.py throughput --batch-size 1024 --threads 2

``race`` prints a line an epoch to stderr and its result as JSON to stdout.
``throughput`` answers each line ``ACTIVATION STEPS`` of stdin by the seconds that
these training steps took.

Network and recipe are those of Jordan (2024), https://arxiv.org/abs/2404.00498,
in bfloat16 autocast and channels_last, without compilation.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

torch: Any = importlib.util.find_spec("torch") and importlib.import_module("torch")

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
WIDTHS = (64, 256, 256)
BATCH_SIZE = 1024
EPOCHS = 9.9
MOMENTUM = 0.85
LEARNING_RATE = 1.5
L2 = 1.33e-3
OFFSET_FACTOR = 64  # Of the rate of the normalisations' offsets.
LABEL_SMOOTHING = 0.2
LOGIT_SCALE = 1 / 9
WHITENING_SAMPLES = 5000
WHITENING_EPSILON = 5e-4
WHITENING_BIAS_EPOCHS = 3
LOOKAHEAD_EVERY = 5
LOOKAHEAD_DECAY = 0.95**LOOKAHEAD_EVERY


def network(activation: str, widths: Sequence[int] = WIDTHS) -> Any:
    """Return airbench94's network for images of 32×32, before whitening."""
    nn = torch.nn
    activate = {"gelu": nn.GELU, "relu": nn.ReLU}[activation]

    def normalize(width: int) -> Any:
        norm = nn.BatchNorm2d(width, eps=1e-12, momentum=0.4)
        norm.weight.requires_grad_(False)
        return norm

    def convolve(channels: int, width: int) -> Any:
        layer = nn.Conv2d(channels, width, 3, padding="same", bias=False)
        nn.init.dirac_(layer.weight.data[:channels])
        return layer

    whitening = nn.Conv2d(3, 24, 2)
    whitening.weight.requires_grad_(False)
    nn.init.zeros_(whitening.bias)
    layers = [whitening, activate()]
    channels = 24
    for width in widths:
        layers += [convolve(channels, width), nn.MaxPool2d(2)]
        layers += [normalize(width), activate()]
        layers += [convolve(width, width), normalize(width), activate()]
        channels = width
    layers += [nn.MaxPool2d(3), nn.Flatten(), nn.Linear(channels, 10, bias=False)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def whiten(net: Any, images: Any) -> None:
    """Set the first convolution to the whitening of its patches."""
    patches = torch.nn.functional.unfold(images, 2)  # (image, value, place)
    covariance = torch.einsum("ivp,iwp->vw", patches, patches)
    covariance /= len(patches) * patches.shape[2]
    eigenvalues, eigenvectors = torch.linalg.eigh(covariance.double())
    filters = (eigenvectors / (eigenvalues + WHITENING_EPSILON).sqrt()).T
    filters = filters.float().reshape(12, 3, 2, 2)
    with torch.no_grad():
        net[0].weight.copy_(torch.cat([filters, -filters]))


def sgd(net: Any) -> Any:
    """Return Nesterov SGD with its fast group of offsets."""
    norms = [m for m in net if isinstance(m, torch.nn.BatchNorm2d)]
    offsets = [norm.bias for norm in norms]
    taken = set(map(id, offsets))
    others = [p for p in net.parameters() if p.requires_grad and id(p) not in taken]
    fast = {
        "params": offsets,
        "lr": LEARNING_RATE * OFFSET_FACTOR,
        "weight_decay": L2 / OFFSET_FACTOR,
    }
    return torch.optim.SGD(
        [{"params": others}, fast],
        lr=LEARNING_RATE,
        weight_decay=L2,
        momentum=MOMENTUM,
        nesterov=True,
    )


def rate_factor(share: float) -> float:
    """Return the learning rate's factor after a share of the training."""
    return float(np.interp(share, (0, 0.23, 1), (0.2, 1, 0.07)))


def step(net: Any, optimizer: Any, images: Any, labels: Any) -> None:
    """Take one training step."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(images)
    loss = torch.nn.functional.cross_entropy(
        logits.float() * LOGIT_SCALE, labels, label_smoothing=LABEL_SMOOTHING
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


class Lookahead:
    """Slow copies of all floating-point state, which the network returns to."""

    def __init__(self, net: Any) -> None:
        self.fast = [v for v in net.state_dict().values() if v.is_floating_point()]
        self.slow = [v.clone() for v in self.fast]

    def update(self, decay: float) -> None:
        """Keep that share of the slow state; give it to the network."""
        with torch.no_grad():
            for slow, fast in zip(self.slow, self.fast, strict=True):
                slow.lerp_(fast, 1 - decay)
                fast.copy_(slow)


def normalized(images: Any) -> Any:
    """Return uint8 (n, height, width, 3) as floats (n, 3, height, width)."""
    floats = (images / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    return floats.permute(0, 3, 1, 2)  # In memory the channels stay last.


def epoch_batches(
    images: Any, labels: Any, first_flips: Any, epoch: int, size: int
) -> Iterator[tuple[Any, Any]]:
    """Yield shuffled full batches, shifted by up to 2 pixels and flipped by turns.

    Args:
        images: uint8 (n, height + 4, width + 4, 3), padded.
        labels: (n,)
        first_flips: Which images are flipped in epoch 0, (n,) bool.
        epoch: From 0; odd ones show the other side of each image.
        size: Images in a batch.
    """
    places = torch.arange(images.shape[1] - 4)
    order = torch.randperm(len(images))
    for start in range(0, len(images) - size + 1, size):
        rows = order[start : start + size]
        down, across = torch.randint(0, 5, (2, size, 1))
        flipped = (first_flips[rows] ^ bool(epoch % 2))[:, None]
        columns = across + torch.where(flipped, places.flip(0), places)
        lines = down + places
        cut = images[rows[:, None, None], lines[:, :, None], columns[:, None, :]]
        yield normalized(cut), labels[rows]


def accuracy(net: Any, images: Any, labels: Any, *, views: bool) -> float:
    """Return the accuracy, of the images as they are or with six views of each."""
    net.eval()
    right = 0
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for part, truth in zip(images.split(2000), labels.split(2000), strict=True):
            batch = normalized(part)
            if not views:
                right += int((net(batch).argmax(1) == truth).sum())
                continue
            padded = torch.nn.functional.pad(batch, (1, 1, 1, 1), mode="reflect")
            logits: Any = 0.0
            for weight, view in (
                (0.25, batch),
                (0.125, padded[:, :, :-2, :-2]),
                (0.125, padded[:, :, 2:, 2:]),
            ):
                both = net(view).float() + net(view.flip(3)).float()
                logits = logits + weight * both
            right += int((logits.argmax(1) == truth).sum())
    net.train()
    return right / len(labels)


class Training:
    """One training of airbench94, epoch by epoch."""

    def __init__(
        self, images: Any, labels: Any, *, epochs: float, batch_size: int
    ) -> None:
        self.net = network("gelu")
        whiten(self.net, normalized(images[:WHITENING_SAMPLES]))
        self.lookahead = Lookahead(self.net)
        self.batch_size = min(batch_size, len(images))
        self.total = math.ceil(epochs * (len(images) // self.batch_size))
        self.done = 0
        self.optimizer = sgd(self.net)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda done: rate_factor(done / self.total)
        )
        margins = ((0, 0), (2, 2), (2, 2), (0, 0))
        self.images = torch.from_numpy(np.pad(images.numpy(), margins, mode="reflect"))
        self.labels = labels
        self.first_flips = torch.rand(len(images)) < 0.5

    def run_epoch(self, epoch: int) -> int:
        """Train to the end of the epoch or of the training; return the steps."""
        self.net[0].bias.requires_grad_(epoch < WHITENING_BIAS_EPOCHS)
        before = self.done
        for batch in epoch_batches(
            self.images, self.labels, self.first_flips, epoch, self.batch_size
        ):
            step(self.net, self.optimizer, *batch)
            self.schedule.step()
            self.done += 1
            if self.done % LOOKAHEAD_EVERY == 0:
                share = self.done / self.total
                self.lookahead.update(LOOKAHEAD_DECAY * share**3)
            if self.done == self.total:
                self.lookahead.update(1.0)
                break
        return self.done - before


def race(
    arrays: dict[str, np.ndarray],
    *,
    epochs: float = EPOCHS,
    budget: float | None = None,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
) -> dict[str, Any]:
    """Train airbench94; return its accuracy and seconds after every epoch.

    The measurements of the epochs take the images as they are; the one at the end
    has six views.

    Args:
        arrays: ``x_train``, ``y_train``, ``x_test`` and ``y_test``; uint8 images.
        epochs: May end within one.
        budget: Stop after the epoch that passes this many seconds.
        seed: Of weights, order and augmentation.
        batch_size: Images in a step.
    """
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    labels, test_labels = tensors["y_train"].long(), tensors["y_test"].long()
    torch.manual_seed(seed)
    rows: list[dict[str, Any]] = []
    started, measuring = time.perf_counter(), 0.0

    def seconds() -> float:
        return time.perf_counter() - started - measuring

    training = Training(
        tensors["x_train"], labels, epochs=epochs, batch_size=batch_size
    )
    for epoch in range(math.ceil(epochs)):
        steps = training.run_epoch(epoch)
        trained = seconds()
        reached = accuracy(training.net, tensors["x_test"], test_labels, views=False)
        measured = seconds() - trained
        measuring += measured
        rows.append(
            {
                "epoch": epoch + 1,
                "steps": steps,
                "train_seconds": trained,
                "measure_seconds": measured,
                "accuracy": reached,
            }
        )
        _say(f"torch seed {seed}: epoch {epoch + 1}, {reached:.2%}, {trained:.0f} s")
        if budget is not None and trained >= budget:
            break
    reached = accuracy(training.net, tensors["x_test"], test_labels, views=True)
    return {
        "rows": rows,
        "accuracy": reached,
        "seconds": seconds(),
        "precision": "bfloat16 autocast",
        "versions": {"torch": torch.__version__},
    }


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def answer_throughput(batch_size: int, widths: Sequence[int]) -> None:
    """Time training steps on request, from stdin to stdout, until stdin ends."""
    torch.manual_seed(0)
    images = torch.rand(batch_size, 3, 32, 32)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.arange(batch_size) % 10
    networks: dict[str, tuple[Any, Any]] = {}
    for line in sys.stdin:
        activation, steps = line.split()
        if activation not in networks:
            net = network(activation, widths)
            networks[activation] = net, sgd(net)
        net, optimizer = networks[activation]
        started = time.perf_counter()
        for _ in range(int(steps)):
            step(net, optimizer, images, labels)
        print(time.perf_counter() - started, flush=True)


def main() -> None:
    """Read the command line and do what it names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["race", "throughput"])
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE)
    parser.add_argument("--widths", type=int, nargs=3, default=WIDTHS)
    parser.add_argument("--arrays", help="the .npz file of the race's images")
    parser.add_argument("--epochs", type=float, default=EPOCHS)
    parser.add_argument("--budget", type=float, help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if torch is None:
        sys.exit("This needs PyTorch, which comes with the extra 'bench'.")
    torch.set_num_threads(options.threads)
    if options.what == "throughput":
        answer_throughput(options.batch_size, options.widths)
        return
    if not options.arrays:
        parser.error("race needs --arrays")
    with np.load(options.arrays, allow_pickle=False) as arrays:
        result = race(
            dict(arrays),
            epochs=options.epochs,
            budget=options.budget,
            seed=options.seed,
            batch_size=options.batch_size,
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
