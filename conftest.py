"""Which notebooks are slow; `make test-all` runs them too."""

import pytest

SLOW = (
    "01_chapter_project.ipynb",
    "02_gradient_descent_and_backprop.ipynb",
    "03_optimizers_and_schedules.ipynb",
    "04_initialization_and_normalization.ipynb",
    "10_hyperparameter_search.ipynb",
    "11_ablation.ipynb",
    "12_architecture_search.ipynb",
)


def pytest_collection_modifyitems(items):
    """Mark notebooks, which can't mark themselves."""
    for item in items:
        if item.path.name in SLOW:
            item.add_marker(pytest.mark.slow)
