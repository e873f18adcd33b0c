"""Every way of learning against every contract: a line in METHODS gives a rule, credit or optimizer all tests.

The contracts: a step agrees with the plain equations on every library and under jax.jit, leaves its arguments
alone or changes them in place as asked, takes one row as it takes two, does not depend on the order of units,
and goes on from a file bit for bit.
"""

import functools

import numpy as np
import pytest
from assertions import assert_close, assert_same, exactly, tolerance
from backends import NUMPY
from methods import (
    CLASSES,
    FORMS,
    METHODS,
    NETWORK,
    NETWORKS,
    NO_ORACLE,
    NOISY,
    RATES,
    RNG,
    SIZES,
    Y,
    arrays_of,
    assert_states_close,
    begin,
    method,
    plain_optimizer,
    plain_proposals,
)
from networks import scrambled

import pycopi
from pycopi import kernels
from pycopi._trees import named_arrays
from pycopi.training import step as steps


@pytest.mark.parametrize("name", [name for name in METHODS if name not in NO_ORACLE])
def test_a_step_is_the_plain_equations_on_every_backend(xp, name):
    settings = METHODS[name]
    state = begin(settings)
    proposals, loss = plain_proposals(settings, state)
    like = xp.asarray(Y)
    step = functools.partial(pycopi.train_step, NETWORK, settings=settings)
    learned, metrics = xp.call(step, state.map(xp.asarray), like, xp.asarray(CLASSES))
    assert float(metrics.loss) == pytest.approx(loss, rel=1e-12)
    for index, (weight, bias, r) in enumerate(proposals):
        old, new = state.parameters[index], learned.parameters[index]
        assert_close(new.decorrelator, old.decorrelator + r, xp, like, rtol=1e-12)
        for part, proposal in (("weight", weight), ("bias", bias)):
            memory = state.optimizer[index][part] if state.optimizer else None
            wanted = plain_optimizer(settings, getattr(old, part), memory, proposal, 2)
            assert_close(getattr(new, part), wanted, xp, like, rtol=1e-9)


# one row


def twice(network, state, inputs, targets, settings, rates):
    """Return the state after a step on the same sample twice: the mean over the two is the sample's."""
    batch = np.repeat(inputs, 2, axis=0), np.repeat(targets, 2)
    return pycopi.train_step(network, state, *batch, settings, rates)[0]


@pytest.mark.parametrize("name", [name for name in METHODS if name not in NOISY])
@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("kind", ["plain", "bias", "decorrelated", "both"])
def test_one_row_equals_two_that_are_the_same(name, rates, kind):
    settings, rates = METHODS[name], RATES[rates]
    form = kind in ("decorrelated", "both") and FORMS[name]
    network = pycopi.mlp(SIZES, bias=kind in ("bias", "both"), decorrelated=form)
    state = begin(settings, network)
    expected = twice(network, state, Y[:1], CLASSES[:1], settings, rates)
    learned, metrics = pycopi.train_step(network, state, Y[:1], CLASSES[:1], settings, rates)
    assert_states_close(learned, expected, NUMPY, Y, tolerance(Y.dtype, 20))
    assert np.isfinite(metrics.loss)


@pytest.mark.parametrize("name", METHODS)
def test_every_backend_and_dtype_agree_for_one_row(xp, name):
    for dtype in (np.float32, np.float64):
        settings, network, x = METHODS[name], NETWORKS[name], Y[:1].astype(dtype)
        state = begin(settings, network, dtype)
        expected, _ = pycopi.train_step(network, state, x, CLASSES[:1], settings, RATES["both"])
        step = functools.partial(pycopi.train_step, network, settings=settings, rates=RATES["both"])
        moved = state.map(xp.asarray)
        learned, _ = xp.call(step, moved, xp.asarray(x), xp.asarray(CLASSES[:1]))
        loose = 100 if name in NOISY else 1  # a difference of two losses
        assert_states_close(learned, expected, xp, xp.asarray(x), loose * tolerance(dtype, 50))


