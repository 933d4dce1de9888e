"""Networks that several notebooks share: residual encoders and projection heads; and the optimizer LARS."""

import hashlib

import keras
import numpy as np
from keras import layers, ops

STEMS = {"imagenet": (7, 2), "strided": (3, 2), "cifar": (3, 1)}  # kernel size and stride


def resnet(blocks=(2, 2, 2, 2), width=64, bottleneck=False, stem="imagenet", zero_last_gamma=True):
    """Return a residual encoder (He et al. 2015, arXiv 1512.03385), without a classifier: images in, features out.

    The outputs of the stages are the layers `stage1`, `stage2`, ... Strided convolutions pad both sides alike, as
    PyTorch's and SimCLR's published networks do, where Keras' "same" pads one side only.

    Args:
        blocks: how many residual blocks each stage has. (2, 2, 2, 2) is ResNet-18, (3, 4, 6, 3) ResNet-34, or
            ResNet-50 with `bottleneck`.
        width: channels of the first stage; each further stage doubles them and halves height and width.
        bottleneck: True for blocks of three convolutions, whose output has four times as many channels.
        stem: what stands before the first stage. "imagenet", a 7 x 7 convolution of stride 2 and pooling of stride 2;
            "strided", for about 64 pixels, a 3 x 3 one of stride 2; "cifar", a 3 x 3 one of stride 1.
        zero_last_gamma: True starts every block as its shortcut (arXiv 1706.02677, section 5.1), which helps long
            trainings and slows the first epochs.

    Returns:
        keras.Model, float `(N, H, W, 3)` -> float `(N, num_features)`.

    Raises:
        ValueError: another `stem`.
    """
    if stem not in STEMS:
        raise ValueError(f"stem must be one of {', '.join(STEMS)}; got {stem!r}.")
    def convolution(x, filters, kernel_size, strides, name):
        if strides > 1 and kernel_size > 1:
            x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_padding")(x)
        return layers.Conv2D(filters, kernel_size, strides, "valid" if strides > 1 else "same", use_bias=False,
                             name=name, kernel_initializer=keras.initializers.VarianceScaling(
                                 2.0, mode="fan_out", distribution="untruncated_normal"))(x)

    def norm(x, name, gamma="ones"):
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, name=name)(x)

    def block(x, filters, strides, name):
        out_filters = 4 * filters if bottleneck else filters
        shortcut = x
        if strides != 1 or x.shape[-1] != out_filters:
            shortcut = norm(convolution(x, out_filters, 1, strides, f"{name}_shortcut"), f"{name}_shortcut_norm")
        plan = [(filters, 1, 1), (filters, 3, strides), (out_filters, 1, 1)] if bottleneck else [
            (filters, 3, strides), (filters, 3, 1)]
        for i, (count, kernel_size, step) in enumerate(plan, 1):
            x = convolution(x, count, kernel_size, step, f"{name}_convolution{i}")
            x = norm(x, f"{name}_norm{i}", "zeros" if zero_last_gamma and i == len(plan) else "ones")
            x = layers.ReLU(name=f"{name}_relu{i}")(x) if i < len(plan) else x
        return layers.ReLU(name=name)(layers.Add(name=f"{name}_sum")([shortcut, x]))

    inputs = keras.Input((None, None, 3))
    x = convolution(inputs, width, *STEMS[stem], "stem_convolution")
    x = layers.ReLU(name="stem")(norm(x, "stem_norm"))
    if stem == "imagenet":
        x = layers.MaxPooling2D(3, 2, "same", name="stem_pooling")(x)
    for stage, num_blocks in enumerate(blocks):
        for i in range(num_blocks):
            name = f"stage{stage + 1}" + (f"_block{i + 1}" if i < num_blocks - 1 else "")
            x = block(x, width * 2 ** stage, 2 if stage and not i else 1, name)
    return keras.Model(inputs, layers.GlobalAveragePooling2D(name="features")(x))


def projection_head(num_features, hidden_features, num_outputs, num_layers=2):
    """Return the head of SimCLR (arXiv 2002.05709) or, with three layers, of SimCLRv2 (arXiv 2006.10029).

    Dense layers without bias, batch norm and ReLU behind each but the last; behind the last batch norm alone. They are
    named `dense1`, `norm1`, `relu1`, `dense2`, ...
    """
    head = keras.Sequential([keras.Input((num_features,))])
    for i in range(1, num_layers + 1):
        head.add(layers.Dense(num_outputs if i == num_layers else hidden_features, use_bias=False, name=f"dense{i}"))
        head.add(layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"norm{i}"))
        if i < num_layers:
            head.add(layers.ReLU(name=f"relu{i}"))
    return head


class LARS(keras.optimizers.Optimizer):
    """Layer-wise adaptive rate scaling (You et al. 2017, arXiv 1708.03888), SGD for large batches, as SimCLR uses it.

    The step of each weight matrix is scaled to a fixed share of its length. Vectors (biases and batch norm) take part
    neither in this nor in the weight decay.
    """

    def __init__(self, learning_rate=0.1, momentum=0.9, weight_decay=1e-6, trust_coefficient=0.001, name="lars",
                 **options):
        """Args: `trust_coefficient`, the share; `weight_decay` is added to the gradient, as in the paper."""
        super().__init__(learning_rate=learning_rate, name=name, **options)
        self.momentum, self.decay, self.trust_coefficient = momentum, weight_decay, trust_coefficient

    def build(self, variables):
        """Make one momentum for each variable."""
        super().build(variables)
        self.velocities = [self.add_variable_from_reference(variable, name="velocity") for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        """Change one variable by its gradient."""
        gradient, rate = ops.cast(gradient, variable.dtype), ops.cast(learning_rate, variable.dtype)
        if len(variable.shape) > 1:
            gradient = gradient + self.decay * variable
            length, steepness = ops.norm(ops.reshape(variable, (-1,))), ops.norm(ops.reshape(gradient, (-1,)))
            usual = ops.logical_and(length > 0, steepness > 0)
            rate = rate * ops.where(usual, self.trust_coefficient * length / ops.where(usual, steepness, 1.0), 1.0)
        velocity = self.velocities[self._get_variable_index(variable)]
        self.assign(velocity, self.momentum * velocity + rate * gradient)
        self.assign_sub(variable, velocity)

    def get_config(self):
        """Return what `from_config` needs."""
        return super().get_config() | {"momentum": self.momentum, "weight_decay": self.decay,
                                       "trust_coefficient": self.trust_coefficient}


def weights_hash(model):
    """Return 16 hexadecimal digits of SHA-256 over weights and moving averages: equal before and after if frozen."""
    digest = hashlib.sha256()
    for variable in model.weights:
        digest.update(np.ascontiguousarray(ops.convert_to_numpy(variable)).tobytes())
    return digest.hexdigest()[:16]
