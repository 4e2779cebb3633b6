"""Which steps XLA compiles, found out from timed calls of a made-up machine."""

import numpy as np
import pytest

from kerasopt.training.calibration import TIMED_SECONDS, JitChoice

COMPILATION, CALL = 0.5, 0.001
SECONDS_A_CALL = 1.0


def train(seconds, steps_an_epoch=1_000, epochs=50, candidates=("loop", "step")):
    """Return the choice, and the steps taken before it was made.

    Args:
        seconds: Of a step, by candidate; None where XLA can't compile it.
    """
    choice = JitChoice("auto", candidates=candidates)
    known, taken, compiled = None, 0, set()
    total = steps_an_epoch * epochs
    while taken < total and not choice.settled:
        if seconds[choice.now] is None:
            choice.failed()
            continue
        left = steps_an_epoch - taken % steps_an_epoch
        wanted = 16 if known is None else int(SECONDS_A_CALL / known)
        steps = max(1, min(wanted, choice.most_steps(4096), left))
        took = CALL + steps * seconds[choice.now]
        took += 0 if choice.now in compiled else COMPILATION
        compiled.add(choice.now)
        known, taken = took / steps, taken + steps
        choice.took(steps, took, remaining_steps=total - taken)
    return choice, taken


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({"none": 2e-4, "loop": 7e-5, "step": 2e-4}, "loop"),
        ({"none": 7e-3, "loop": 1.6e-3, "step": 1.2e-3}, "step"),
        ({"none": 2e-4, "loop": 1.95e-4, "step": 4e-4}, "none"),
        ({"none": 2e-4, "loop": None, "step": 1e-4}, "step"),
        ({"none": 2e-4, "loop": None, "step": None}, "none"),
    ],
)
@pytest.mark.parametrize("steps_an_epoch", [30, 1_000])
def test_the_fastest_is_found_in_spite_of_what_a_call_costs(
    seconds, expected, steps_an_epoch
):
    epochs = 300_000 // steps_an_epoch
    choice, taken = train(seconds, steps_an_epoch, epochs)
    assert (choice.now, choice.settled) == (expected, True)
    timed = sum(TIMED_SECONDS / value for value in choice.seconds.values())
    assert taken < 2 * timed


def test_a_timing_is_that_of_the_steps():
    choice, _ = train({"none": 2e-4, "loop": 7e-5, "step": 2e-4})
    for name, expected in {"none": 2e-4, "loop": 7e-5}.items():
        np.testing.assert_allclose(choice.seconds[name], expected, rtol=0.1)


def test_a_short_training_compiles_nothing():
    choice, _ = train({"none": 2e-4, "loop": 7e-5}, steps_an_epoch=1_000, epochs=3)
    assert set(choice.seconds) <= {"none"}
    assert choice.now == "none"


def test_what_is_given_is_not_tried():
    choice = JitChoice("step")
    assert (choice.now, choice.settled, choice.most_steps(500)) == ("step", True, 500)
