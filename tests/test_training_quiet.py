"""kerasopt.training.quiet: one warning is left out, the others aren't."""

import logging

import tensorflow as tf

from kerasopt.training import quiet


class Keep(logging.Handler):
    """Remembers what it is given."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def trace_often(function):
    """Do what TensorFlow warns of, twice for each place in a program."""
    traced = tf.function(function)
    for number in range(10):
        traced(number)


def test_only_the_warning_of_retracing_is_left_out():
    logger, keep = tf.get_logger(), Keep()
    logger.addHandler(keep)
    try:
        with quiet.tracing():
            trace_often(lambda number: tf.constant(3 * number))
            logger.warning("Something else")
        assert keep.messages == ["Something else"]
        trace_often(lambda number: tf.constant(2 * number))
        assert any("triggered tf.function" in message for message in keep.messages)
    finally:
        logger.removeHandler(keep)
