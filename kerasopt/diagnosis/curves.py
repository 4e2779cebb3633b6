"""Reading a history."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kerasopt import checks

__all__ = ["overfits"]


def overfits(history: pd.DataFrame, *, patience: int = 3) -> bool:
    """Say whether a training went on to learn what doesn't carry over.

    That is so if the validation loss hasn't fallen below its lowest value for
    ``patience`` epochs, while the training loss is now lower than at that epoch.

    Args:
        history: One row an epoch with the columns loss and val_loss.
        patience: Epochs since the best one; 3 by default.

    Raises:
        ValueError: if a column is missing or ``patience`` isn't an integer >= 1.

    Example:
        >>> history = pd.DataFrame({"loss": [3, 2, 1.5, 1, 0.5],
        ...                         "val_loss": [3, 2.5, 2.6, 2.7, 2.9]})
        >>> overfits(history)
        True
    """
    missing = {"loss", "val_loss"} - set(history.columns)
    if missing:
        raise ValueError(
            f"history needs the columns loss and val_loss; missing: {sorted(missing)}. "
            "Train with validation data."
        )
    patience = checks.integer("patience", patience)
    measured = history.dropna(subset=["val_loss"])
    if measured.empty:
        return False
    best = int(np.argmin(measured["val_loss"]))
    since = len(measured) - 1 - best
    falls = measured["loss"].iloc[-1] < measured["loss"].iloc[best]
    return bool(since >= patience and falls)
