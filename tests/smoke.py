"""Checks an installed wheel: ``python smoke.py``, or ``python smoke.py pure`` where there is no C core."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pycopi
from pycopi.kernels import native


def main() -> None:
    """Train on the digits, save, load; raise unless all of it works."""
    assert native.available == (sys.argv[1:] != ["pure"]), f"C core: {native.available}"
    digits = pycopi.data.load_dataset("digits")
    test = digits.x_test, digits.y_test
    network = pycopi.mlp([64, 64, 10])
    settings = pycopi.Settings(rate=1e-2, gain=100.0, decorrelation=pycopi.Decorrelation(rate=1e-2))
    start, how = network.init(0), {"epochs": 10, "batch_size": 20, "settings": settings}
    state = pycopi.fit(network, start, digits.x_train, digits.y_train, **how)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "digits.safetensors")
        pycopi.save(path, network, state.parameters)
        accuracy = pycopi.evaluate(network, pycopi.load(path).parameters, *test).accuracy
    subprocess.run([sys.executable, "-P", "-c", "import pycopi; pycopi.show_config()"], check=True)
    print("test accuracy", accuracy)
    assert accuracy > 0.97


if __name__ == "__main__":
    main()
