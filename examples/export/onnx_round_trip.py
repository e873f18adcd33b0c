"""Export to ONNX
==============

Trains a network, exports it, and lets onnxruntime label the test set. Prints what the file takes and gives, and
that its labels and scores are those of pycopi::

    takes inputs ['batch', 64], gives label ['batch'] and scores ['batch', 10]
    accuracy 0.99, as that of pycopi: True
    scores agree to 1e-5: True
"""

import onnxruntime

import pycopi
from pycopi.data import load_dataset


def main() -> None:
    """Train, export, predict."""
    digits = load_dataset("digits")
    network = pycopi.mlp([64, 128, 128, 10])
    settings = pycopi.Settings(rate=1e-2, gain=100.0, decorrelation=pycopi.Decorrelation(rate=1e-2))
    train = digits.x_train, digits.y_train
    state = pycopi.fit(network, network.init(0), *train, epochs=20, batch_size=20, settings=settings)
    pycopi.export.onnx(network, state.parameters, "digits.onnx", classes=range(10))

    session = onnxruntime.InferenceSession("digits.onnx")
    (takes,), (first, second) = session.get_inputs(), session.get_outputs()
    shapes = [f"{one.name} {one.shape}" for one in (takes, first, second)]
    print(f"takes {shapes[0]}, gives {shapes[1]} and {shapes[2]}")
    label, scores = session.run(None, {"inputs": digits.x_test})
    accuracy = (label == digits.y_test).mean()
    expected = network.predict(state.parameters, digits.x_test)
    same = (label == expected.argmax(axis=1)).all()
    print(f"accuracy {accuracy:.2f}, as that of pycopi: {bool(same)}")
    print(f"scores agree to 1e-5: {bool(abs(scores - expected).max() < 1e-5 * abs(expected).max())}")


if __name__ == "__main__":
    main()
