"""kerasopt.training.spec and sections: settings, strictly typed and explained."""

import pydoc
import re

import numpy as np
import pytest

from kerasopt.training import TrainingSettings
from kerasopt.training.spec import in_seconds, validate

FIELDS = TrainingSettings.model_fields


def settings(**fields):
    return validate(TrainingSettings, fields, "training")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"epochs": "3"},
            "epochs: input should be a valid integer; given: '3'",
        ),
        ({"epochs": 3.0}, "training.epochs: input should be a valid integer"),
        ({"batch_size": True}, "training.batch_size: input should be a valid integer"),
        ({"label_smoothing": "0.1"}, "training.label_smoothing: .* valid number"),
        ({"tta_share": True}, "training.tta_share: .* valid number"),
        ({"deterministic": "no"}, "training.deterministic: .* valid boolean"),
        ({"deterministic": 1}, "training.deterministic: .* valid boolean"),
        ({"image_sizes": {8: "0.5"}}, "training.image_sizes.8: .* valid number"),
        ({"devices": 3}, "training.devices: .* valid string or .* valid list"),
    ],
)
def test_wrong_types_are_type_errors(fields, message):
    with pytest.raises(TypeError, match=message) as caught:
        settings(**fields)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 10**9}, "training.epochs: .* less than or equal to 1000000"),
        ({"patience": 10**9}, "training.patience: .* less than or equal"),
        ({"batch_size": 10**12}, "training.batch_size: .* less than or equal"),
        ({"steps_per_epoch": 2**31}, "training.steps_per_epoch: .* less than"),
        ({"label_smoothing": np.nan}, "training.label_smoothing: .* finite"),
        ({"tta_share": -np.inf}, "training.tta_share: .* finite"),
        ({"checkpoint_seconds": np.inf}, "training.checkpoint_seconds: .* finite"),
        ({"image_sizes": {8: np.nan}}, "training.image_sizes.8: .* finite"),
        ({"image_sizes": {10**9: 0.5}}, "training.image_sizes: sides must be from 1"),
        ({"budget": "9" * 400}, "budget must be a time .* at most a year"),
        ({"budget": True}, "budget must be a time"),
        ({"budget": np.nan}, "budget must be a time"),
    ],
)
def test_values_out_of_range(fields, message):
    with pytest.raises(ValueError, match=message):
        settings(**fields)


def test_what_is_no_mapping_is_a_type_error():
    with pytest.raises(TypeError, match="training must be a mapping"):
        validate(TrainingSettings, 3, "training")


def test_numpy_values_are_taken_as_pythons():
    found = settings(
        epochs=np.int64(3),
        batch_size=np.array(16),
        label_smoothing=np.float64(0.25),
        deterministic=np.True_,
        image_sizes={np.int64(8): np.float64(0.5)},
        devices=np.array(["cpu:0"]),
    )
    assert found == settings(
        epochs=3,
        batch_size=16,
        label_smoothing=0.25,
        deterministic=True,
        image_sizes={8: 0.5},
        devices=["cpu:0"],
    )
    assert type(found.epochs) is int


def test_a_year_is_the_longest_budget():
    assert in_seconds("8760h") == 365 * 24 * 3600
    with pytest.raises(ValueError, match="at most a year"):
        in_seconds("8761h")


def test_help_lists_each_field_with_its_default_and_nothing_of_pydantic():
    text = pydoc.plain(pydoc.render_doc(TrainingSettings))
    assert "model_dump" not in text
    assert "__pydantic" not in text
    listed = dict(re.findall(r"^ \|      (\w+) \([^,()]+, (.+?)\): ", text, flags=re.M))
    assert listed.keys() == FIELDS.keys()
    for name, default in listed.items():
        expected = FIELDS[name].get_default(call_default_factory=True)
        assert default.replace('"', "'") == repr(expected), name
