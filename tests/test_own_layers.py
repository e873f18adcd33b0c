"""Layers and activations from outside the package."""

import functools
from dataclasses import dataclass

import numpy as np
import pytest
from assertions import assert_same
from backends import NUMPY
from methods import CLASSES, METHODS, ONE_HOT, Y, arrays_of, assert_states_close, method

import pycopi
from pycopi._array import namespace


@dataclass(frozen=True)
class Softplus:
    def __call__(self, preactivations):
        return namespace(preactivations).logaddexp(0.0 * preactivations, preactivations)

    def derivative(self, preactivations):
        return 0.5 + 0.5 * namespace(preactivations).tanh(0.5 * preactivations)


@dataclass(frozen=True)
class Elementwise(pycopi.Layer):
    inputs: int
    outputs: int
    parameters = pycopi.DenseParameters

    def shapes(self):
        return {"weight": (self.inputs,)}

    def init(self, generator):
        return self.parameters(generator.uniform(0.5, 1.5, self.inputs))

    def forward(self, own, inputs, learning=None):
        preactivations = inputs * own.weight[None, :]
        return pycopi.Record(inputs, preactivations, preactivations)

    def pull_back(self, own, record, perturbations):
        return perturbations * own.weight[None, :], record

    def changes(self, own, record, perturbations, learning):
        x, xp = record.decorrelated, namespace(record.decorrelated)
        if perturbations is None:
            return {}
        return {"weight": learning.step_size(x) * xp.mean(perturbations * x, axis=0)}


OWN = pycopi.Network(
    (Elementwise(7, 7), pycopi.Dense(7, 6, Softplus(), bias=True), Elementwise(6, 6), pycopi.Dense(6, 3))
)


@pytest.mark.parametrize("name", ["copi", "adam", "momentum"])
def test_layers_and_activations_from_outside_learn_on_every_backend(xp, name):
    settings = METHODS[name]
    state = pycopi.start(OWN, settings, like=Y)
    for samples in (1, 6):
        batch = Y[:samples], CLASSES[:samples]
        expected, _ = pycopi.train_step(OWN, state, *batch, settings)
        moved = state.map(xp.asarray)
        step = functools.partial(pycopi.train_step, OWN, settings=settings)
        learned, _ = xp.call(step, moved, *map(xp.asarray, batch))
        assert_states_close(learned, expected, xp, xp.asarray(Y), 1e-12)
        own, _ = pycopi.train_step(OWN, state.map(np.copy), *batch, settings, copy=None)
        assert_states_close(own, expected, NUMPY, Y, 1e-14)


def test_one_weight_a_feature_descends_the_loss():
    settings, parameters = method(rule="gradient", gain=1.0), OWN.init(0, like=Y)
    learned, _ = pycopi.train_step(OWN, parameters, Y, CLASSES, settings, pycopi.Rates(1.0, None))

    def loss_of(weight):
        outputs = OWN.predict((parameters[0]._replace(weight=weight), *parameters[1:]), Y)
        return 0.5 * ((ONE_HOT - outputs) ** 2).sum(axis=1).mean()

    for place, unit in enumerate(1e-6 * np.eye(7)):
        old = parameters[0].weight
        slope = (loss_of(old + unit) - loss_of(old - unit)) / 2e-6
        assert learned[0].weight[place] - old[place] == pytest.approx(-slope, rel=1e-6, abs=1e-9)


def test_a_run_of_layers_from_outside_goes_on_from_its_folder(tmp_path):
    settings, x = METHODS["momentum"], Y.astype(np.float32)
    how = {"settings": settings, "batch_size": 2, "progress": False}
    whole = pycopi.fit(OWN, OWN.init(0), x, CLASSES, epochs=3, **how)
    pycopi.fit(OWN, OWN.init(0), x, CLASSES, epochs=1, checkpoint=tmp_path, **how)
    rest = pycopi.fit(OWN, OWN.init(0), x, CLASSES, epochs=3, checkpoint=tmp_path, **how)
    for place, array in arrays_of(whole).items():
        assert_same(arrays_of(rest)[place], array)
