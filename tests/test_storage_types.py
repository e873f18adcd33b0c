"""Layers, activations and parameters of a user's own types in model files."""

import dataclasses

import numpy as np
import pytest
from assertions import assert_same, exactly, within

import pycopi
from pycopi.activations import LeakyReLU, Sigmoid


class Ruled(pycopi.Dense):
    """A layer of a user's own, with another rule."""

    def learn(self, parameters, signals, settings, rates, copy):
        return parameters


class OwnNetwork(pycopi.Network):
    pass


class OwnParameters(pycopi.DenseParameters):
    pass


class Cube(Sigmoid):
    pass


def comes_back(name, own, kind):
    return (
        f"the type of {name} is {own}, but a model file would give it back as a {kind}; save a {kind} with "
        "the same fields, and make your own type of it again after pycopi.load"
    )


PLAIN = pycopi.mlp([3, 2])

OWN_TYPES = {
    "network": (OwnNetwork(PLAIN.layers), None, comes_back("the network", "OwnNetwork", "Network")),
    "parameters": (
        PLAIN,
        (OwnParameters(*PLAIN.init(0)[0]),),
        comes_back("the parameters of layer 1", "OwnParameters", "DenseParameters"),
    ),
}


@pytest.mark.parametrize(
    "network",
    [
        pycopi.Network((pycopi.Dense(3, 3), Ruled(3, 2, "identity"))),
        pycopi.mlp([3, 2], output_activation=Cube()),
    ],
    ids=["layer", "activation"],
)
def test_layers_and_activations_of_other_types_come_back_with_the_network_that_was_saved(tmp_path, network):
    parameters = network.init(0)
    pycopi.save(tmp_path / "m", network, parameters)
    saved = pycopi.load(tmp_path / "m", network=network)
    assert saved.network is network
    assert_same(saved.parameters[-1].weight, parameters[-1].weight)
    message = (
        f"{tmp_path / 'm'}: this file holds {network.layers[-1]!r}, of a type that pycopi does not know; "
        "give the network that was saved: pycopi.load(path, network=network)"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.load(tmp_path / "m")
    with pytest.raises(ValueError, match=within("this file is of another network: ")):
        pycopi.load(tmp_path / "m", network=PLAIN)


@pytest.mark.parametrize(("network", "parameters", "message"), OWN_TYPES.values(), ids=OWN_TYPES)
def test_what_would_come_back_as_another_type_is_refused(model, network, parameters, message):
    before = model.read_bytes()
    with pytest.raises(TypeError, match=exactly(message)):
        pycopi.save(model, network, parameters or network.init(0))
    assert model.read_bytes() == before


def fields_of(thing):
    return {field.name: getattr(thing, field.name) for field in dataclasses.fields(pycopi.Dense)}


def test_the_advice_for_own_types_works(tmp_path):
    network = OwnNetwork((Ruled(3, 3, Cube()), Ruled(3, 2)))
    parameters = tuple(OwnParameters(*own) for own in network.init(0))
    plain = (pycopi.Dense(**{**fields_of(layer), "activation": "sigmoid"}) for layer in network.layers)
    pycopi.save(
        tmp_path / "m", pycopi.Network(tuple(plain)), tuple(pycopi.DenseParameters(*own) for own in parameters)
    )
    saved = pycopi.load(tmp_path / "m")
    lower, upper = saved.network.layers
    own = OwnNetwork(
        (
            Ruled(**{**fields_of(lower), "activation": Cube()}),
            Ruled(**{**fields_of(upper), "activation": LeakyReLU()}),
        )
    )
    assert own == network
    x = np.ones((2, 3), np.float32)
    assert_same(own.predict(saved.parameters, x), network.predict(parameters, x))
