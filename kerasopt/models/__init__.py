"""Factories of uncompiled Keras models.

Each factory is a function in a module of its own, registered under its name,
and returns a new functional `keras.Model`. Add one with `register`, in this
package or in user code; recipes then find it by name.
"""

from kerasopt.models.cnn import cnn
from kerasopt.models.inherit import inherit_weights, weights_by_path
from kerasopt.models.mlp import mlp
from kerasopt.models.registry import defaults, get, names, register
from kerasopt.models.speed import speed
from kerasopt.models.stages import stages

__all__ = [
    "cnn",
    "defaults",
    "get",
    "inherit_weights",
    "mlp",
    "names",
    "register",
    "speed",
    "stages",
    "weights_by_path",
]
