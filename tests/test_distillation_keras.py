"""The definitions of notebook 11."""

import functools
import types

import backends
import definitions
import keras
import numpy as np
import pytest
from keras import ops

from helpers import evaluate
from helpers.data.imageset import ImageSet
from helpers.keras import networks

notebook = definitions.load("11_distillation_keras")
OPTIONS = {"temperature": 4.0, "alpha": 0.9, "squared": "soft term", "targets": "soft", "hint_layer": "logits",
           "hint_weight": 0.0, "same_view": True, "mixup": False, "crop_padding": 0, "flip": False}
RANDOM = np.random.default_rng(0)
IMAGES, LABELS = RANDOM.random((16, 16, 16, 3)).astype(np.float32), RANDOM.integers(0, 10, 16)
STUDENT, TEACHER = RANDOM.normal(size=(2, 16, 10)) * [[[2]], [[4]]]
STUDENT_MAPS, TEACHER_MAPS = (RANDOM.normal(size=(16, 4, 4, channels)) for channels in (4, 8))
SHARE = RANDOM.random(16)


def network(width, seed):
    """A small network whose weights are the same in every call and on every backend."""
    encoder = networks.resnet((1, 1), width, stem="cifar", zero_last_gamma=False)
    model = keras.Model(encoder.input, keras.layers.Dense(10, name="logits")(encoder.output))
    random = np.random.default_rng(seed)
    model.set_weights([random.normal(0, 0.3, weight.shape) if weight.ndim > 1
                       else random.uniform(0.8, 1.2, weight.shape) for weight in model.get_weights()])
    return model


def teacher_and_distiller(taught=True, **options):
    teacher = network(8, seed=1)
    teacher.trainable = False
    model = notebook.Distiller(network(4, seed=2), teacher if taught else None, OPTIONS | options)
    model.build((None, 16, 16, 3))
    return teacher, model


def compiled_model(**options):
    """What `backends` trains for one step; nothing is moved or mirrored, since random numbers differ."""
    model = teacher_and_distiller(hint_layer="stage1", hint_weight=0.5)[1]
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=5e-3), **options)
    return model


def test_a_swapped_pair_is_an_error_whichever_is_frozen():
    large, small = network(8, 0), network(4, 0)
    for frozen, free in ((small, large), (large, small)):
        frozen.trainable, free.trainable = False, True
        with pytest.raises(ValueError, match="changed places"):
            notebook.Distiller(large, small, OPTIONS)
    notebook.Distiller(small, large, OPTIONS)
    large.trainable = True
    with pytest.raises(ValueError, match="changed places"):
        notebook.Distiller(small, large, OPTIONS)  # a teacher that would go on learning


def log_softmax(logits):
    return np.log(evaluate.softmax(logits))


def reference(options, share, regressor):
    """The loss of the notebook in float64."""
    T, alpha = options["temperature"], options["alpha"]
    hard = np.mean(share * -log_softmax(STUDENT)[np.arange(16), LABELS]
                   - (1 - share) * log_softmax(STUDENT)[np.arange(16), np.roll(LABELS, 1)])
    q, p = log_softmax(STUDENT / T), log_softmax(TEACHER / T)
    soft = np.mean(np.sum(np.exp(p) * (p - q), axis=1))
    soft, hard = {"soft term": (T ** 2 * soft, hard), "nowhere": (soft, hard),
                  "both terms": (T ** 2 * soft, T ** 2 * hard)}[options["squared"]]
    if options["targets"] == "hard":
        soft = np.mean(-log_softmax(STUDENT)[np.arange(16), TEACHER.argmax(axis=1)])
    hint = 0
    if options["hint_weight"]:
        kernel, bias = regressor
        hint = np.mean((STUDENT_MAPS @ kernel + bias - TEACHER_MAPS) ** 2)
    return alpha * soft + (1 - alpha) * hard + options["hint_weight"] * hint


def answers(logits=STUDENT, share=SHARE):
    both = {"student": (logits, STUDENT_MAPS), "teacher": (TEACHER, TEACHER_MAPS), "share": share}
    return {name: keras.tree.map_structure(lambda array: ops.convert_to_tensor(array, "float32"), value)
            for name, value in both.items()}


@pytest.mark.parametrize("options", [
    {}, {"temperature": 1.0}, {"temperature": 20.0, "alpha": 1.0}, {"alpha": 0.0}, {"squared": "nowhere"},
    {"squared": "both terms", "temperature": 3.0}, {"targets": "hard"}, {"targets": "hard", "alpha": 1.0},
    {"hint_layer": "stage1", "hint_weight": 10.0}, {"hint_layer": "stage1", "hint_weight": 2.0, "alpha": 0.0}])
