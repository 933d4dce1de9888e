import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import checkpoints
from helpers.data.imageset import ImageSet
from helpers.torch import training

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = {"learning_rate": 0.1, "seed": 0}


def make_parts():
    torch.manual_seed(0)
    layers = torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(), torch.nn.Linear(8, 2)
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    return {"model": model, "optimizer": optimizer,
            "scheduler": torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6)}


def train_epoch(parts):
    inputs = torch.randn(16, 4) + random.random() + float(np.random.rand())
    loss = parts["model"](inputs).square().mean()
    parts["optimizer"].zero_grad()
    loss.backward()
    parts["optimizer"].step()
    parts["scheduler"].step()
    return loss.item()


def run_to(num_epochs, folder, settings=SETTINGS):
    parts = make_parts()
    checkpoint = training.Checkpoint(folder, settings, **parts)
    history = checkpoint.resume()
    for epoch in range(len(history), num_epochs):
        history.append({"epoch": epoch + 1, "loss": train_epoch(parts)})
        checkpoint.save(history)
    return parts["model"].state_dict(), history


def assert_equal(state_a, state_b):
    assert all(torch.equal(state_a[name], state_b[name]) for name in state_a)


def seed_all():
    torch.manual_seed(1), np.random.seed(1), random.seed(1)


def test_a_resumed_run_ends_bit_for_bit_like_an_uninterrupted_one(tmp_path, capsys):
    seed_all()
    uninterrupted, history = run_to(6, tmp_path / "a")
    seed_all()
    run_to(3, tmp_path / "b")
    torch.manual_seed(99), np.random.seed(99), random.seed(99)  # a new process knows nothing of the old generators
    resumed, resumed_history = run_to(6, tmp_path / "b")
    assert_equal(uninterrupted, resumed)
    assert history == resumed_history
    assert "resumed after epoch 3" in capsys.readouterr().out


def test_only_the_last_two_checkpoints_are_kept_and_leftovers_go(tmp_path):
    (tmp_path / "epoch-0001-torn.part").write_bytes(b"")
    run_to(5, tmp_path)
    assert [path.name[:10] for path in sorted(tmp_path.glob("epoch-*"))] == ["epoch-0004", "epoch-0005"]


def test_what_is_deleted_takes_up_no_space_where_a_bin_keeps_it(tmp_path):
    run_to(1, tmp_path)
    in_the_bin = tmp_path / "bin"
    in_the_bin.hardlink_to(next(tmp_path.glob("epoch-0001*")))
    run_to(3, tmp_path)
    assert not list(tmp_path.glob("epoch-0001*")) and in_the_bin.stat().st_size == 0


