"""Callbacks of scikit-learn, which has them from 1.9 on: a task for a fit, and one for each epoch in it."""

from collections.abc import Callable
from typing import Any, TypeVar

try:
    from sklearn import callback
except ImportError:
    callback = None

CallbackSupport: Any = callback.CallbackSupportMixin if callback else type("CallbackSupport", (), {})
"""The base of estimators that take callbacks."""

Method = TypeVar("Method")


def with_callbacks(method: Method) -> Method:
    """Return a method after which callbacks are torn down."""
    return callback.with_callbacks(method) if callback else method


class FitTask:
    """What callbacks see of a fit; ``data`` are X, y and metadata, as its caller gave them."""

    def __init__(self, estimator: Any, epochs: int, **data: Any) -> None:
        begin = getattr(estimator, "_init_callback_context", None)
        self._about = {"estimator": estimator, **data}
        self._fit = begin and begin(max_subtasks=epochs).call_on_fit_task_begin(**self._about)
        self._epoch: Any = None

    def begin_epoch(self) -> None:
        """Tell callbacks that an epoch begins."""
        if self._fit:
            self._epoch = self._fit.subcontext(task_name="epoch").call_on_fit_task_begin(**self._about)

    def end_epoch(self, attributes: Callable[[], dict[str, Any]]) -> bool:
        """Tell callbacks that an epoch is over, and return whether one of them ends the fit.

        ``attributes`` are those with which a copy of the estimator would be fitted.
        """
        if not self._fit:
            return False
        return bool(self._epoch.call_on_fit_task_end(**self._about, reconstruction_attributes=attributes))

    def end(self) -> None:
        """Tell callbacks that the fit is over."""
        if self._fit:
            self._fit.call_on_fit_task_end(**self._about, reconstruction_attributes={})
