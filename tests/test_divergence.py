"""The guard: a run that diverges ends with its last good parameters, and no healthy run is ended."""

import exact
import numpy as np
import pytest
from assertions import assert_same, within
from fitting import CLASSES, NETWORK, SETTINGS, START, X, flat, run
from networks import move

import pycopi
from pycopi.training.batches import open_batches
from pycopi.training.frozen import View
from pycopi.training.guard import Watch


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 2e6], ids=str)
def test_divergence_keeps_the_last_good_parameters(wrong, eager):
    parameters = move(START, eager)

    def poison(epoch):  # the third epoch explodes
        return 1.0 if epoch < 2 else wrong if np.isfinite(wrong) else 1e30

    with pytest.raises(pycopi.DivergenceError) as caught:
        run(
            eager.asarray(X),
            eager.asarray(CLASSES),
            parameters,
            weight_schedule=poison,
            guard=pycopi.Guard(every=3),
        )
    error = caught.value
    assert error.epoch == 3
    assert error.step in (3, 6, 8)
    assert error.layer in (1, 2)
    assert len(error.state.history) == 2
    assert f"training diverged in layer {error.layer}, epoch 3, step {error.step}: " in str(error)
    assert all(np.isfinite(eager.numpy(a)).all() for a in flat(error.parameters))


@pytest.mark.parametrize("gain", [1e4, 1e6, 1e10])
def test_a_loss_that_explodes_while_parameters_do_not_is_noticed_too(gain):
    """Seven layers multiply weights that are each within the limit."""
    deep = pycopi.mlp([6, *[20] * 7, 3])
    with pytest.raises(pycopi.DivergenceError) as caught:
        run(parameters=deep.init(0), network=deep, settings=exact.settings(gain=gain), weight_schedule=abs)
    error = caught.value
    assert f"layer {error.layer}, epoch {error.epoch}, step {error.step}: " in str(error)
    assert pycopi.evaluate(deep, error.parameters, X, CLASSES).loss < 1e6


def test_a_network_without_decorrelation_is_not_told_of_its_steps():
    plain = pycopi.mlp([6, 20, 3], decorrelated=False)
    settings = exact.settings(gain=1e6, decorrelation=exact.decorrelation(rate=1e3))
    with pytest.raises(pycopi.DivergenceError, match="step of the weights") as caught:
        run(parameters=plain.init(0), network=plain, settings=settings, weight_schedule=abs)
    assert "step of R" not in str(caught.value)


def test_a_loss_in_large_units_is_no_divergence():
    targets = (2e5 + 1e4 * X[:, :1]).astype(np.float64)
    network = pycopi.mlp([6, 1], bias=True)
    settings = pycopi.Settings(rate=0.05, gain=1.0, decorrelation=pycopi.Decorrelation(rate=0.05))
    start = network.init(0, like=targets)
    state = run(X.astype(np.float64), targets, start, network, settings=settings, epochs=200)
    assert state.history[0].loss > 1e10
    assert state.history[-1].loss < 1e-3 * state.history[0].loss


def test_the_guard_keeps_parameters_between_epochs():
    """The last look before the divergence is later than the last complete epoch."""

    def explode(epoch):
        return 1.0 if epoch == 0 else 20.0

    with pytest.raises(pycopi.DivergenceError) as caught:
        run(weight_schedule=explode, guard=pycopi.Guard(every=1))
    state, kept = caught.value.state, caught.value.parameters
    assert caught.value.step > 1
    assert any(np.abs(a - b).max() > 0 for a, b in zip(flat(kept), flat(state.parameters), strict=True))
    with pytest.raises(ValueError, match="every is 0; expected a whole number of at least 1"):
        pycopi.Guard(every=0)


def test_a_run_without_a_guard_is_an_error_whose_advice_works():
    message = "guard is a NoneType; expected a pycopi.Guard, which every run needs; to look only at the end"
    with pytest.raises(TypeError, match=within(message)) as caught:
        run(guard=None)
    assert str(caught.value).endswith("give pycopi.Guard(every=10**9)")
    assert len(run(guard=pycopi.Guard(every=10**9), epochs=2).history) == 2


def test_inputs_that_overflow_on_other_samples_are_a_divergence():
    """The last batch is answered well, but the first samples of the data are far larger."""
    data = X.copy()
    data[:10] *= np.float32(1e37)
    batches = [(data[20:60], CLASSES[20:60])] * 2
    network = pycopi.mlp([6, 3])
    start = tuple(own._replace(decorrelator=own.decorrelator * np.float32(50)) for own in network.init(0))
    frozen = pycopi.Settings(rate=0.0, decorrelation=pycopi.Decorrelation(rate=0.0))

    class FirstLarge:
        """The first pass, on which the correlation is probed, is of the large samples."""

        passes = 0

        def __iter__(self):
            self.passes += 1
            return iter([(data[:10], CLASSES[:10])] if self.passes == 2 else batches)

    with pytest.raises(
        pycopi.DivergenceError, match="layer 1, epoch 1, step 2: its inputs are no longer"
    ) as caught:
        run(FirstLarge(), None, start, network, settings=frozen)
    assert_same(caught.value.parameters[0].weight, start[0].weight)


def watch_of(**limits):
    view = View(open_batches(NETWORK, START, X, CLASSES, batch_size=16, seed=0))
    rates = pycopi.Rates(1e-2, 1e-2)
    return Watch(pycopi.Guard(**limits), view, SETTINGS, rates, pycopi.State(START))


def test_the_guard_looks_at_parameters_even_where_the_loss_is_small():
    """A large entry that meets only zeros in the data does not show in the loss."""
    dead = X.copy()
    dead[:, 0] = 0.0
    matrix = START[0].decorrelator.copy()
    matrix[0, 0] = 2e6
    with pytest.raises(
        pycopi.DivergenceError, match=within("layer 1, epoch 1, step 7: decorrelator reached 2e+06")
    ):
        watch_of().look(pycopi.State((START[0]._replace(decorrelator=matrix), START[1])), (dead, CLASSES), 1, 7)


def test_the_guard_judges_a_finite_loss_by_the_first_one():
    large = pycopi.State(tuple(own._replace(weight=own.weight * 1e3) for own in START))
    watch = watch_of(limit=1e4)
    with pytest.raises(pycopi.DivergenceError, match="epoch 1, step 7: the loss reached") as caught:
        watch.look(large, (X, CLASSES), 1, 7)
    assert caught.value.parameters is START
    watch.first_loss = 1e12
    watch.look(large, (X, CLASSES), 1, 7)
    assert_same(watch.good.parameters[0].weight, large.parameters[0].weight)
