"""A convolution whose bias learns in bfloat16, too."""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["Conv2D"]


@keras.saving.register_keras_serializable(package="kerasopt")
class Conv2D(keras.layers.Conv2D):
    """Keras's convolution, with a bias whose gradient is right in bfloat16.

    Arguments, weights and outputs are those of `keras.layers.Conv2D`. The gradient of
    its bias is the sum of the output's gradient over all places of all images.
    Keras adds the bias by TensorFlow's ``BiasAdd``, whose gradient on CPUs takes that
    sum in bfloat16's 8 bits: over 500 maps of 31×31 it is off by half its length
    (docs/fast-cifar10.md). Here it is a plain addition, summed in float32.

    Args:
        filters: Number of output channels.
        kernel_size: Height and width of the kernel; one integer means a square.
        strides: Step of the kernel, in places.
        padding: ``"valid"`` or ``"same"``.
        data_format: As in Keras; ``"channels_first"`` is left to Keras altogether.
        dilation_rate: Distance between the kernel's places.
        groups: Groups of channels that are convolved apart.
        activation: As in Keras; so are all arguments below.
        use_bias: Whether there is a bias.
        kernel_initializer: Starts the kernel.
        bias_initializer: Starts the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the outputs.
        kernel_constraint: Constraint on the kernel.
        bias_constraint: Constraint on the bias.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> Conv2D(4, 3)(keras.ops.ones((1, 8, 8, 3))).shape
        TensorShape([1, 6, 6, 4])
    """

    def call(self, inputs: Any) -> Any:
        """Return the activated convolution."""
        if not self.use_bias or self.data_format == "channels_first":
            return super().call(inputs)
        outputs = self.convolution_op(inputs, self.kernel)
        # `keras.ops.add` would see that it is a bias and make a BiasAdd of it.
        outputs = outputs + keras.ops.convert_to_tensor(self.bias)
        return outputs if self.activation is None else self.activation(outputs)