def test_when_all_checkpoints_are_damaged_the_new_ones_are_kept(tmp_path, capsys):
    run_to(4, tmp_path)
    for path in tmp_path.glob("*.pt"):
        path.write_bytes(b"torn")
    with pytest.warns(UserWarning, match="damaged and passed over"):
        run_to(2, tmp_path)
    assert "another run" not in capsys.readouterr().out
    run_to(3, tmp_path)
    assert "resumed after epoch 2" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_torn_checkpoint_is_passed_over_for_the_one_before(tmp_path, damage):
    seed_all()
    expected, _ = run_to(6, tmp_path / "a")
    seed_all()
    run_to(4, tmp_path / "b")
    newest = sorted((tmp_path / "b").glob("*.pt"))[-1]
    content = bytearray(newest.read_bytes())
    if damage == "cut":
        content = content[:len(content) // 2]
    elif damage == "flipped":
        position = content.index(parts_bytes(newest))
        content[position] ^= 1
    else:
        content = b""
    newest.write_bytes(content)
    with pytest.warns(UserWarning, match="epoch-0004.* is damaged and passed over"):
        resumed, _ = run_to(6, tmp_path / "b")
    assert_equal(expected, resumed)


def parts_bytes(path):
    """Return the bytes of one weight tensor as they stand in the file."""
    return torch.load(path, weights_only=True)["parts"]["model"]["0.weight"].numpy().tobytes()


def test_the_best_epoch_comes_back_also_after_a_resume(tmp_path):
    def run(num_epochs):
        parts = make_parts()
        checkpoint = training.Checkpoint(tmp_path, SETTINGS, best="score", **parts)
        history = checkpoint.resume()
        for epoch in range(len(history), num_epochs):
            train_epoch(parts)
            history.append({"epoch": epoch + 1, "score": [1, 5, 3, 5, 4][epoch]})
            checkpoint.save(history)
            states.append({name: value.clone() for name, value in parts["model"].state_dict().items()})
        return checkpoint, parts["model"]

    states = []
    run(3)
    checkpoint, model = run(5)
    assert checkpoint.load_best() == {"epoch": 2, "score": 5}
    assert_equal(states[1], model.state_dict())
    nan = float("nan")
    assert checkpoints.best_epoch([{"score": nan}, {"score": 2}, {"score": nan}], "score") == 1
    with pytest.raises(ValueError, match="best='acuracy' is not in the history"):
        training.Checkpoint(tmp_path, SETTINGS, best="acuracy").save([{"epoch": 1, "score": 1}])


def test_the_history_lies_beside_the_checkpoints_as_csv(tmp_path):
    run_to(2, tmp_path)
    run_to(3, tmp_path)
    lines = next(tmp_path.glob("history-*.csv")).read_text().splitlines()
    assert lines[0] == "epoch,loss" and [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3"]


def test_changed_settings_start_afresh_say_what_changed_and_keep_the_old(tmp_path, capsys):
    run_to(3, tmp_path)
    kept = {path.name for path in tmp_path.iterdir()}
    _, history = run_to(1, tmp_path, SETTINGS | {"learning_rate": 0.2})
    assert len(history) == 1
    said = capsys.readouterr().out
    assert "starts afresh" in said and "learning_rate 0.1 -> 0.2" in said
    assert kept < {path.name for path in tmp_path.iterdir()}
    assert len(run_to(3, tmp_path)[1]) == 3 and "resumed after epoch 3" in capsys.readouterr().out


def test_a_full_disk_costs_checkpoint_and_log_and_not_the_run(tmp_path):
    code = (
        "import resource, signal, sys\n"
        "sys.path[:0] = [sys.argv[1], sys.argv[1] + '/tests']\n"
        "from test_training_torch import run_to, training\n"
        "run_to(2, sys.argv[2])\n"
        "tensorboard = training.TensorBoard(sys.argv[2] + '/log')\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"  # every further write fails as on a full disk
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    state, history = run_to(4, sys.argv[2])\n"
        "    for epoch in range(100):\n"
        "        tensorboard.log(epoch, {'loss': 0.1})\n"
        "    tensorboard.close({'rate': 0.1}, {'accuracy': 1.0})\n"
        "print(len(history), *(str(w.message).split(':')[0] for w in caught), sep='|')\n")
    done = subprocess.run([sys.executable, "-c", code, str(ROOT), str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == [
        "4|No checkpoint after epoch 3|No checkpoint after epoch 4|TensorBoard's log ends here"], done.stderr
    assert sorted(path.name[:10] for path in tmp_path.glob("epoch-*")) == ["epoch-0001", "epoch-0002"]


def test_loading_a_checkpoint_runs_no_code_from_it(tmp_path):
    run_to(1, tmp_path)
    path = next(tmp_path.glob("*.pt"))
    marker = tmp_path / "ran"
    torch.save({"history": Bomb(str(marker))}, path)
    with pytest.warns(UserWarning, match="passed over"):
        run_to(1, tmp_path)
    assert not marker.exists()


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_batches_hold_every_image_once_in_an_order_of_seed_and_epoch():
    images = torch.arange(10, dtype=torch.uint8)[:, None, None, None].expand(10, 1, 2, 2)
    labels = torch.arange(10)

    def order(seed, epoch):
        return torch.cat([batch for _, batch in training.batches(images, labels, 3, seed, epoch)]).tolist()

    assert sorted(order(0, 0)) == list(range(10)) and order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9
    assert order(None, 0) == list(range(10))
    assert [len(batch) for _, batch in training.batches(images, labels, 3, drop_last=True)] == [3, 3, 3]
    batch, batch_labels = next(training.batches(images, labels, 4, seed=0))
    assert batch.dtype == torch.float32 and torch.allclose(batch[:, 0, 0, 0] * 255, batch_labels.float())


def test_predict_uses_evaluation_mode_and_gives_the_mode_back():
    images, labels = training.tensors(ImageSet(np.full((5, 2, 2, 1), 255, np.uint8), np.zeros(5, int), ("a",)))
    assert images.shape == (5, 1, 2, 2) and labels.dtype == torch.int64
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.9)).train()
    assert np.array_equal(training.predict(model, images, batch_size=2), np.ones((5, 4), np.float32))
    assert model.training and model[1].training
