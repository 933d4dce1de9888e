"""The published SimCLRv2 networks: fetch them, and put their weights into `networks.resnet` by name.

Addresses, names and the call `loaded(images, trainable=False)` are those of google-research/simclr (`tf2/README.md`,
`tf2/run.py`, `tf2/resnet.py`, `tf2/model.py`; the TF1 twins for the checkpoints) and, for the converted weights, of
Separius/SimCLRv2-Pytorch. Only reading a SavedModel or a TF1 checkpoint needs TensorFlow; the networks do not.
"""

import collections
import re
import subprocess
import sys
import urllib.request

import numpy as np

from helpers import runtime
from helpers.data import catalogue, download

STORAGE = "storage.googleapis.com"
SAVED_MODELS = "simclr-checkpoints-tf2/simclrv2/{kind}/{model}/saved_model/"
CHECKPOINTS = f"https://{STORAGE}/simclr-checkpoints/simclrv2/{{kind}}/{{model}}/"
CONVERTED = "https://huggingface.co/lightly-ai/simclrv2-imagenet1k-{model}/resolve/main/{model}.pth"
STEPS = {"pretrained": 250228, "supervised": 28151}  # in the names of the TF1 checkpoints
FILES = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")
NO_WEIGHTS = re.compile(r"^ema_model/|(^|/)(global_step|Momentum)$")  # a second copy; the training's own
TO_NUMPY = ("import sys, numpy, torch\nparts = torch.load(sys.argv[1], map_location='cpu', weights_only=True)\n"
            "numpy.savez(sys.argv[2], **{f'{part}/{name}': value.numpy() for part in ('resnet', 'head')"
            " for name, value in parts[part].items() if 'num_batches' not in name})")


# `variables`, name -> array; `loaded`, the SavedModel's function, or None; `source`, where it came from.
Published = collections.namedtuple("Published", "variables loaded source")


def load(kind, model="r50_1x_sk0", folder=None):
    """Return a published network, from this machine or else from the first place that gives it.

    Tried in this order: the SavedModel below `weights/simclrv2/` of the data folder, whose files are fetched over https
    if they are not there, or else from `gs://`; the TF1 checkpoint; weights that others converted (`pretrained` alone).

    Args:
        kind: "pretrained" (without any label) or "supervised".
        model: depth, width and selective kernels; `networks.resnet` fits those that end in `sk0`.
        folder: path of a SavedModel to read instead.

    Returns:
        `Published`. Only a SavedModel has a `loaded`: float images `(N, H, W, 3)` in [0, 1], not normalised, and
        `trainable=False` give a dict with `final_avg_pool` `(N, 2048)` and `logits_sup` `(N, 1000)`.

    Raises:
        DataUnavailable: says what each place answered, and which files to put where.
    """
    if folder:
        return _read_saved_model(folder, f"the SavedModel in {folder}")
    root, failures = runtime.data_dir() / "weights" / "simclrv2" / kind / model, []
    for way in (_saved_model, _checkpoint, _converted):
        try:
            return way(root, kind, model)
        except Exception as error:  # whatever a host, TensorFlow or torch may raise: all of it is told
            failures.append(f"  {way.__name__.strip('_')}: {error!r} {error.__context__ or ''}\n")
            runtime.say(f"SimCLRv2's {kind}/{model} cannot be had as {failures[-1].strip()}")
    raise download.DataUnavailable(
        f"SimCLRv2's {kind}/{model} is not on this machine and could not be fetched:\n{''.join(failures)}Put the files "
        f"{', '.join(FILES)} of gs://{SAVED_MODELS.format(kind=kind, model=model)} into {root / 'saved_model'}, or run "
        "the profile 'smoke', which needs none.")


def import_weights(variables, encoder, head=None, logits=None):
    """Put published weights into networks, by name; every variable on either side must have its partner.

    Args:
        variables: name -> array, with the names of the SavedModels (`resnet/...`) or of the TF1 checkpoints
            (`base_model/...`); the moving average `ema_model/` and the optimizer's state are skipped.
        encoder: `networks.resnet` with bottlenecks and the stem "imagenet"; head: `networks.projection_head`, or None;
            logits: a built Dense layer for ImageNet's 1,000 classes, or None.

    Returns:
        dict, published name -> path of our variable.

    Raises:
        ValueError: a variable is missing, left over or of another shape; names up to five of each. Nothing is changed.
    """
    ours = variables_by_key(encoder, head, logits)
    names = [name for name in variables if not NO_WEIGHTS.search(name)]
    given = {key(name): name for name in names}
    faults = {"missing": ours.keys() - given.keys(), "left over": given.keys() - ours.keys(),
              "there twice": {key(name) for name in names if given[key(name)] != name},
              "of another shape": {place for place in ours.keys() & given.keys()
                                   if tuple(ours[place].shape) != np.shape(variables[given[place]])}}
    if any(faults.values()):
        raise ValueError("These are not the weights of this network. " + " ".join(
            f"{len(places)} {fault}: {', '.join(sorted(places)[:5])}." for fault, places in faults.items() if places))
    for place, variable in ours.items():
        variable.assign(variables[given[place]])
    if head is not None:
        head.layers[-1].beta.assign(0 * head.layers[-1].beta)  # the published one has none
    return {given[place]: variable.path for place, variable in ours.items()}


