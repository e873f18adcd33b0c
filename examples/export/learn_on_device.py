"""Learn on a device, in C
=======================

Exports an untrained network as one C header, which allocates no memory. Compiles it for this machine with cc,
sends it the training images one by one, then the test images. Prints what the header takes and what it has
learned::

    predict: flash 14800 bytes, RAM 200 bytes
    learn_one: flash 14800 bytes, RAM 42904 bytes
    test accuracy 0.94
"""

import subprocess
from pathlib import Path

import numpy as np

import pycopi

PROGRAM = r"""
#include <stdio.h>
#include "digits.h"
int main(void)
{
    static copi_learner self; /* all memory that learning takes */
    struct { float image[copi_inputs]; int digit; } one;
    float outputs[copi_outputs], right = 0.0f;
    copi_learner_start(&self);
    for (int seen = 0; fread(&one, sizeof one, 1, stdin) == 1; seen++)
        if (seen < 1437)
            copi_learn_one(&self, one.image, one.digit);
        else {
            copi_learner_predict(&self, one.image, outputs);
            right += copi_class(outputs) == one.digit;
        }
    printf("test accuracy %.2f\n", right / 360.0f);
}
"""

digits = pycopi.data.load_dataset("digits")
network = pycopi.mlp([64, 50, 10])
how = pycopi.Settings(rate=1e-4, step_bound=0.3, decorrelation=pycopi.Decorrelation(rate=1e-2))
sizes = pycopi.export.c(network, network.init(0), "digits.h", classes=range(10), settings=how)
for name, size in sizes.items():
    print(f"{name}: flash {size.flash} bytes, RAM {size.ram} bytes")
Path("main.c").write_text(PROGRAM)
subprocess.run(["cc", "-std=c99", "-O2", "main.c", "-o", "digits", "-lm"], check=True)
x = np.concatenate([digits.x_train, digits.x_test])
y = np.concatenate([digits.y_train, digits.y_test]).astype(np.int32)
rows = b"".join(image.tobytes() + digit.tobytes() for image, digit in zip(x, y, strict=True))
print(subprocess.run(["./digits"], input=rows, capture_output=True, check=True).stdout.decode(), end="")
