"""Stand-ins for SimCLRv2's published SavedModels: smaller, of the same format, call, outputs and rule of names.

Plain TensorFlow, written from google-research/simclr (`tf2/resnet.py`, `tf2/model.py`, `tf2/run.py`) and without
`helpers.keras`, so that agreement with `networks.resnet` says something. The names at full size are held against a list
with its sources, `fixtures/simclrv2_r50_1x_sk0.txt`. Notebook 08 runs this file where the published ones cannot be had.
"""


def published_units(blocks, width):
    """Return of each convolution: where it stands, kernel size, channels in and out; in the authors' order."""
    units, channels, block = [("resnet", 7, 3, width)], width, 0
    for stage, count in enumerate(blocks):
        filters = width * 2 ** stage
        for i in range(count):
            place = f"resnet/block_group{stage + 1}/bottleneck_block" + (f"_{block}" if block else "")
            units += [(place, 1, channels, 4 * filters)] if i == 0 else []  # the shortcut
            units += [(place, 1, channels, filters), (place, 3, filters, filters), (place, 1, filters, 4 * filters)]
            channels, block = 4 * filters, block + 1
    return units


def published_shapes(blocks, width, num_classes=1000):
    """Return name -> shape of the variables of a SimCLRv2 SavedModel without selective kernels, in their order."""
    statistics, shapes, units = ("gamma", "beta", "moving_mean", "moving_variance"), {}, published_units(blocks, width)
    for number, (place, size, channels, features) in enumerate(units):
        end = f"_{number}" if number else ""
        shapes[f"{place}/conv2d_fixed_padding{end}/conv2d{end}/kernel"] = (size, size, channels, features)
        for name in statistics:
            shapes[f"{place}/batch_norm_relu{end}/sync_batch_normalization{end}/{name}"] = (features,)
    for layer, outputs in enumerate((features, features, 2 * width)):  # the projection head
        end, number = f"_{layer}" if layer else "", len(units) + layer
        shapes[f"projection_head/nl_{layer}/dense{end}/kernel"] = (features, outputs)
        for name in statistics:
            if (layer, name) != (2, "beta"):
                place = f"projection_head/nl_{layer}/batch_norm_relu_{number}/sync_batch_normalization_{number}"
                shapes[f"{place}/{name}"] = (outputs,)
    return shapes | {"head_supervised/linear_layer/dense_3/kernel": (features, num_classes),
                     "head_supervised/linear_layer/dense_3/bias": (num_classes,)}


def export(folder, blocks, arrays):
    """Write a SavedModel as the authors' exporter does; `arrays` is name -> array, in the order of the names above."""
    import tensorflow as tf

    class StandIn(tf.Module):
        def __init__(self):
            super().__init__()
            self.model = [tf.Variable(value, name=name) for name, value in arrays.items()]
            self.trainable_variables_list = []  # empty in the published files too

        @tf.function(autograph=False)
        def __call__(self, inputs, trainable):
            rest, outputs = iter(self.model), {}

            def unit(x, stride=1):  # convolution and batch norm
                kernel, gamma, beta, mean, variance = (next(rest) for _ in range(5))
                margin = [kernel.shape[0] // 2 if stride > 1 else 0] * 2
                x = tf.pad(x, [[0, 0], margin, margin, [0, 0]])
                x = tf.nn.conv2d(x, kernel, stride, "VALID" if stride > 1 else "SAME")
                outputs.setdefault("initial_conv", x)
                if trainable:  # batch norm in training mode, with the batch's own statistics
                    mean, variance = tf.nn.moments(x, [0, 1, 2])
                return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-5)

            x = outputs["initial_max_pool"] = tf.nn.max_pool2d(tf.nn.relu(unit(inputs, 2)), 3, 2, "SAME")
            for stage, count in enumerate(blocks):
                for i in range(count):
                    stride = 2 if stage and not i else 1
                    shortcut = x if i else unit(x, stride)
                    x = tf.nn.relu(shortcut + unit(tf.nn.relu(unit(tf.nn.relu(unit(x)), stride))))
                outputs[f"block_group{stage + 1}"] = x
            outputs["final_avg_pool"] = tf.reduce_mean(x, [1, 2])
            *_, kernel, bias = rest  # after the projection head, which is not among the outputs
            return outputs | {"logits_sup": outputs["final_avg_pool"] @ kernel + bias}

    module, images = StandIn(), tf.TensorSpec([None, None, None, 3], tf.float32)
    for trainable in (True, False):
        module.__call__.get_concrete_function(images, trainable=trainable)
    tf.saved_model.save(module, str(folder))