def variables_by_key(encoder, head=None, logits=None):
    """Return `key` -> Keras variable for all that is published of these networks; arguments as in `import_weights`."""
    names, layers = [layer.name for layer in encoder.layers], {}
    blocks = [name.removesuffix("_sum") for name in names if name.endswith("_sum")]
    parts = ("shortcut", "convolution1", "convolution2", "convolution3")  # in the order in which the authors make them
    convolutions = [name for block in blocks for part in parts if (name := f"{block}_{part}") in names]
    for number, name in enumerate(["stem_convolution", *convolutions]):
        end = f"_{number}" if number else ""
        norm = f"{name}_norm" if name.endswith("shortcut") else name.replace("convolution", "norm")
        layers |= {f"conv2d{end}": encoder.get_layer(name), f"batch_normalization{end}": encoder.get_layer(norm)}
    for number in range(3 if head is not None else 0):
        layers[f"nl_{number}/dense"] = head.get_layer(f"dense{number + 1}")
        layers[f"nl_{number}/batch_normalization"] = head.get_layer(f"norm{number + 1}")
    layers |= {"head_supervised/dense": logits} if logits is not None else {}
    found = {f"{place}/{variable.name}": variable for place, layer in layers.items() for variable in layer.weights}
    found.pop("nl_2/batch_normalization/beta", None)  # the last layer's has none
    return found


def key(name):
    """Return what the SavedModel's and the TF1 checkpoint's name of a variable have in common: `conv2d_7/kernel`."""
    found = re.fullmatch(r"(resnet|base_model|head_supervised|\w+/nl_\d+)/(?:.+/)?(?:sync_)?(\w+?)(_\d+)?/(\w+)", name)
    part, layer, number, parameter = found.groups() if found else [""] * 4
    if part in ("resnet", "base_model"):  # all layers are counted through, in the order of the code
        return f"{layer}{number or ''}/{parameter}"
    return f"{part.rpartition('/')[2]}/{layer}/{parameter}" if found else name


def _saved_model(root, kind, model):
    import tensorflow  # noqa: F401  first of all: without it there is no use in the download

    place, folder = SAVED_MODELS.format(kind=kind, model=model), root / "saved_model"
    try:
        for file in FILES:
            _fetch(f"https://{STORAGE}/{place}{file}", folder / file)
    except (OSError, RuntimeError):
        download.check_answers(STORAGE)  # TensorFlow would wait for minutes
        folder = f"gs://{place}"
    return _read_saved_model(folder, f"gs://{place}")


def _read_saved_model(folder, source):
    import tensorflow as tf
    import tensorflow_hub as hub

    tf.config.experimental.enable_tensor_float_32_execution(False)  # newer GPUs would compare 10 bits
    loaded = hub.load(str(folder))
    variables = {item.name.removesuffix(":0"): item.numpy() for item in tf.train.TrackableView(loaded).descendants()
                 if isinstance(item, tf.Variable)}
    return Published(variables, loaded, source)


def _checkpoint(root, kind, model):
    import tensorflow as tf

    address, file = CHECKPOINTS.format(kind=kind, model=model), f"model.ckpt-{STEPS[kind]}"
    for ending in (".index", ".data-00000-of-00001"):
        _fetch(f"{address}{file}{ending}", root / f"{file}{ending}")
    reader = tf.train.load_checkpoint(str(root / file))
    return Published({name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()
                      if not NO_WEIGHTS.search(name)}, None, address + file)


def _converted(root, kind, model):
    if kind != "pretrained":
        raise OSError(f"nobody has published converted weights of {kind!r}")
    address, file = CONVERTED.format(model=model), root / f"{model}.pth"
    _fetch(address, file)
    arrays = file.with_suffix(".npz")  # by torch in a process of its own; `weights_only` runs no code from the file
    subprocess.run([sys.executable, "-c", TO_NUMPY, str(file), str(arrays)], check=True)
    with np.load(arrays) as content:
        return Published(_names_of_converted(content), None, address)


def _names_of_converted(arrays):
    """Return the TF1 checkpoint's names; the converted layers stand in the order in which it counts them."""
    statistics = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    counts, found = collections.Counter(), {}
    for name, array in arrays.items():
        part, *_, layer, parameter = name.replace("/", ".").split(".")
        operation = {4: "conv2d", 2: "dense"}.get(array.ndim, "batch_normalization")
        number = counts[part, operation, parameter]
        counts[part, operation, parameter] += layer != "fc"
        place = f"base_model/{operation}_{number}" if part == "resnet" else f"head_contrastive/nl_{number}/{operation}"
        place = "head_supervised/linear_layer/dense" if layer == "fc" else place.removesuffix("_0")
        inner = "kernel" if array.ndim > 1 else parameter if layer == "fc" else statistics[parameter]
        if array.any() or not place.startswith("head_contrastive") or inner != "beta":  # the last one's is made up: 0
            found[f"{place}/{inner}"] = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
    return found


def _fetch(address, target):
    """Download a file that is not there yet, and see that it has the size that the host states."""
    if target.is_file():
        return
    with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=30) as answer:
        size = int(answer.headers.get("Content-Length") or 0)
    download.fetch(target.parent, catalogue.DataSet(
        "SimCLRv2", (), {}, "Apache-2.0", address, mirrors=(address,), archives={target.name: None}))
    if size not in (0, target.stat().st_size):
        target.unlink()
        raise OSError(f"{address} broke off before its {size} bytes; run this again")
