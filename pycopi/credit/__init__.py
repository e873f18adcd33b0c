"""Credit: how the error of the outputs becomes a perturbation of each layer; one way a file, a line here."""

from pycopi.credit.backpropagation import Backpropagation
from pycopi.credit.base import Credit, Perturbations, Problem
from pycopi.credit.direct_feedback_alignment import DirectFeedbackAlignment
from pycopi.credit.feedback_alignment import FeedbackAlignment
from pycopi.credit.node_perturbation import NodePerturbation
from pycopi.credit.sign_symmetric import SignSymmetric

__all__ = [
    "CREDIT",
    "Backpropagation",
    "Credit",
    "DirectFeedbackAlignment",
    "FeedbackAlignment",
    "NodePerturbation",
    "Perturbations",
    "Problem",
    "SignSymmetric",
]

CREDIT: dict[str, Credit] = {
    "backpropagation": Backpropagation(),
    "feedback_alignment": FeedbackAlignment(),
    "direct_feedback_alignment": DirectFeedbackAlignment(),
    "sign_symmetric": SignSymmetric(),
    "node_perturbation": NodePerturbation(),
}
"""The ways of assigning credit by the names that `pycopi.Settings` uses."""
