"""Where the names of the public interface come from: `pycopi` imports them when one of them is first used."""

from pycopi import activations as activations
from pycopi import analysis as analysis
from pycopi.config import show_config as show_config
from pycopi.kernels.engine import use_engine as use_engine
from pycopi.layers import Dense as Dense
from pycopi.layers import DenseParameters as DenseParameters
from pycopi.network import Network as Network
from pycopi.network import mlp as mlp
from pycopi.rules.adam import Adam as Adam
from pycopi.rules.decorrelation import (
    Decorrelation as Decorrelation,
)
from pycopi.rules.decorrelation import (
    decorrelation_update as decorrelation_update,
)
from pycopi.rules.rank_k import rank_k_update as rank_k_update
from pycopi.rules.sample import (
    SampleState as SampleState,
)
from pycopi.rules.sample import (
    decorrelate_sample as decorrelate_sample,
)
from pycopi.rules.sample import (
    finish_samples as finish_samples,
)
from pycopi.rules.sample import (
    start_samples as start_samples,
)
from pycopi.rules.stream import decorrelate_stream as decorrelate_stream
from pycopi.rules.weights import copi_update as copi_update
from pycopi.rules.weights import gradient_update as gradient_update
from pycopi.settings import Rates as Rates
from pycopi.settings import Settings as Settings
from pycopi.storage import load as load
from pycopi.storage import save as save
from pycopi.training.divergence import DivergenceError as DivergenceError
from pycopi.training.evaluate import evaluate as evaluate
from pycopi.training.fit import fit as fit
from pycopi.training.guard import Guard as Guard
from pycopi.training.history import (
    EpochRecord as EpochRecord,
)
from pycopi.training.history import (
    TrainingInterrupted as TrainingInterrupted,
)
from pycopi.training.history import (
    TrainingState as TrainingState,
)
from pycopi.training.history import (
    early_stopping as early_stopping,
)
from pycopi.training.schedules import Schedule as Schedule
from pycopi.training.step import train_step as train_step
from pycopi.training.steps import train_steps as train_steps
