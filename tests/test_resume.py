import kill
import pytest


@pytest.mark.parametrize("notebook", ["01_lenet_mnist_keras", "04_lenet_mnist_torch"])
def test_a_notebook_killed_while_training_or_saving_ends_with_the_same_weights_and_without_a_network(notebook):
    found = list(kill.trials(notebook, kills=2, seed=0))
    assert [equal for *_, equal, _ in found] == [True, True], found
    assert any(resumed for _, _, _, resumed, _, _ in found), "nothing was resumed, so nothing was tested"
