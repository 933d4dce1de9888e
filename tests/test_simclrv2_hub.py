"""SimCLRv2's published files: names from a list with its sources, a stand-in of them, loading, importing, comparing."""

import io
import types
from pathlib import Path

import definitions
import keras
import numpy as np
import pytest
import standin_simclrv2
from keras import ops

from helpers import data, runtime
from helpers.keras import networks, simclrv2

notebook = definitions.load("08_simclrv2_hub_flowers_keras")
LISTING = Path(__file__).parent / "fixtures" / "simclrv2_r50_1x_sk0.txt"
TABLE = [line.split() for line in LISTING.read_text("utf-8").splitlines() if not line.startswith("#")]
RESNET50, SMALL = (3, 4, 6, 3), (1, 2)


def arrays_of(blocks, width):
    """Return published name -> random array; batch norm's statistics are such that 53 layers neither fade nor grow."""
    random, arrays = np.random.default_rng(0), {}
    for name, shape in standin_simclrv2.published_shapes(blocks, width, num_classes=11).items():
        if name.endswith("kernel"):
            array = random.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        else:
            array = random.normal(0, 0.1, shape) + (0.7 if name.endswith(("gamma", "variance")) else 0)
        arrays[name] = array.astype(np.float32)
    return arrays


def our_networks(blocks, width):
    encoder = networks.resnet(blocks, width, bottleneck=True, stem="imagenet", zero_last_gamma=False)
    num_features, logits = encoder.output.shape[1], keras.layers.Dense(11)
    logits.build(encoder.output.shape)
    return encoder, networks.projection_head(num_features, num_features, 2 * width, num_layers=3), logits


def tf1_names(arrays):
    """Return the arrays under the names of a TF1 checkpoint, with its second copy and the optimizer's state."""
    partners = {tf2: tf1 for tf1, tf2, _ in TABLE}
    found = {partners[name]: array for name, array in arrays.items()}
    return found | {f"ema_model/{name}": -array for name, array in found.items()} | {
        f"{name}/Momentum": array for name, array in found.items()} | {"global_step": np.int64(7)}


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory):
    """Return blocks -> (arrays, the stand-in loaded again)."""
    pytest.importorskip("tensorflow")
    found = {}
    for blocks in (RESNET50, SMALL):
        folder, arrays = tmp_path_factory.mktemp("stand-in"), arrays_of(blocks, 4)
        standin_simclrv2.export(folder, blocks, arrays)
        found[blocks] = arrays, simclrv2.load("pretrained", folder=folder)
    return found


def test_the_names_and_shapes_are_those_of_the_list():
    shapes = standin_simclrv2.published_shapes(RESNET50, 64)
    assert [(tf2, tuple(map(int, shape.split(",")))) for _, tf2, shape in TABLE] == [*shapes.items()]


def test_both_kinds_of_names_have_one_key_and_no_two_variables_share_it():
    assert all(simclrv2.key(tf1) == simclrv2.key(tf2) for tf1, tf2, _ in TABLE)
    assert len({simclrv2.key(tf1) for tf1, _, _ in TABLE}) == len(TABLE) == 281


@pytest.mark.parametrize("blocks", [RESNET50, SMALL])
def test_loader_import_and_comparison(blocks, stand_ins):
    arrays, published = stand_ins[blocks]
    assert {name: array.shape for name, array in published.variables.items()} == {
        name: array.shape for name, array in arrays.items()}
    encoder, head, logits = our_networks(blocks, 4)
    partners = simclrv2.import_weights(published.variables, encoder, head, logits)
    assert {*partners} == {*arrays}
    assert len({*partners.values()}) == len(partners)
    images = np.random.default_rng(1).random((3, 71, 64, 3), np.float32)  # an odd height: the padding must agree
    theirs = published.loaded(images, trainable=False)
    features = encoder(images, training=False)
    for expected, found in ((theirs["final_avg_pool"], features), (theirs["logits_sup"], logits(features))):
        expected, found = expected.numpy(), ops.convert_to_numpy(found)
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert {"initial_conv", "initial_max_pool", "block_group1", "block_group2"} < {*theirs}


