"""A state that belongs to something else is refused by name, wherever one can be given."""

import numpy as np
import pytest
from assertions import exactly, within

import pycopi

RNG = np.random.default_rng(2)
X = RNG.normal(size=(40, 6)).astype(np.float32)
CLASSES = np.arange(40) % 2
NETWORK = pycopi.mlp([6, 9, 2], bias=True, decorrelated=False)
STEP = pycopi.SubspaceDecorrelation(rank=2)


def settings(**changes):
    return pycopi.Settings(**{"rule": "gradient", "gain": 1.0, "rate": 0.1, **changes})


METHODS = {
    "plain": settings(),
    "adam": settings(rule="adam"),
    "momentum": settings(optimizer="momentum"),
    "decorrelated": settings(optimizer=pycopi.Decorrelated(inputs=STEP, perturbations=STEP)),
    "feedback": settings(credit="feedback_alignment"),
    "direct": settings(credit="direct_feedback_alignment"),
    "signs": settings(credit="sign_symmetric"),
    "noise": settings(credit="node_perturbation"),
}
REMEMBERING = [name for name in METHODS if name != "plain"]
PAIRS = [(one, other) for one in REMEMBERING for other in REMEMBERING if one != other]


@pytest.mark.parametrize(("own", "other"), PAIRS)
def test_a_state_of_another_method_is_refused_by_train_step_and_fit(own, other):
    state = pycopi.start(NETWORK, METHODS[own])
    with pytest.raises(ValueError, match=r"of the state is not what the settings need|and none was given"):
        pycopi.train_step(NETWORK, state, X, CLASSES, METHODS[other])
    with pytest.raises(ValueError, match=r"of the state is not what the settings need|and none was given"):
        pycopi.fit(NETWORK, state, X, CLASSES, epochs=1, settings=METHODS[other])


def test_a_checkpoint_of_another_method_is_refused(tmp_path):
    how = {"epochs": 1, "settings": METHODS["plain"], "checkpoint": tmp_path}
    pycopi.fit(NETWORK, NETWORK.init(0), X, CLASSES, **how)
    adam = METHODS["adam"]
    message = (
        f"the run in {tmp_path} was made with another optimizer or credit; give fit the same settings, or "
    )
    with pytest.raises(ValueError, match=exactly(message + "name another folder")):
        pycopi.fit(
            NETWORK, pycopi.start(NETWORK, adam), X, CLASSES, epochs=2, settings=adam, checkpoint=tmp_path
        )
    pycopi.fit(NETWORK, NETWORK.init(0), X, CLASSES, **{**how, "epochs": 2})


def test_a_state_in_place_of_parameters_is_named(tmp_path):
    state = pycopi.start(NETWORK, METHODS["plain"])
    message = within("parameters are a State; give its field parameters")
    for attempt in (
        lambda: pycopi.evaluate(NETWORK, state, X, CLASSES),
        lambda: NETWORK.predict(state, X),
        lambda: NETWORK.fold(state),
        lambda: pycopi.save(tmp_path / "a.safetensors", NETWORK, state),
        lambda: pycopi.start(NETWORK, METHODS["plain"], parameters=state),
    ):
        with pytest.raises(TypeError, match=message):
            attempt()
    with pytest.raises(TypeError, match=within("parameters are a list; expected a tuple such as")):
        pycopi.fit(NETWORK, list(state.parameters), X, CLASSES, epochs=1)


@pytest.mark.parametrize("answer", [True, np.True_, np.bool_(1)])
def test_a_callback_ends_a_run_by_any_true(answer):
    how = {"epochs": 3, "settings": METHODS["plain"], "callbacks": [lambda state: answer]}
    assert len(pycopi.fit(NETWORK, NETWORK.init(0), X, CLASSES, **how).history) == 1
