"""Factories of uncompiled Keras models.

Each factory is a function in a module of its own, registered under its name,
and returns a new functional `keras.Model`. Add one with `register`, in this
package or in user code; recipes then find it by name. They are made of `blocks`, which
other models can use, too; a `Style` is what the layers of a model share.
`inherit_weights` starts a network from another one, `adapt_batch_norm` fits a trained
one to another domain. `transfer` puts a new head on a pretrained network; `unfreeze`
lets its last layers train.
"""

from typing import Any

from kerasopt.models import blocks
from kerasopt.models.airbench import airbench
from kerasopt.models.batch_norm import adapt_batch_norm
from kerasopt.models.chapter_cnn import chapter_cnn
from kerasopt.models.cnn import cnn
from kerasopt.models.convmixer import convmixer
from kerasopt.models.cost import (
    flops,
    latency_milliseconds,
    parameters,
    training_flops,
)
from kerasopt.models.efficientnet_lite0 import (
    WeightsUnavailableError,
    efficientnet_lite0,
)
from kerasopt.models.inherit import inherit_weights, weights_by_path
from kerasopt.models.mlp import mlp
from kerasopt.models.mobilenet import mobilenet
from kerasopt.models.registry import defaults, get, names, register
from kerasopt.models.resnet import resnet
from kerasopt.models.stages import stages
from kerasopt.models.style import Style
from kerasopt.models.summary import Summary, summary
from kerasopt.models.transfer import transfer
from kerasopt.models.unfreezing import unfreeze
from kerasopt.models.vit import vit
from kerasopt.models.wide_resnet import wide_resnet
from kerasopt.names import warn_renamed

__all__ = [
    "Style",
    "Summary",
    "WeightsUnavailableError",
    "adapt_batch_norm",
    "airbench",
    "blocks",
    "chapter_cnn",
    "cnn",
    "convmixer",
    "defaults",
    "efficientnet_lite0",
    "flops",
    "get",
    "inherit_weights",
    "latency_milliseconds",
    "mlp",
    "mobilenet",
    "names",
    "parameters",
    "register",
    "resnet",
    "stages",
    "summary",
    "training_flops",
    "transfer",
    "unfreeze",
    "vit",
    "weights_by_path",
    "wide_resnet",
]


def __getattr__(name: str) -> Any:
    if name == "speed":
        warn_renamed("models.speed", "models.airbench", stacklevel=2)
        return airbench
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
