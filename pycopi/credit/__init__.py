"""Credit: how the error of the outputs becomes a perturbation of each layer below; one family a file."""

from pycopi.credit.backpropagation import Backpropagation
from pycopi.credit.base import Credit, Problem
from pycopi.credit.direct_feedback import DirectFeedbackAlignment
from pycopi.credit.feedback import FeedbackAlignment
from pycopi.layers import Trace

__all__ = [
    "CREDIT",
    "Backpropagation",
    "Credit",
    "DirectFeedbackAlignment",
    "FeedbackAlignment",
    "Problem",
    "Trace",
]

CREDIT: dict[str, Credit] = {
    "backpropagation": Backpropagation(),
    "feedback_alignment": FeedbackAlignment(),
    "direct_feedback_alignment": DirectFeedbackAlignment(),
}
"""The ways of assigning credit by the names that `pycopi.Settings` uses."""
