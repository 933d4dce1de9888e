"""What every Keras training of the series needs beside `fit`: batches, checkpoints, TensorBoard."""

import io
import itertools
import json
import time

import keras
import numpy as np

from helpers import checkpoints, tensorboard
from helpers.data.order import epoch_order


def batches(images, labels, batch_size, seed=None, epoch=0, drop_last=False):
    """Return batches for `fit` and `evaluate`, cut out of arrays that stay uint8.

    With a seed they never end: epoch follows epoch, each in an order of its own, and `fit` needs `steps_per_epoch` to
    know where one ends. Without a seed it is one pass in the given order, for `validation_data`. On the TensorFlow
    backend this is a `tf.data.Dataset`, on the others a `keras.utils.PyDataset`.

    Args:
        images: uint8 `(N, H, W, C)`; labels: int64 `(N,)`.
        batch_size: int.
        seed: int, shuffles; None keeps the order.
        epoch: int, the epoch to begin with; with the seed it decides the order.
        drop_last: True leaves out the last batch of an epoch if it is not full.

    Returns:
        batches of images float32 `(B, H, W, C)` in [0, 1] and labels int64 `(B,)`.
    """
    stop = len(labels) - len(labels) % batch_size if drop_last else len(labels)

    def order(number):
        return np.arange(stop) if seed is None else epoch_order(len(labels), seed, number)[:stop]

    if keras.backend.backend() == "tensorflow":
        return _tensorflow_batches(images, labels, batch_size, order, epoch, stop, seed is not None, drop_last)
    return _Batches(images, labels, batch_size, order, epoch, stop, seed is not None)


def predict(model, images, batch_size=1000):
    """Return the model's outputs for uint8 images `(N, H, W, C)` as a float32 array `(N, K)`, in evaluation mode."""
    outputs = [model(images[start:start + batch_size].astype(np.float32) / 255, training=False)
               for start in range(0, len(images), batch_size)]
    return np.concatenate([keras.ops.convert_to_numpy(output) for output in outputs]).astype(np.float32)


def count_parameters(model, trainable_only=False):
    """Return the number of parameters; the moving averages of batch norm, which no gradient trains, are none."""
    variables = model.trainable_weights if trainable_only else model.weights
    return sum(int(np.prod(variable.shape)) for variable in variables if not variable.name.startswith("moving_"))


class TensorBoard(keras.callbacks.Callback):
    """The curves of one training, and its row in the HParams table; a full disk costs the log, not the run.

    Given to `fit` in front of the `Checkpoint`, it logs every epoch. It needs `tensorboard` alone, where Keras' own
    callback imports TensorFlow.
    """

    def __init__(self, folder, next_epoch=1):
        """Open a log in `folder`; TensorBoard hides what an interrupted run logged there at `next_epoch` and later."""
        super().__init__()
        self.writer = tensorboard.TensorBoard(folder, next_epoch)

    def log(self, epoch, metrics):
        """Log the numbers of one epoch; `metrics` is a dict, name -> number."""
        self.writer.log(epoch, metrics)

    def close(self, options, results):
        """Enter `options` (name -> number, str or bool) and `results` (name -> number) into the table, and close."""
        self.writer.close(options, results)

    def on_epoch_end(self, epoch, logs=None):
        """Log what `fit` measured in this epoch."""
        self.log(epoch + 1, _spelled_out(logs))