@pytest.mark.parametrize("share", [np.ones(16), SHARE], ids=["plain", "mixup"])
def test_the_loss_is_that_of_a_float64_reference(options, share):
    model = teacher_and_distiller(**options)[1]
    regressor = [weight.numpy().astype(np.float64) for weight in getattr(model, "regressor", model).weights[:2]]
    found = float(model.compute_loss(None, LABELS, answers(share=share)))
    assert found == pytest.approx(reference(OPTIONS | options, share, regressor), rel=1e-4)


def test_without_a_teacher_and_in_evaluation_the_loss_is_the_cross_entropy():
    expected = np.mean(-log_softmax(STUDENT)[np.arange(16), LABELS])
    for taught in (True, False):
        model = teacher_and_distiller(taught)[1]
        assert float(model.compute_loss(None, LABELS, ops.convert_to_tensor(STUDENT, "float32"), training=False)
                     ) == pytest.approx(expected, rel=1e-5)
    assert float(model.compute_loss(None, LABELS, answers(share=np.ones(16)))) == pytest.approx(expected, rel=1e-5)


def slope(**options):
    import tensorflow as tf

    model, logits = teacher_and_distiller(**options)[1], tf.constant(STUDENT, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = model.compute_loss(None, LABELS, answers(logits, np.ones(16)))
    return tape.gradient(loss, logits).numpy()


@pytest.mark.parametrize(("squared", "powers"), [("soft term", (2, 0)), ("nowhere", (0, 0)), ("both terms", (2, 2))])
def test_the_gradient_has_the_factor_where_it_belongs_and_no_other_keeps_its_size(squared, powers):
    hard = (evaluate.softmax(STUDENT) - np.eye(10)[LABELS]) / 16
    for T in (1.0, 4.0, 16.0):
        soft = (evaluate.softmax(STUDENT / T) - evaluate.softmax(TEACHER / T)) / T / 16
        expected = 0.9 * T ** powers[0] * soft + 0.1 * T ** powers[1] * hard
        np.testing.assert_allclose(slope(squared=squared, temperature=T), expected, rtol=1e-3, atol=1e-6)
    at_50, at_100 = (np.linalg.norm(slope(squared=squared, temperature=T, alpha=1.0)) for T in (50.0, 100.0))
    assert at_100 / at_50 == pytest.approx(1 if powers[0] else 1 / 4, rel=0.05)


def test_the_factor_on_both_terms_is_a_higher_learning_rate_and_a_lower_weight_decay():
    found = []
    for squared, by in (("nowhere", 1), ("both terms", 16)):
        model = teacher_and_distiller(squared=squared)[1]
        model.compile(keras.optimizers.SGD(0.2 / by, momentum=0.9, nesterov=True, weight_decay=5e-3 * by),
                      run_eagerly=True)
        for _ in range(2):
            model.train_on_batch(IMAGES, LABELS)
        found.append(np.concatenate([weight.ravel() for weight in model.student.get_weights()]))
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)


def test_two_steps_change_all_of_the_student_and_nothing_of_the_teacher():
    teacher, model = teacher_and_distiller(hint_layer="stage1", hint_weight=0.5, crop_padding=2, flip=True)
    before, student = networks.weights_hash(teacher), model.student.get_weights()
    model.compile(keras.optimizers.SGD(0.1))
    for _ in range(2):
        model.train_on_batch(IMAGES, LABELS)
    assert networks.weights_hash(teacher) == before
    assert all(np.any(old != new) for old, new in zip(student, model.student.get_weights()))
    assert not {id(weight) for weight in teacher.weights} & {id(variable) for variable in model.variables}


@pytest.mark.parametrize("same_view", [True, False])
def test_the_teacher_sees_the_students_view_or_the_image_itself(same_view):
    model = teacher_and_distiller(crop_padding=3, flip=True, same_view=same_view)[1]
    model.ask_teacher, model.watched_student = lambda seen: seen, lambda seen, training: seen
    found = model(IMAGES, training=True)
    np.testing.assert_array_equal(found["teacher"], found["student"] if same_view else IMAGES)
    assert not np.array_equal(found["student"], IMAGES)


def test_mixup_blends_each_image_with_the_one_before_by_its_own_share():
    for mixup in (True, False):
        views, share = map(ops.convert_to_numpy, notebook.random_view(
            IMAGES, OPTIONS | {"mixup": mixup}, keras.random.SeedGenerator(0)))
        weight = share[:, None, None, None]
        np.testing.assert_allclose(views, weight * IMAGES + (1 - weight) * np.roll(IMAGES, 1, axis=0), atol=1e-6)
        assert len(np.unique(share)) == (16 if mixup else 1) and share.max() <= 1
    np.testing.assert_array_equal(views, IMAGES)


