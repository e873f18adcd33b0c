"""A preset: a network and how it is trained, and the ways to vary both."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from pycopi._array import Array, namespace
from pycopi.activations import Affine, Identity
from pycopi.network import Network, mlp
from pycopi.presets.methods import METHODS
from pycopi.presets.subspace import BATCH_SIZE, SUBSPACE
from pycopi.rules.inference import COPI
from pycopi.settings import Settings
from pycopi.state import State, start
from pycopi.training.course import Course
from pycopi.training.schedules import Schedule

VARIANCE_SCALED_EPSILON = 1e-2
"""Keeps the steps of weak inputs small when each is divided by the power of its input."""

_WHITENING = 0.01  # of the decorrelation rate: whitening raises inputs that are nearly always zero without end
_STEPS, _LEAST = 5, 16  # steps of an epoch, and samples of a step: what few samples are divided into
_AFTER_ONE, _ALWAYS = Schedule(start=1), Schedule()  # the first epoch of the paper decorrelates alone
_LARGE = "mnist", "cifar10"  # whose epochs have a thousand steps
_FEW_EPOCHS = 4  # of these where the step size falls to 0
_EVERY, _FAST_STEP, _FAST_BOUND = 5, 2.0, 0.5  # what `Preset.fast` does


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A network and how it is trained on some data.

    Parameters
    ----------
    data : str
        The name of the data set, or ``"files"``.
    title : str
        The same in words.
    source : str
        Where the values come from.
    hidden : tuple of int
        The sizes of the hidden layers.
    settings : Settings
        How the network learns.
    batch_size : int
        Samples in a step.
    epochs : int
        Passes over the data, enough for the accuracy to level off; the paper made `PAPER_EPOCHS`.
    weight_schedule, decorrelation_schedule : Schedule
        When weights and decorrelating matrices learn.
    falling : bool
        Whether the step size of the weights rises and falls over all ``epochs``, as `pycopi.Course` says,
        whatever ``weight_schedule`` is.
    decorrelated : bool
        Whether each layer decorrelates its inputs.
    keep_decorrelated : bool
        Whether `pycopi.fit` decorrelates the data once while the first layer is frozen.
    activation : str
        Activation of the hidden layers.
    bias : bool
        Whether each layer has a bias.
    standardized : bool
        Whether the network standardizes its inputs.
    scaled_targets : bool
        Whether real-valued targets are learned in units of their spread.
    adam_rate : float
        Step size of the weights where Adam is the rule, dimensionless.
    image : tuple of int or None
        The shape of an input, where it is an image.

    Examples
    --------
    >>> import pycopi
    >>> preset = pycopi.presets.DIGITS
    >>> data = pycopi.data.load_dataset("digits")
    >>> network = preset.network(64, 10)
    >>> how = {**preset.how(), "epochs": 3}
    >>> state = pycopi.fit(network, preset.start(network), data.x_train, data.y_train, **how)
    >>> state.history[-1].accuracy > 0.9
    True
    """

    data: str
    title: str
    source: str
    hidden: tuple[int, ...]
    settings: Settings
    batch_size: int
    epochs: int
    weight_schedule: Schedule = _AFTER_ONE
    decorrelation_schedule: Schedule = _ALWAYS
    falling: bool = False
    decorrelated: bool = True
    keep_decorrelated: bool = False
    activation: str = "leaky_relu"
    bias: bool = False
    standardized: bool = False
    scaled_targets: bool = False
    adam_rate: float = 1e-4
    image: tuple[int, ...] | None = None

    def network(self, inputs: int, outputs: int, targets: Array | None = None) -> Network:
        """Return the network for data with so many features and classes or target columns.

        Parameters
        ----------
        inputs, outputs : int
            Features of a sample; classes, or columns of the targets.
        targets : array, shape (N,) or (N, m), or None
            The targets to train on, of any library: where they are real and ``scaled_targets`` is set, the
            network predicts in their units.

        Returns
        -------
        Network
            The description.

        Examples
        --------
        >>> import pycopi
        >>> len(pycopi.presets.MNIST.network(784, 10).layers)
        7
        """
        real = targets is not None and namespace(targets).isdtype(targets.dtype, "real floating")
        return mlp(
            [inputs, *self.hidden, outputs],
            activation=self.activation,
            output_activation=Affine.of(targets) if real and self.scaled_targets else Identity(),
            bias=self.bias,
            decorrelated=self.decorrelated,
            standardized=self.standardized,
        )

    def start(
        self, network: Network, seed: int = 0, *, like: Array | None = None, inputs: Array | None = None
    ) -> State:
        """Return the state that training begins with.

        Parameters
        ----------
        network : Network
            What `network` has returned.
        seed : int
            Seed of the weights.
        like : array, real floating, or None
            An array whose library, device and dtype they get; None is float32 NumPy.
        inputs : array, shape (N, n), or None
            The samples to train on, which a standardized network needs.

        Returns
        -------
        State
            As `pycopi.start` makes it.

        Examples
        --------
        >>> import pycopi
        >>> preset = pycopi.presets.DIGITS
        >>> preset.start(preset.network(64, 10)).parameters[0].weight.shape
        (128, 64)
        """
        data = inputs if self.standardized else None
        return start(network, self.settings, seed, like=like, data=data)

    def how(self) -> dict[str, Any]:
        """Return how to train, as keywords of `pycopi.fit`.

        Returns
        -------
        dict
            ``settings``, ``batch_size``, ``epochs``, both schedules, and ``keep_decorrelated``.

        Examples
        --------
        >>> import pycopi
        >>> pycopi.presets.MNIST.how()["batch_size"]
        50
        """
        return {
            "settings": self.settings,
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "weight_schedule": Course(epochs=self.epochs) if self.falling else self.weight_schedule,
            "decorrelation_schedule": self.decorrelation_schedule,
            "keep_decorrelated": self.keep_decorrelated,
        }

    def batch_for(self, samples: int) -> int:
        """Return how many of so many samples make a step: fewer where an epoch would have less than 5 steps.

        Parameters
        ----------
        samples : int
            The samples to train on.

        Returns
        -------
        int
            ``batch_size``, or a fifth of the samples where that is less, but not below 16.

        Examples
        --------
        >>> import pycopi
        >>> [pycopi.presets.FILES.batch_for(samples) for samples in (5, 150, 1000)]
        [16, 30, 64]
        """
        return min(self.batch_size, max(_LEAST, samples // _STEPS))

    def using(self, method: str) -> "Preset":
        """Return the preset with a method of the paper.

        Parameters
        ----------
        method : str
            A name in `METHODS`.

        Returns
        -------
        Preset
            The same network and batches. Without decorrelation, weights learn from the first epoch on.

        Raises
        ------
        ValueError
            If there is no method of this name.

        Examples
        --------
        >>> import pycopi
        >>> pycopi.presets.MNIST.using("bp-adam").settings.rate
        0.0001
        """
        if method not in METHODS:
            msg = f"method is {method!r}; expected one of {', '.join(METHODS)}"
            raise ValueError(msg)
        chosen, own = METHODS[method], self._by_rule(METHODS[method].rule)
        rule = chosen.decorrelation_rule or own.decorrelations[0].rule
        optimizer = chosen.adam if chosen.rule == "adam" else "plain"
        how: dict[str, Any] = {"credit": chosen.credit, "optimizer": optimizer}
        settings = replace(own, decorrelation=replace(own.decorrelations[0], rule=rule), **how)
        return self._with(settings, chosen.decorrelation_rule is not None)

    def variant(
        self,
        *,
        rule: Literal["copi", "gradient", "adam"] = "copi",
        whitening: float = 0.0,
        decorrelated: bool = True,
        variance_scaled: bool = False,
    ) -> "Preset":
        """Return the preset with the step sizes of a variant of COPI.

        Parameters
        ----------
        rule : {"copi", "gradient", "adam"}
            How weights learn.
        whitening : float
            Strength in [0, 1], as that of `Decorrelation`.
        decorrelated : bool
            Whether the layers decorrelate their inputs.
        variance_scaled : bool
            Whether each COPI step is divided by the power of its input.

        Returns
        -------
        Preset
            The same network and batches, and step sizes that suit the variant.

        Notes
        -----
        Inputs that stay correlated, or whose powers are raised, let the weights of COPI grow by a share of
        ``rate``: there the rate is a thousandth and the gain a hundredfold. Steps divided by the power of the
        input are larger: there the rate is a tenth. Adam does without a gain and without a step bound.

        Examples
        --------
        >>> import pycopi
        >>> pycopi.presets.MNIST.variant(whitening=0.5).settings.gain
        100000.0
        """
        settings = self._by_rule(rule)
        decorrelation, rate, gain = settings.decorrelations[0], settings.rate, settings.gain
        if rule == "copi" and (whitening > 0 or not decorrelated):
            rate, gain = rate / 1000, gain * 100
        scaled = rule == "copi" and variance_scaled
        if scaled:
            rate /= 10
        step = decorrelation.rate * (_WHITENING if whitening > 0 else 1.0) if decorrelated else 0.0
        settings = replace(
            settings,
            rate=rate,
            gain=gain,
            rule=COPI(variance_scaled=True, epsilon=VARIANCE_SCALED_EPSILON) if scaled else rule,
            decorrelation=replace(decorrelation, rate=step, whitening=whitening),
        )
        return self._with(settings, decorrelated)

    def fast(self, every: int = _EVERY) -> "Preset":
        """Return the preset that does the least work: decorrelating matrices learn in every so-many-th step.

        Parameters
        ----------
        every : int
            Steps from one update of the decorrelating matrices to the next; their rate is as many times larger.

        Returns
        -------
        Preset
            The same network and batches. On MNIST and CIFAR-10, whose epochs have a thousand steps, the bounds
            spare the epoch that only decorrelates, weights that take ever smaller steps settle sooner, and two
            epochs are enough for R of the first layer.

        Examples
        --------
        >>> import pycopi
        >>> pycopi.presets.CIFAR10.fast().settings.decorrelation.rate
        0.005
        """
        own, decorrelation = self.settings, self.settings.decorrelations[0]
        bound = _FAST_STEP if own.step_bound is None and own.rule != "adam" else own.step_bound
        least = _FAST_BOUND if decorrelation.step_bound is None else decorrelation.step_bound
        decorrelation = replace(decorrelation, rate=decorrelation.rate * every, every=every, step_bound=least)
        found = replace(self, settings=replace(own, step_bound=bound, decorrelation=decorrelation))
        if self.data not in _LARGE:
            return found
        return replace(
            found,
            weight_schedule=Schedule(decay=0.75),
            decorrelation_schedule=Schedule(freeze_after=(2, None)),
            keep_decorrelated=True,
        )

    def subspace(self) -> "Preset":
        """Return the preset that learns as `subspace_recipe` does.

        Returns
        -------
        Preset
            The same hidden layers, with biases. Layers keep no decorrelating matrix: the optimizer decorrelates
            inputs and perturbations in few directions. On MNIST and CIFAR-10 a run has four epochs.

        Examples
        --------
        >>> import pycopi
        >>> pycopi.presets.MNIST.subspace().settings.optimizer.step_bound
        0.05
        """
        large = self.data in _LARGE
        return replace(
            self,
            settings=SUBSPACE,
            batch_size=BATCH_SIZE if large else self.batch_size,
            epochs=_FEW_EPOCHS if large else self.epochs,
            weight_schedule=_ALWAYS,
            decorrelation_schedule=_ALWAYS,
            falling=True,
            decorrelated=False,
            keep_decorrelated=False,
            bias=True,
        )

    def for_regression(self) -> "Preset":
        """Return the preset for real-valued targets, which learns by squared error.

        Returns
        -------
        Preset
            The same but for its loss.

        Examples
        --------
        >>> import pycopi
        >>> pycopi.presets.FILES.for_regression().settings.loss
        'squared_error'
        """
        return replace(self, settings=replace(self.settings, loss="squared_error"))

    def _with(self, settings: Settings, decorrelated: bool) -> "Preset":
        """Return the preset with other settings; weights wait for decorrelated inputs alone."""
        schedule = self.weight_schedule if decorrelated else replace(self.weight_schedule, start=0)
        return replace(self, settings=settings, decorrelated=decorrelated, weight_schedule=schedule)

    def _by_rule(self, rule: Any) -> Settings:
        """Return the settings with a rule for the weights; Adam has its own rate, no gain and no bound."""
        own: dict[str, Any] = {"rate": self.adam_rate, "gain": 1.0, "step_bound": None}
        return replace(self.settings, rule=rule, **(own if rule == "adam" else {}))
