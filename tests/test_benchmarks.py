"""The benchmarks' arithmetic and tiny runs of each; nothing here judges a speed."""

import argparse
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import kerasopt as ko
from kerasopt import data, models
from kerasopt.benchmarks import (
    _shared,
    augmentation,
    race,
    race_keras,
    recipes,
    startup,
    throughput,
    torch_airbench,
)

TINY_RECIPE = """
name: tiny
data: {name: cifar10, validation: 0}
model: {name: airbench, widths: [8, 8, 8]}
training: {epochs: 9, batch_size: 16, tta: mirror}
"""


@pytest.fixture(scope="module")
def arrays():
    """A hundred training and 20 test images whose brightness is their class."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 10
    images = rng.integers(0, 60, (120, 32, 32, 3)) + 20 * labels[:, None, None, None]
    images = images.astype("uint8")
    return {
        "x_train": images[:100],
        "y_train": labels[:100],
        "x_test": images[100:],
        "y_test": labels[100:],
    }


@pytest.fixture(scope="module")
def dataset(arrays):
    test = arrays["x_test"], arrays["y_test"]
    train = arrays["x_train"], arrays["y_train"]
    return data.from_arrays(*train, test=test, validation=0)


def script(folder, text):
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def without_torch(tmp_path):
    """A Python that sees no installed package."""
    return script(tmp_path, f'exec "{sys.executable}" -I -S "$@"')


# What they share.


def test_spread_and_ratios_go_repeat_by_repeat():
    assert _shared.spread([1.0, 4.0, 2.0, 3.0])["median"] == 2.5
    found = _shared.ratios([10.0, 30.0, 8.0], [5.0, 10.0, 8.0])
    assert found == {"median": 2, "min": 1, "max": 3, "repeats": [2, 3, 1]}
    with pytest.raises(ValueError, match="as many repeats on both sides; given: 1 and"):
        _shared.ratios([1.0], [1.0, 2.0])


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many"])
def test_counts_are_whole_and_positive(text):
    with pytest.raises(argparse.ArgumentTypeError, match="not a whole number above 0"):
        _shared.positive(text)


def test_a_machine_is_named_by_its_gpus():
    described = {"gpus": ["A", "B"], "cores": 2, "cpu": "C"}
    assert _shared.machine(described) == "A, B"


def test_a_python_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--torch-python must be the path of a Python"):
        _shared.torch_is_installed(str(tmp_path / "nothing"))


# Throughput.


def test_throughput_ratios_share_and_choice():
    rates = {
        "kerasopt float32": [10.0, 10.0],
        "kerasopt mixed_bfloat16": [20.0, 40.0],
        "plain Keras float32": [5.0, 5.0],
        "matmul float32": [100.0, 100.0],
        "matmul bfloat16": [400.0, 400.0],
    }
    found = throughput.summary(rates, flops=5)
    assert found["fastest_kerasopt"] == "kerasopt mixed_bfloat16"
    assert list(found["results"]) == list(rates)[:3]
    plain = found["results"]["plain Keras float32"]
    assert plain["kerasopt_ratio"]["repeats"] == [4, 8]
    assert found["flops_per_second"]["repeats"] == [100, 200]
    assert found["share_of_bfloat16_matmul"]["repeats"] == [0.25, 0.5]


@pytest.mark.slow
def test_throughput_runs_and_says_how_to_get_torch(without_torch, tmp_path, capsys):
    found = throughput.measure(
        repeats=2,
        batch_size=8,
        steps=1,
        widths=(8, 8, 8),
        matrix_size=32,
        torch_python=without_torch,
    )
    assert list(found["results"]) == [
        "kerasopt float32",
        "kerasopt mixed_bfloat16",
        "plain Keras float32",
        "plain Keras mixed_bfloat16",
    ]
    own = found["results"][found["fastest_kerasopt"]]
    assert own["kerasopt_ratio"]["repeats"] == [1, 1]
    assert all(
        rate > 0
        for row in found["results"].values()
        for rate in row["images_per_second"]["repeats"]
    )
    throughput.show(found)
    assert 'pip install ".[cpu,bench]"' in capsys.readouterr().out
    _shared.save(tmp_path / "new" / "result.json", found)
    assert json.loads((tmp_path / "new" / "result.json").read_text()) == found


def test_the_plain_network_is_plain_and_learns_the_same_variables():
    own = throughput._network("mixed_bfloat16", (8, 8, 8))
    plain = throughput._plain_network("mixed_bfloat16", (8, 8, 8))
    kinds = {type(layer).__module__.split(".")[0] for layer in plain.layers}
    assert kinds == {"keras"}
    shapes = [v.shape for v in plain.trainable_variables]
    assert shapes == [v.shape for v in own.trainable_variables]
    assert plain.get_layer("conv_2_1").compute_dtype == "bfloat16"


def test_a_torch_that_dies_is_an_error_not_a_hang(tmp_path):
    dying = script(tmp_path, "exit 0")
    with (
        pytest.raises(ValueError, match="PyTorch's process ended early"),
        throughput._torch(dying, 8, (8, 8, 8)) as ask,
    ):
        ask("gelu 1")


# Augmentation and start-up.


def test_augmentation_measures_crop_too(capsys):
    found = augmentation.measure(images=8, repeats=2, least_seconds=0.0)
    baseline = found["results"]["ImageDataGenerator"]
    assert baseline["ratio_to_ImageDataGenerator"]["repeats"] == [1, 1]
    crop = found["results"]["crop (shift and flip only)"]
    assert len(crop["images_per_second"]["repeats"]) == 2
    for name in augmentation.transforms.TRANSFORMS:
        own = found["transforms"][name]["kerasopt"]
        assert own["kerasopt_ratio"]["repeats"] == [1, 1]
    assert "Keras's layer" in found["transforms"]["mixup"]
    augmentation.show(json.loads(json.dumps(found)))
    out = capsys.readouterr().out
    assert "crop (shift" in out
    assert "cutmix, Keras's layer" in out


def test_augmentation_compares_with_the_layers_turn_by_turn(capsys):
    rates = {augmentation.BASELINE: [1.0, 2.0], "affine": [6.0, 20.0]}
    found = augmentation.summary({**rates, augmentation.LAYERS: [2.0, 4.0]})
    assert found["affine_ratio_to_layers"]["repeats"] == [3, 5]
    augmentation.show(json.loads(json.dumps(found)))
    assert "4.00 times (3.00 to 5.00)" in capsys.readouterr().out


@pytest.mark.slow
def test_startup_measures_every_command(capsys):
    found = startup.measure(repeats=1)
    startup.show(json.loads(json.dumps(found)))
    out = capsys.readouterr().out
    assert all(name in out for name in startup.COMMANDS)
    assert found["machine"]["cores"] >= 1


@pytest.mark.parametrize(
    "module", ["throughput", "augmentation", "startup", "race", "recipes"]
)
def test_each_has_a_command_line(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    with pytest.raises(SystemExit) as stopped:
        globals()[module].main()
    assert stopped.value.code == 0
    assert "--json" in capsys.readouterr().out


# Recipes.


def test_finished_recipe_runs_are_reused(tmp_path, capsys):
    folder = tmp_path / "digits-3"
    folder.mkdir()
    metrics = {"test_accuracy": 0.9, "train_seconds": 7.0, "epochs": 2}
    metrics["precision"] = "float32"
    (folder / "metrics.json").write_text(json.dumps(metrics))
    about = {"gpus": [], "cores": 2, "cpu": "X"}
    (folder / "environment.json").write_text(json.dumps(about))
    recipe = ko.recipes.load("digits")
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    found = recipes.measure(["digits"], seeds=[3], out=tmp_path)
    assert found["results"]["digits"]["test_accuracy"] == [0.9]
    recipes.show(found)
    out = capsys.readouterr().out
    assert "machine: 2× X" in out
    assert "| `digits` | 90.00 % (n=1) | – | 7 s |" in out
    changed = recipe.replace("training.batch_size", 7)
    (folder / "recipe.yaml").write_text(changed.to_yaml())
    with pytest.raises(ValueError, match=r"other settings than 'digits' has now"):
        recipes.measure(["digits"], seeds=[3], out=tmp_path)


# The race.


def test_the_clock_stands_still_while_it_measures(fake_time):
    fake = fake_time(race_keras)

    def measure(model):
        fake.now += 50
        return 0.5

    model = SimpleNamespace(stop_training=False)
    clock = race_keras.Clock("fake", accuracy=measure, budget=7)
    clock.set_model(model)
    for epoch, stopped in ((0, False), (1, True)):
        clock.on_epoch_begin(epoch)
        clock.on_train_batch_end(0)
        clock.on_train_batch_end(1)
        fake.now += 4
        clock.on_epoch_end(epoch)
        assert model.stop_training is stopped
    assert [row["train_seconds"] for row in clock.rows] == [4, 8]
    assert [row["measure_seconds"] for row in clock.rows] == [50, 50]
    assert [row["steps"] for row in clock.rows] == [2, 2]
    assert clock.seconds() == 8


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_the_listing_has_its_stub_epochs(arrays):
    found = race_keras.listing(arrays, epochs=3)
    # 100 images in batches of 32 are 4 batches, of which the listing asks for 3.
    assert [row["steps"] for row in found["rows"]] == [3, 1, 3]
    assert race_keras.chapter_model().count_params() == 358_218
    assert found["seconds"] >= found["rows"][-1]["train_seconds"]


def test_a_recipe_is_measured_after_every_epoch(arrays, tmp_path):
    path = tmp_path / "tiny.yaml"
    # Without views the last epoch's measurement is the one at the end.
    path.write_text(TINY_RECIPE.replace("tta: mirror", "tta: none"))
    found = race_keras.recipe(arrays, name=str(path), epochs=2)
    assert [row["steps"] for row in found["rows"]] == [7, 7]
    last = found["rows"][-1]
    assert found["accuracy"] == last["accuracy"]
    # What comes after training counts, too: views, model and report.
    assert found["seconds"] > last["train_seconds"]
    assert found["precision"] == "float32"


def write_run(out, name, rows, settings):
    seconds = [sum(row[1:]) for row in rows]
    keys = ("accuracy", "train_seconds", "measure_seconds")
    run = {
        "rows": [dict(zip(keys, row, strict=True)) for row in rows],
        "accuracy": rows[-1][0],
        "seconds": seconds[-1],
        "settings": settings,
    }
    _shared.save(out / name, run)


def test_the_race_compares_what_is_there(tmp_path, without_torch, capsys):
    settings = {"epochs": None, "budget": None}
    trains = _shared.settings_of(ko.recipes.load("cifar10-94").to_dict())
    ours = {**settings, "recipe": "cifar10-94", "trains": trains}
    own = [(0.85, 10.0, 2.0), (0.95, 20.0, 2.0)]
    write_run(tmp_path, "kerasopt-0.json", own, ours)
    write_run(tmp_path, "kerasopt-1.json", own, ours)
    write_run(tmp_path, "listing-0.json", [(0.7, 5.0, 0), (0.82, 24.0, 0)], settings)
    write_run(tmp_path, "listing-1.json", [(0.5, 5.5, 0)], settings)
    found = race.measure(seeds=[0, 1], out=tmp_path, torch_python=without_torch)
    assert list(found["results"]) == ["kerasopt", "listing"]
    listing = found["results"]["listing"]
    assert listing["marks"]["0.80"]["reached"] == 1
    assert listing["marks"]["0.80"]["seconds"]["repeats"] == [24]
    assert listing["marks"]["0.80"]["ratio_to_kerasopt"]["repeats"] == [2]
    assert listing["marks"]["0.90"]["seconds"] is None
    assert listing["total"]["ratio_to_kerasopt"]["repeats"] == [24 / 22, 0.25]
    assert found["results"]["kerasopt"]["marks"]["0.94"]["seconds"]["median"] == 22
    race.show(json.loads(json.dumps(found)))
    out = capsys.readouterr().out
    assert "24 (2×), 1 of 2" in out
    assert "66.00 ± 22.63 % (n=2)" in out  # The final accuracies are 0.82 and 0.5.
    assert "listing takes 0.67 times (0.25 to 1.09) kerasopt's time" in out
    assert "never" in out
    assert 'pip install ".[cpu,bench]"' in out


def test_without_kerasopt_there_are_no_ratios(tmp_path, capsys):
    settings = {"epochs": None, "budget": None}
    write_run(tmp_path, "listing-0.json", [(0.82, 24.0, 0)], settings)
    found = race.measure(["listing"], seeds=[0], out=tmp_path)
    assert found["results"]["listing"]["total"]["ratio_to_kerasopt"] is None
    race.show(found)
    assert "24 " in capsys.readouterr().out


def test_weights_restored_at_the_end_count_for_a_mark():
    row = {"accuracy": 0.7, "train_seconds": 3.0, "measure_seconds": 0.0}
    run = {"rows": [row], "accuracy": 0.81, "seconds": 5.0}
    assert race.seconds_to(0.8, run) == 5


def test_results_of_other_settings_are_not_reused(tmp_path):
    settings = {"epochs": 2, "budget": None}
    write_run(tmp_path, "listing-0.json", [(0.7, 5.0, 0)], settings)
    with pytest.raises(ValueError, match=r"result of other settings.*--out"):
        race.measure(["listing"], seeds=[0], out=tmp_path)


def test_results_of_an_edited_recipe_are_not_reused(tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(TINY_RECIPE)
    settings = {"epochs": None, "budget": None, "recipe": str(recipe)}
    settings["trains"] = _shared.settings_of(ko.recipes.load(recipe).to_dict())
    write_run(tmp_path, "kerasopt-0.json", [(0.7, 5.0, 0)], settings)
    found = race.measure(["kerasopt"], seeds=[0], out=tmp_path, recipe=str(recipe))
    assert found["results"]["kerasopt"]["total"]["seconds"]["median"] == 5
    recipe.write_text(TINY_RECIPE.replace("epochs: 9", "epochs: 8"))
    with pytest.raises(ValueError, match=r"result of other settings.*--out"):
        race.measure(["kerasopt"], seeds=[0], out=tmp_path, recipe=str(recipe))


def test_a_race_by_the_clock_needs_epochs(arrays):
    with pytest.raises(ValueError, match=r"trains by the clock.*epochs"):
        race_keras.recipe(arrays, name="cifar10")


def test_an_unknown_contender_is_refused():
    with pytest.raises(ValueError, match=r"Unknown contender .torhc.*torch"):
        race.measure(["torhc"])


def test_a_race_needs_test_data(tmp_path, arrays):
    untested = data.from_arrays(arrays["x_train"], arrays["y_train"], validation=0)
    with pytest.raises(ValueError, match="needs test data"):
        race.measure(["listing"], seeds=[0], out=tmp_path, dataset=untested)


@pytest.mark.slow
def test_a_contender_runs_in_a_process_of_its_own(tmp_path, dataset):
    found = race.measure(
        ["listing"], seeds=[0], out=tmp_path, dataset=dataset, epochs=1
    )
    (run,) = found["results"]["listing"]["runs"]
    assert [row["steps"] for row in run["rows"]] == [3]
    assert json.loads((tmp_path / "listing-0.json").read_text()) == run
    assert run["settings"]["epochs"] == 1


@pytest.mark.slow
def test_a_contender_that_fails_leaves_no_result(tmp_path, dataset):
    out, recipe = tmp_path / "out", tmp_path / "deep.yaml"
    recipe.write_text(TINY_RECIPE.replace("[8, 8, 8]", "[8, 8, 8, 8, 8]"))
    with pytest.raises(ValueError, match=r"ended with code 1.*--recipe \S*deep.yaml"):
        race.measure(
            ["kerasopt"], seeds=[0], out=out, dataset=dataset, recipe=str(recipe)
        )
    assert not out.exists()


# PyTorch.


def test_the_torch_script_says_what_it_needs(monkeypatch):
    monkeypatch.setattr(torch_airbench, "torch", None)
    monkeypatch.setattr(sys, "argv", ["torch_airbench.py", "race", "--threads", "1"])
    with pytest.raises(SystemExit, match="the extra 'bench'"):
        torch_airbench.main()


def test_the_torch_script_needs_no_kerasopt():
    code = "import sys; sys.path[0] = sys.argv[1]; import torch_airbench as t"
    code += "; print([m for m in sys.modules if m.startswith(('kerasopt', 'keras'))])"
    folder = str(throughput.TORCH_SCRIPT.parent)
    done = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_airbenchs_learning_rate():
    factors = [torch_airbench.rate_factor(share) for share in (0, 0.115, 0.23, 1)]
    assert factors == pytest.approx([0.2, 0.6, 1, 0.07])


def test_airbench_trains_and_is_timed(arrays):
    pytest.importorskip("torch")
    found = torch_airbench.race(arrays, epochs=1.5, batch_size=25)
    assert [row["steps"] for row in found["rows"]] == [4, 2]
    assert 0 <= found["accuracy"] <= 1


def test_airbenchs_network_is_the_speed_network_and_whitens():
    torch = pytest.importorskip("torch")
    net = torch_airbench.network("gelu")
    # gamma is fixed there; kerasopt's network has none.
    sizes = [p.numel() for p in net.parameters() if p.requires_grad]
    own = models.airbench(input_shape=(32, 32, 3), num_classes=10)
    assert sum(sizes) == sum(v.numpy().size for v in own.trainable_variables)
    images = torch.rand(64, 3, 32, 32)
    torch_airbench.whiten(net, images)
    half = net[0](images)[:, :12].movedim(1, 3).reshape(-1, 12)
    moments = (half.T @ half / len(half)).detach().numpy()
    np.testing.assert_allclose(moments, np.eye(12), atol=0.02)


def test_airbenchs_epochs_show_both_sides_of_each_image():
    torch = pytest.importorskip("torch")
    ramp = torch.arange(36, dtype=torch.uint8).expand(8, 36, 36)
    images = ramp[..., None].expand(8, 36, 36, 3).contiguous()
    labels, flips = torch.arange(8), torch.arange(8) % 2 == 0
    for epoch in (0, 1):
        batches = torch_airbench.epoch_batches(images, labels, flips, epoch, 4)
        for batch, rows in batches:
            rising = batch[:, 0, 0, -1] > batch[:, 0, 0, 0]
            assert torch.equal(rising, ~flips[rows] if epoch == 0 else flips[rows])


def test_throughput_asks_torch():
    pytest.importorskip("torch")
    with throughput._torch(sys.executable, 4, (8, 8, 8)) as ask:
        assert ask("gelu 1") > 0
        assert ask("relu 2") > 0