def test_fit_reports_the_training_accuracy_of_the_epoch_and_not_of_its_last_batch():
    model = teacher_and_distiller()[1]
    halves = [ops.convert_to_numpy(model.student(half, training=True)) for half in np.split(IMAGES, 2)]
    labels = np.concatenate(halves).argmax(axis=1)
    labels[8:] = (labels[8:] + 1) % 10  # the first batch all right, the last one all wrong
    model.compile(keras.optimizers.SGD(0.0), metrics=[notebook.accuracy], run_eagerly=True)
    logs = model.fit(IMAGES, labels, batch_size=8, shuffle=False, verbose=0).history
    assert logs["accuracy"] == [pytest.approx(50)]


@pytest.fixture
def a_small_setting(monkeypatch, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), np.uint8)
    image_set = ImageSet(images, np.arange(60) % 10, tuple("abcdefghij"))
    defaults = OPTIONS | {
        "data_set": "x", "num_images": 52, "left_out": -1, "network": "small", "teacher": "x", "learning_rate": 0.1,
        "batch_size": 16, "num_epochs": 1, "weight_decay": 5e-4, "warmup_fraction": 0.3}
    for name, value in {
            "cfg": types.SimpleNamespace(mixed_precision=False, learning_rates=(0.1,)), "DEFAULTS": defaults, "SEED": 0,
            "NETWORKS": {"large": (notebook.residual, (1, 1), 8), "small": (notebook.residual, (1, 1), 4)},
            "HALF": "mixed_bfloat16", "CODE": "", "SETTINGS": [], "run": types.SimpleNamespace(folder=tmp_path),
            "ARMS": ("alone", "with the teacher"), "RATES": {"teacher": 0.1}, "TEACHERS": {"none": None}, "RUNS": {},
            "TRAINED": {}, "image_sets": lambda name: (image_set, image_set, image_set)}.items():
        monkeypatch.setattr(notebook, name, value, raising=False)


def test_all_arms_that_are_compared_take_as_many_steps_and_see_as_many_images(a_small_setting, monkeypatch):
    monkeypatch.setattr(notebook.Distiller, "compile", functools.partialmethod(keras.Model.compile, run_eagerly=True))
    notebook.train_pair("x", "large", "small", {}, [0, 1], {})
    assert list(notebook.RUNS) == [("x", "teacher", 0), ("x", "alone", 0), ("x", "alone", 1),
                                   ("x", "with the teacher", 0), ("x", "with the teacher", 1)]
    assert {(run["optimizer_steps"], run["images_seen"]) for run in notebook.RUNS.values()} == {(3, 48)}
    taught = notebook.RUNS["x", "with the teacher", 0]
    assert notebook.train("another name", {}, 0) is taught  # the same options are trained once
    with pytest.raises(AssertionError, match="unequal budgets"):
        notebook.check_budgets([taught, notebook.train("longer", {"num_epochs": 2}, 0)])


def test_in_16_bits_the_logits_still_have_32_and_a_step_with_hints_is_finite(a_small_setting):
    notebook.cfg.mixed_precision = True
    teacher, student = (notebook.build({"network": name, "data_set": "x"}) for name in ("large", "small"))
    assert keras.config.dtype_policy().name == "float32"
    assert student.get_layer("stem_convolution").compute_dtype == "bfloat16"
    teacher.trainable = False
    model = notebook.Distiller(student, teacher, OPTIONS | {"hint_layer": "stage2", "hint_weight": 10.0})
    model.build((None, 16, 16, 3))
    model.compile(keras.optimizers.SGD(0.1))
    found = model(IMAGES, training=True)
    assert {keras.backend.standardize_dtype(found[who][0].dtype) for who in ("student", "teacher")} == {"float32"}
    assert np.isfinite(model.train_on_batch(IMAGES, LABELS))
    assert all(np.isfinite(weight).all() for weight in student.get_weights())


def test_the_whole_step_runs_under_xla_and_gives_the_same_loss():
    plain, compiled = (compiled_model(jit_compile=jit_compile) for jit_compile in (False, True))
    compiled.set_weights(plain.get_weights())  # the regressor's begin at random
    found = [float(model.train_on_batch(IMAGES, LABELS)) for model in (plain, compiled)]
    assert found[0] == pytest.approx(found[1], rel=1e-4)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_without_tensorflow_take_the_same_step(backend, tmp_path):
    backends.assert_same_step_without_tensorflow("test_distillation_keras", backend, (16, 16, 3), tmp_path)