class Checkpoint(keras.callbacks.Callback):
    """Saves a training after every epoch and resumes it exactly; the last two epochs are kept.

    A file holds the variables of everything passed in (weights, the states of seed generators, and of a compiled model
    its optimizer's), the history, the settings and the state of Python's and numpy's random generators, so that a run
    killed at any moment ends with the same weights as one that was not. Keras' own `BackupAndRestore` forgets the
    seed generators. On a GPU TensorFlow is exact only with `TF_DETERMINISTIC_OPS=1` in the environment, which costs
    speed. A file is written whole or not at all, and is read without unpickling. Beside it lies the history as CSV.

    Random numbers in a training must come from a `keras.random.SeedGenerator` that a layer or model holds, as Keras'
    own layers do: the state of the global one cannot be had.
    """

    def __init__(self, folder, settings, best=None, **parts):
        """Prepare to save `parts` below `folder`.

        Args:
            folder: path, one for each training.
            settings: JSON-able dict of all that decides the outcome: settings, seed, data, `provenance.source_hash` of
                the code. A run with other settings starts afresh; the older files stay.
            best: name of a number in the history; the epoch where it is best (lowest if the name ends in `loss`,
                highest otherwise) is kept too, for `load_best`.
            parts: built models or layers, by name; compile a model first, so that its optimizer is saved too.

        Raises:
            ValueError: a part is not built.
        """
        super().__init__()
        unbuilt = [name for name, part in parts.items() if not part.built]
        if unbuilt:
            raise ValueError(f"{', '.join(unbuilt)} has no weights yet: build it first, by keras.Input(shape) as its "
                             "first layer or by calling it on a batch.")
        self.files = checkpoints.CheckpointFolder(folder, settings, ".npz", _encode, _decode, best)
        self.parts, self.history, self.random_state = parts, [], None

    def resume(self):
        """Load the newest whole checkpoint of these settings and return its history; [] if the run starts afresh.

        The history is a list of dicts, one an epoch that is done; `fit` with this callback goes on writing into it.
        Says what it found; a torn file is passed over with a warning.
        """
        state = self.files.newest()
        if state is not None:
            self._load(state)
            _set_random_state(state["random"])
            self.history, self.random_state = state["history"], state["random"]
        return self.history

    def save(self, history):
        """Save after an epoch; `history` (list of dicts of numbers, one an epoch) decides the file's number.

        A full disk costs this checkpoint, not the run: it is reported as a warning and the older ones stay.
        """
        for part in self.parts.values():
            if hasattr(part, "jax_state_sync"):  # while JAX trains, the variables are elsewhere
                part.jax_state_sync()
        arrays = {name: variable.numpy() for name, variable in self._variables()}
        self.files.save(history, {"arrays": arrays, "random": _random_state()})

    def load_best(self):
        """Put all parts back to where they were after the best epoch; return that epoch's dict of the history."""
        state = self.files.best_state()
        self._load(state)
        return state["history"][-1]

    def on_epoch_begin(self, epoch, logs=None):
        """Note the time."""
        self.started = time.perf_counter()

    def on_train_batch_begin(self, batch, logs=None):
        """Before the first step after a resume, undo what `fit` drew while it made itself ready."""
        if self.random_state is not None:
            _set_random_state(self.random_state)
            self.random_state = None

    def on_epoch_end(self, epoch, logs=None):
        """Add what `fit` measured in this epoch, and the seconds it took, to the history, and save."""
        seconds = time.perf_counter() - self.started
        self.history.append({"epoch": epoch + 1, **_spelled_out(logs), "seconds": seconds})
        self.save(self.history)

    def _variables(self):
        for name, part in self.parts.items():
            optimizer = getattr(part, "optimizer", None)
            if optimizer is not None and not optimizer.built:
                optimizer.build(part.trainable_variables)
            for index, variable in enumerate([*part.variables, *(optimizer.variables if optimizer else [])]):
                yield f"{name}/{index}", variable

    def _load(self, state):
        variables = dict(self._variables())
        if variables.keys() != state["arrays"].keys():
            raise ValueError(f"The checkpoint holds {len(state['arrays'])} variables, {', '.join(self.parts)} "
                             f"{len(variables)}: it is of another model. Put what changed into `settings`.")
        for name, variable in variables.items():
            variable.assign(state["arrays"][name])


class _Batches(keras.utils.PyDataset):
    """Item i is batch i, counted on through the epochs: all that `fit` on the JAX and torch backends asks for."""

    def __init__(self, images, labels, batch_size, order, epoch, stop, endless):
        super().__init__()
        self.images, self.labels, self.batch_size, self.order = images, labels, batch_size, order
        self.epoch, self.steps_per_epoch, self.endless = epoch, -(-stop // batch_size), endless
        self.current = epoch, order(epoch)

    @property
    def num_batches(self):
        return None if self.endless else self.steps_per_epoch

    def __getitem__(self, index):
        passed, step = divmod(index, self.steps_per_epoch)
        if self.current[0] != self.epoch + passed:
            self.current = self.epoch + passed, self.order(self.epoch + passed)
        chosen = self.current[1][step * self.batch_size:(step + 1) * self.batch_size]
        return self.images[chosen].astype(np.float32) / 255, self.labels[chosen]


def _tensorflow_batches(images, labels, batch_size, order, epoch, stop, endless, drop_last):
    import tensorflow as tf

    with tf.device("CPU"):  # batches are cut there: uint8 arrays of a large set do not fill the GPU's memory
        images, labels = tf.constant(images), tf.constant(labels)

    @tf.autograph.experimental.do_not_convert
    def cut(chosen):
        return tf.data.Dataset.from_tensor_slices(chosen).batch(batch_size, drop_last)

    @tf.autograph.experimental.do_not_convert
    def pick(chosen):
        return tf.cast(tf.gather(images, chosen), tf.float32) / 255, tf.gather(labels, chosen)

    if endless:
        signature = tf.TensorSpec([stop], tf.int64)
        indices = tf.data.Dataset.from_generator(lambda: map(order, itertools.count(epoch)), output_signature=signature)
        indices = indices.flat_map(cut)
    else:
        indices = cut(order(epoch))
    return indices.map(pick, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _spelled_out(logs):
    """Return the logs of `fit` by the names of the series: `loss` as `train_loss`, `val_loss` as `validation_loss`."""
    return {f"validation_{name[4:]}" if name.startswith("val_") else f"train_{name}": float(value)
            for name, value in (logs or {}).items()}


def _random_state():
    if keras.backend.backend() != "torch":
        return checkpoints.random_state()
    import torch  # there dropout draws from torch's own generators

    states = [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]
    return {**checkpoints.random_state(), "torch": [state.tolist() for state in states]}


def _set_random_state(state):
    checkpoints.set_random_state(state)
    if "torch" in state:
        import torch

        states = [torch.tensor(each, dtype=torch.uint8) for each in state["torch"]]
        torch.set_rng_state(states[0])
        if torch.cuda.is_available() and len(states) == 1 + torch.cuda.device_count():
            torch.cuda.set_rng_state_all(states[1:])


def _encode(state):
    rest = json.dumps({name: value for name, value in state.items() if name != "arrays"})
    buffer = io.BytesIO()
    np.savez(buffer, json=rest, **state["arrays"])
    return buffer.getbuffer()


def _decode(path):
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files if name != "json"}
        return {**json.loads(str(file["json"])), "arrays": arrays}