def test_each_matrix_is_read_twice_and_written_once(monkeypatch):
    state = pycopi.State(scrambled(NETWORK, 2))
    reads, writes = {}, {}

    def count(function, position):
        def counted(matrix, *arguments, **keywords):
            reads[id(matrix)] = reads.get(id(matrix), 0) + 1
            if arguments[position] is not None:
                writes[id(matrix)] = writes.get(id(matrix), 0) + 1
            return function(matrix, *arguments, **keywords)

        return counted

    monkeypatch.setattr(kernels, "update_then_project", count(kernels.update_then_project, 0))
    monkeypatch.setattr(kernels, "pull_then_update", count(kernels.pull_then_update, 1))
    monkeypatch.setattr(kernels, "apply", count(kernels.apply, 0))
    monkeypatch.setattr(kernels, "product", None)
    batch = Y[:1], CLASSES[:1]
    learned, _ = steps.step(NETWORK, state, *batch, METHODS["copi"], RATES["both"], copy=None)
    matrices = [id(a) for own in learned.parameters for a in (own.weight, own.decorrelator)]
    assert [reads[i] for i in matrices] == [2] * 6
    assert [writes[i] for i in matrices] == [1] * 6


# what may be overwritten


@pytest.mark.parametrize("samples", [1, 6])
@pytest.mark.parametrize("name", METHODS)
def test_copy_says_what_a_step_may_overwrite(name, samples):
    settings, network, batch = METHODS[name], NETWORKS[name], (Y[:samples], CLASSES[:samples])
    state = begin(settings, network)
    before = {place: array.copy() for place, array in arrays_of(state).items()}
    learned, _ = pycopi.train_step(network, state, *batch, settings)
    assert learned.step == state.step + 1
    for place, array in arrays_of(state).items():
        assert_same(array, before[place])
    in_place, _ = pycopi.train_step(network, state, *batch, settings, copy=False)
    for place, array in arrays_of(in_place).items():
        if not place.startswith("credit"):  # what credit keeps is not what a step writes to
            assert array is arrays_of(state)[place], place
        assert_same(array, arrays_of(learned)[place])


@pytest.mark.parametrize("name", METHODS)
def test_a_block_of_steps_is_its_steps(name):
    settings, network = METHODS[name], NETWORKS[name]
    state = one_by_one = begin(settings, network)
    block = np.stack([Y, Y[::-1]]), np.stack([CLASSES, CLASSES[::-1]])
    learned, _ = pycopi.train_steps(network, state, *block, settings)
    for batch in zip(*block, strict=True):
        one_by_one, _ = pycopi.train_step(network, one_by_one, *batch, settings)
    assert learned.step == one_by_one.step
    for place, array in arrays_of(one_by_one).items():
        assert_same(arrays_of(learned)[place], array)


# units have no order


@pytest.mark.parametrize("samples", [1, 6])
@pytest.mark.parametrize("name", [name for name in METHODS if name not in NOISY])
def test_units_in_another_order_learn_the_same(name, samples):
    settings, network = METHODS[name], NETWORKS[name]
    order = {6: RNG.permutation(6), 5: RNG.permutation(5)}

    def permuted(array):
        for axis, size in enumerate(array.shape):
            array = np.take(array, order[size], axis=axis) if size in order else array
        return array.copy()

    batch = Y[:samples], CLASSES[:samples]
    state = begin(settings, network)
    one, _ = pycopi.train_step(network, state.map(permuted), *batch, settings)
    other = pycopi.train_step(network, state, *batch, settings)[0].map(permuted)
    assert_states_close(one, other, NUMPY, Y, tolerance(Y.dtype, 100))


# files


@pytest.mark.parametrize("name", METHODS)
def test_a_run_goes_on_from_its_file_bit_for_bit(name, tmp_path):
    settings, network, (x, y) = METHODS[name], NETWORKS[name], (Y.astype(np.float32), CLASSES)
    how = {"settings": settings, "batch_size": 2, "progress": False}
    whole = pycopi.fit(network, pycopi.start(network, settings, seed=4), x, y, epochs=4, **how)
    half = pycopi.fit(network, pycopi.start(network, settings, seed=4), x, y, epochs=2, **how)
    with pycopi.Checkpoint(tmp_path / "run") as checkpoint:
        checkpoint.save(network, half)
        stored = checkpoint.load().state
    assert stored.history == half.history
    assert stored.step == half.step == 6
    for state in (half, stored):
        rest = pycopi.fit(network, state, x, y, epochs=4, **how)
        assert set(arrays_of(rest)) == set(arrays_of(whole))
        for place, array in arrays_of(whole).items():
            assert_same(arrays_of(rest)[place], array)
    model = pycopi.load(tmp_path / "run" / "model.safetensors")
    assert model.network == network
    assert_same(model.parameters[0].weight, half.parameters[0].weight)


