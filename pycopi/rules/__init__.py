"""The learning rules: each is one rank-k update of one matrix.

In every file the public function checks its arguments and calls its unchecked twin, which is the equation
alone; the training step, whose arguments are known to be good, calls the twins.
"""
