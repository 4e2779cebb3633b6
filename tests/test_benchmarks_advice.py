"""kerasopt.benchmarks.advice, on one split; nothing here judges a speed."""

import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from kerasopt.benchmarks import advice


@pytest.mark.slow
def test_each_side_is_measured_on_what_was_held_out(capsys):
    name = "wine, raw"
    result = advice.measure(seeds=1, names=(name,))
    found = result["results"][name]
    x_train, x_test, y_train, y_test = train_test_split(
        *load_wine(return_X_y=True), test_size=0.25, random_state=0,
        stratify=load_wine().target,
    )  # fmt: skip
    linear = LogisticRegression(max_iter=10_000).fit(x_train, y_train)
    expected = linear.score(x_test, y_test)
    # Theirs is in float64: one sample of 45 may lie on the other side.
    assert abs(found["logistic regression"][0] - expected) < 1.5 / len(x_test)
    assert all(0 < found[side][0] <= 1 for side in advice.SIDES)
    assert found["advised"][0] > found["defaults"][0]
    advice.show(result)
    assert "wine, raw" in capsys.readouterr().out