# what some methods have of their own


def test_a_method_that_remembers_is_not_given_parameters_alone():
    for name, what in (("feedback", "credit"), ("momentum", "optimizer")):
        settings = METHODS[name]
        needs = getattr(settings.method, what)
        message = (
            f"{needs} keeps a state from step to step, and none was given; begin with "
            "pycopi.start(network, settings, seed), and give what it returns in place of parameters"
        )
        with pytest.raises(ValueError, match=exactly(message)):
            pycopi.train_step(NETWORK, scrambled(NETWORK, 0), Y, CLASSES, settings)


def test_a_state_of_another_method_is_refused():
    x, adam = Y.astype(np.float32), METHODS["adam"]
    state = pycopi.start(NETWORK, adam)
    other = pycopi.mlp([7, 9, 5, 3], bias=True)
    wrong = pycopi.start(other, adam)._replace(parameters=state.parameters)
    for given, settings, place in (
        (state, METHODS["momentum"], "optimizer.0.weight"),
        (wrong, adam, "optimizer.0.weight.moments"),
    ):
        message = (
            f"{place} of the state is not what the settings need: it is of another run; begin with "
            "pycopi.start(network, settings, seed, parameters=state.parameters)"
        )
        with pytest.raises(ValueError, match=exactly(message)):
            pycopi.fit(NETWORK, given, x, CLASSES, epochs=1, settings=settings, batch_size=2)
    plain = pycopi.fit(NETWORK, state, x, CLASSES, epochs=1, settings=METHODS["copi"], batch_size=2)
    assert len(plain.history) == 1  # what is not needed does no harm


def test_parameters_alone_learn_as_a_state_does():
    parameters = scrambled(NETWORK, 0)
    alone, _ = pycopi.train_step(NETWORK, parameters, Y, CLASSES, METHODS["copi"])
    state, _ = pycopi.train_step(NETWORK, pycopi.State(parameters), Y, CLASSES, METHODS["copi"])
    for place, array in named_arrays(alone).items():
        assert_same(array, named_arrays(state.parameters)[place])


def test_the_mean_of_node_perturbation_is_backpropagation():
    """The mean of 20,000 estimates, for a difference quotient of small noise."""
    settings = method(credit=pycopi.NodePerturbation(noise=1e-4), rule="gradient", rate=1.0, gain=1.0)
    rates, network = pycopi.Rates(1.0, None), pycopi.mlp([7, 6, 3], activation="tanh")
    parameters = scrambled(network, 1)
    state = pycopi.start(network, settings, parameters=parameters)
    count = 20_000
    inputs, targets = np.repeat(Y[:1], count, axis=0), np.repeat(CLASSES[:1], count)
    learned, _ = pycopi.train_step(network, state, inputs, targets, settings, rates)
    wanted, _ = pycopi.train_step(
        network, parameters, Y[:1], CLASSES[:1], method(rule="gradient", gain=1.0), rates
    )
    for new, other, old in zip(learned.parameters, wanted, parameters, strict=True):
        exact = other.weight - old.weight
        assert_close(new.weight - old.weight, exact, NUMPY, Y, rtol=0.1, scale=np.abs(exact).max())


def test_the_noise_of_node_perturbation_is_new_in_each_step_and_the_same_for_a_seed():
    settings = METHODS["node-perturbation"]
    one, two = (pycopi.start(NETWORK, settings, seed, parameters=scrambled(NETWORK, 0)) for seed in (1, 2))
    first, _ = pycopi.train_step(NETWORK, one, Y, CLASSES, settings)
    again, _ = pycopi.train_step(NETWORK, one, Y, CLASSES, settings)
    assert_same(first.parameters[0].weight, again.parameters[0].weight)
    others = [two, one._replace(credit=first.credit)]
    for other in others:
        learned, _ = pycopi.train_step(NETWORK, other, Y, CLASSES, settings)
        assert np.abs(learned.parameters[0].weight - first.parameters[0].weight).max() > 1e-4


def test_fit_learns_from_single_samples():
    network = pycopi.mlp([2, 8, 2])
    x, y = np.eye(2, dtype=np.float32), np.array([0, 1])
    settings = pycopi.Settings(gain=100.0)
    state = pycopi.fit(network, network.init(seed=0), x, y, epochs=50, settings=settings, batch_size=1)
    assert state.history[-1].accuracy == 1.0
