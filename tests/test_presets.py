"""The presets: the paper's numbers, their variants, and that nobody else keeps such numbers."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from assertions import exactly
from command import call, save_set

import pycopi
from pycopi.presets import CIFAR10, DIGITS, FILES, METHODS, MNIST, PAPER, PRESETS, preset_for


def test_the_papers_networks():
    assert (PAPER.rate, PAPER.gain, PAPER.step_bound) == (1e-3, 1000.0, None)
    assert PAPER.decorrelation == pycopi.Decorrelation(rate=1e-3, step_bound=None)
    assert (MNIST.hidden, CIFAR10.hidden) == ((500,) * 6, (1000,) * 4)
    for preset in (MNIST, CIFAR10):
        assert preset.settings == PAPER
        assert (preset.batch_size, preset.weight_schedule) == (50, pycopi.Schedule(start=1))
        assert (preset.bias, preset.standardized, preset.keep_decorrelated) == (False, False, False)
    assert [preset_for(name) for name in ("digits", "cifar10", "mine.npz")] == [DIGITS, CIFAR10, FILES]


def test_a_preset_is_a_value():
    assert replace(MNIST) == MNIST
    assert hash(MNIST) != hash(CIFAR10)
    with pytest.raises(FrozenInstanceError):
        MNIST.epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("rule", ["copi", "gradient", "adam"])
def test_every_variant_of_every_preset_makes_settings(name, rule):
    """Also where a preset has a step bound, which Adam refuses."""
    for fast in (False, True):
        preset = PRESETS[name].variant(rule=rule, whitening=0.5)
        preset = preset.fast() if fast else preset
        assert preset.settings.rule == rule
        assert (preset.settings.gain == 1.0) == (rule == "adam")
        assert (preset.settings.step_bound is None) == (rule == "adam" or (not fast and name != "files"))


def test_variants_of_copi_by_hand():
    assert MNIST.variant() == MNIST
    plain = MNIST.variant(decorrelated=False)
    assert (plain.settings.rate, plain.settings.gain) == (1e-6, 1e5)
    assert (plain.decorrelated, plain.weight_schedule.start) == (False, 0)
    whitened = MNIST.variant(whitening=0.5).settings
    assert (whitened.rate, whitened.gain, whitened.decorrelation.rate) == (1e-6, 1e5, 1e-5)
    scaled = MNIST.variant(variance_scaled=True).settings
    assert (scaled.rate, scaled.gain) == (1e-4, 1000.0)
    assert scaled.rule == pycopi.COPI(variance_scaled=True, epsilon=1e-2)
    gradient = MNIST.variant(rule="gradient", whitening=0.5).settings
    assert (gradient.rate, gradient.gain) == (1e-3, 1000.0)


def test_fast_takes_larger_steps_more_rarely():
    for every in (5, 3):
        found = MNIST.fast(every).settings.decorrelation
        assert (found.every, found.rate) == (every, every * 1e-3)
    assert FILES.fast().settings.step_bound == FILES.settings.step_bound
    assert DIGITS.fast().weight_schedule == DIGITS.weight_schedule


@pytest.mark.parametrize("name", PRESETS)
def test_subspace_is_the_recipe(name):
    preset = PRESETS[name].subspace()
    sizes = [12, *preset.hidden, 3]
    recipe = pycopi.subspace_recipe(
        sizes, epochs=preset.epochs, batch_size=preset.batch_size, standardized=preset.standardized
    )
    assert preset.network(12, 3) == recipe.network
    how = {name: value for name, value in preset.how().items() if name in recipe.arguments}
    assert how == recipe.arguments == {**how, "settings": recipe.settings}
    assert replace(preset, epochs=7).how()["weight_schedule"] == pycopi.Course(epochs=7)
    assert preset.for_regression().settings.loss == "squared_error"


@pytest.mark.parametrize("method", METHODS)
def test_methods_are_those_of_the_paper(method):
    preset = CIFAR10.using(method)
    decorrelated = not method.startswith("bp-adam")
    assert (preset.decorrelated, preset.weight_schedule.start) == (decorrelated, int(decorrelated))
    network = preset.network(3072, 10)
    assert all((layer.decorrelated == decorrelated) for layer in network.layers)
    state = replace(preset, hidden=(4,)).start(pycopi.mlp([3, 4, 2], decorrelated=decorrelated))
    assert bool(state.credit) == (method == "copi-fa")
    assert bool(state.optimizer) == method.startswith("bp-adam")


def test_an_unknown_method_says_what_there_is():
    message = f"method is 'sgd'; expected one of {', '.join(METHODS)}"
    with pytest.raises(ValueError, match=exactly(message)):
        MNIST.using("sgd")


@pytest.mark.parametrize("classes", [True, False])
def test_the_preset_for_files_learns_from_any_scale(classes):
    rng = np.random.default_rng(0)
    x = (1e4 * rng.normal(size=(200, 4)) + 3e4).astype(np.float32)
    score = (x - 3e4) @ np.array([1.0, -1.0, 2.0, 0.5], np.float32)
    preset = replace(FILES if classes else FILES.for_regression(), epochs=30)
    targets = (score > 0).astype(np.int64) if classes else score
    network = preset.network(4, 2 if classes else 1, targets)
    state = pycopi.fit(network, preset.start(network, inputs=x), x, targets, **preset.how())
    if classes:
        assert state.history[-1].accuracy > 0.95
    else:
        assert state.history[-1].loss < 0.05 * 0.5 * float(np.var(score))


def test_adam_trains_on_a_file(tmp_path):
    """Its preset has a bound, which Adam refuses: the variant has none."""
    path = save_set(tmp_path / "set.npz", y=np.arange(60) % 3)
    call("train", path, "--rule", "adam", "--epochs", 2, "--quiet", "--output", tmp_path / "run")
    settings = pycopi.load(tmp_path / "run" / "model.safetensors").details["settings"]
    assert (settings["rule"], settings["step_bound"], settings["rate"]) == ("adam", None, 1e-3)