def test_the_first_head_layer_gets_its_weights_and_the_last_norm_no_beta(stand_ins):
    arrays, published = stand_ins[SMALL]
    encoder, head, logits = our_networks(SMALL, 4)
    head.get_layer("norm3").beta.assign(np.ones(8))
    simclrv2.import_weights(published.variables, encoder, head, logits)
    expected = arrays["projection_head/nl_0/dense/kernel"]
    np.testing.assert_array_equal(ops.convert_to_numpy(head.get_layer("dense1").kernel), expected)
    assert not ops.convert_to_numpy(head.get_layer("norm3").beta).any()


def test_a_tf1_checkpoint_gives_the_same_network(tmp_path, monkeypatch):
    tf = pytest.importorskip("tensorflow")
    arrays = arrays_of(RESNET50, 4)
    root = tmp_path / "weights" / "simclrv2" / "supervised" / "r50_1x_sk0"
    root.mkdir(parents=True)
    variables = {name: tf.Variable(array) for name, array in tf1_names(arrays).items()}
    tf.compat.v1.train.Saver(variables).save(None, str(root / "model.ckpt-28151"), write_meta_graph=False)
    monkeypatch.setenv("NB_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(simclrv2, "_saved_model", unreachable)
    published = simclrv2.load("supervised")
    assert published.loaded is None and "model.ckpt-28151" in published.source
    parts, again = our_networks(RESNET50, 4), our_networks(RESNET50, 4)
    simclrv2.import_weights(published.variables, *parts)
    simclrv2.import_weights(arrays, *again)
    assert [networks.weights_hash(part) for part in parts[:2]] == [networks.weights_hash(part) for part in again[:2]]


def unreachable(*arguments, **options):
    raise OSError("no network here")


def test_a_saved_model_on_this_machine_needs_no_network(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    arrays, root = arrays_of(SMALL, 4), tmp_path / "weights" / "simclrv2" / "pretrained" / "r50_1x_sk0"
    standin_simclrv2.export(root / "saved_model", SMALL, arrays)
    monkeypatch.setenv("NB_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(simclrv2.urllib.request, "urlopen", unreachable)
    assert simclrv2.load("pretrained").variables.keys() == arrays.keys()


def test_what_https_does_not_give_is_read_from_the_bucket(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    monkeypatch.setenv("NB_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(simclrv2, "_fetch", unreachable)
    monkeypatch.setattr(simclrv2.download, "check_answers", lambda host: None)
    monkeypatch.setattr(simclrv2, "_read_saved_model", lambda folder, source: folder)
    assert simclrv2.load("supervised") == "gs://simclr-checkpoints-tf2/simclrv2/supervised/r50_1x_sk0/saved_model/"


def test_converted_weights_get_the_names_of_the_checkpoint():
    arrays, converted = {tf1: array for tf1, array in tf1_names(arrays_of(RESNET50, 4)).items()
                         if not simclrv2.NO_WEIGHTS.search(tf1)}, {}
    inner = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var",
             "kernel": "weight"}
    for number, (name, array) in enumerate(arrays.items()):
        part = "head" if name.startswith("head_contrastive") else "resnet"
        layer = "fc" if "head_supervised" in name else f"net.{number}.0"
        parameter = "bias" if layer == "fc" and array.ndim == 1 else inner[name.rpartition("/")[2]]
        converted[f"{part}/{layer}.{parameter}"] = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
    converted["head/net.999.bias"] = np.zeros(8, np.float32)  # PyTorch's batch norm has one in any case
    found = simclrv2._names_of_converted(converted)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(("change", "words"), [
    (lambda arrays: arrays.pop("resnet/conv2d_fixed_padding/conv2d/kernel"), "1 missing: conv2d/kernel"),
    (lambda arrays: arrays.update({"resnet/block_group9/conv2d_99/kernel": np.zeros(3)}), "1 left over: conv2d_99"),
    (lambda arrays: arrays.update({"base_model/conv2d/kernel": np.zeros(3)}), "1 there twice: conv2d/kernel"),
    (lambda arrays: arrays.update({"head_supervised/linear_layer/dense_3/bias": np.zeros(3)}), "of another shape"),
    (lambda arrays: arrays.update({"something/else": np.zeros(3)}), "left over: something/else"),
])
def test_weights_that_do_not_fit_are_refused_and_nothing_is_changed(change, words):
    arrays, parts = arrays_of(SMALL, 4), our_networks(SMALL, 4)
    before = [networks.weights_hash(part) for part in parts[:2]]
    change(arrays)
    with pytest.raises(ValueError, match=words):
        simclrv2.import_weights(arrays, *parts)
    assert [networks.weights_hash(part) for part in parts[:2]] == before


def test_nothing_within_reach_is_an_error_that_says_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("NB_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(simclrv2.urllib.request, "urlopen", unreachable)
    monkeypatch.setattr(simclrv2.download, "check_answers", unreachable)
    with pytest.raises(data.DataUnavailable) as error:
        simclrv2.load("pretrained")
    for words in ("saved_model", "checkpoint", "converted", "no network here", "variables/variables.index", "smoke",
                  str(runtime.data_dir() / "weights" / "simclrv2" / "pretrained" / "r50_1x_sk0" / "saved_model")):
        assert words in str(error.value)


@pytest.mark.parametrize(("size", "fits"), [(5, True), (6, False), (None, True)])
def test_a_download_must_have_the_size_that_the_host_states(size, fits, tmp_path, monkeypatch):
    class Answer(io.BytesIO):
        headers = {"Content-Length": str(size)} if size else {}

    monkeypatch.setattr("urllib.request.urlopen", lambda *arguments, **options: Answer(b"hello"))
    target = tmp_path / "folder" / "file"
    if fits:
        simclrv2._fetch("https://host/file", target)
        assert target.read_bytes() == b"hello"
    else:
        with pytest.raises(data.DataUnavailable, match="broke off"):
            simclrv2._fetch("https://host/file", target)
        assert not target.exists()


def test_a_layer_around_the_loaded_function_trains_nothing(stand_ins):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the loaded function is TensorFlow's")
    layer = notebook.Wrapped(stand_ins[SMALL][1].loaded)
    model = keras.Sequential([keras.Input((32, 32, 3)), layer, keras.layers.Dense(5)])
    assert layer.variables == [] and len(model.trainable_variables) == 2


@pytest.mark.parametrize("kept", [0, 1])
def test_fine_tuning_trains_a_copy_of_every_imported_weight(kept, monkeypatch):
    encoder, head, _ = our_networks(SMALL, 4)
    simclrv2.import_weights(arrays_of(SMALL, 4), encoder, head, our_networks(SMALL, 4)[2])
    images, labels = np.random.default_rng(0).random((8, 32, 32, 3), np.float32), np.arange(8) % 3
    for name, value in {
            "ARMS": {"arm": ("pretrained", kept)}, "ENCODERS": {"pretrained": encoder},
            "IMPORTED": {"pretrained": (encoder, head)},
            "new_network": lambda name, mixed_precision: our_networks(SMALL, 4)[:2],
            "train_set": types.SimpleNamespace(image_shape=(32, 32, 3), num_classes=3)}.items():
        monkeypatch.setattr(notebook, name, value, raising=False)
    expected = ops.convert_to_numpy(keras.Sequential([encoder, *head.layers[:3 * kept]])(images))
    before, model = [networks.weights_hash(part) for part in (encoder, head)], notebook.classifier("arm")
    np.testing.assert_allclose(ops.convert_to_numpy(keras.Sequential(model.layers[:-1])(images)), expected, atol=1e-5)
    weights = [weight.copy() for weight in model.get_weights()]
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  run_eagerly=True)
    model.train_on_batch(images, labels)
    assert len(weights) == 5 * len(standin_simclrv2.published_units(SMALL, 4)) + 5 * kept + 2
    assert not any(np.array_equal(old, new) for old, new in zip(weights, model.get_weights()))
    assert before == [networks.weights_hash(part) for part in (encoder, head)]
