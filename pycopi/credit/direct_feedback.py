"""Direct feedback alignment: the error itself through fixed random matrices."""

from dataclasses import dataclass
from typing import ClassVar

from pycopi._array import Array
from pycopi.credit.base import Credit, Problem
from pycopi.credit.feedback import feed_back


@dataclass(frozen=True)
class DirectFeedbackAlignment(Credit):
    """Perturbations ``delta_l = (e B_l) f'(a_l)`` of the error e, where B_l (m, n) is fixed and random.

    No perturbation depends on that of another layer (Nøkland, *Direct feedback alignment provides learning in
    deep neural networks*, NeurIPS 2016). Deviation: B_l is the product ``F_L ... F_{l+1}`` of the feedback
    matrices of the layers above, which the error passes one by one, at the cost of feedback alignment.
    """

    needs_feedback: ClassVar[bool] = True

    def assign(self, problem: Problem) -> tuple[Array, ...]:
        """Return each layer's perturbations."""
        perturbations, wanted = [problem.error], problem.error
        for index in range(len(problem.layers) - 1, 0, -1):
            wanted = feed_back(wanted, problem.parameters[index].feedback)
            perturbations.append(problem.perturb(index - 1, wanted))
        return tuple(reversed(perturbations))
