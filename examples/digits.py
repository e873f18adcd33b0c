"""Train, save and load a network
==============================

Trains a network on the embedded digits, saves it, loads it, and folds each of its layers into a single matrix.
Draws digits.png, the accuracy, the loss and the correlation of each layer's inputs after each epoch. Prints
the loss and the test accuracy::

    epoch  5: loss 0.0313, test accuracy 0.9833
    epoch 10: loss 0.0149, test accuracy 0.9833
    epoch 15: loss 0.0093, test accuracy 0.9889
    epoch 20: loss 0.0066, test accuracy 0.9917
    trained 0.9917, loaded 0.9917, folded 0.9917
"""

import pycopi
from pycopi.data import load_dataset


def main() -> None:
    """Train, save, load, fold."""
    digits = load_dataset("digits")
    test = digits.x_test, digits.y_test
    network = pycopi.mlp([64, 128, 128, 10])
    settings = pycopi.Settings(rate=1e-2, gain=100.0, decorrelation=pycopi.Decorrelation(rate=1e-2))
    state = pycopi.fit(
        network,
        network.init(seed=0),
        digits.x_train,
        digits.y_train,
        epochs=20,
        batch_size=20,
        settings=settings,
        validation=test,
    )
    for record in state.history[4::5]:
        accuracy = record.validation_accuracy
        print(f"epoch {record.epoch:2}: loss {record.loss:.4f}, test accuracy {accuracy:.4f}")
    pycopi.plotting.learning_curve(state.history, "digits.png")
    pycopi.save("digits.safetensors", network, state.parameters)
    saved = pycopi.load("digits.safetensors")
    models = {
        "trained": (network, state.parameters),
        "loaded": (saved.network, saved.parameters),
        "folded": network.fold(state.parameters),
    }
    print(", ".join(f"{name} {pycopi.evaluate(*models[name], *test).accuracy:.4f}" for name in models))


if __name__ == "__main__":
    main()
