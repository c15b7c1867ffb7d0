"""Where the public names live, for type checkers; written by `python -m tests.snapshots`."""

from mse import diagnostics as diagnostics
from mse import disclosure as disclosure
from mse import plots as plots
from mse import sensitivity as sensitivity
from mse import simulate as simulate
from mse.answer.population import PopulationEstimate as PopulationEstimate
from mse.bayes.decomposable import DecomposableGraphs as DecomposableGraphs
from mse.bayes.heterogeneity import HeterogeneousLogLinear as HeterogeneousLogLinear
from mse.bayes.latent_classes import LatentClasses as LatentClasses
from mse.bayes.model_average import BayesianLogLinear as BayesianLogLinear
from mse.bayes.pooled import PooledLogLinear as PooledLogLinear
from mse.bayes.thresholded import ThresholdedLogLinear as ThresholdedLogLinear
from mse.bounding import bounds as bounds
from mse.bounding import tipping_points as tipping_points
from mse.classical.closed_population import ClosedPopulation as ClosedPopulation
from mse.classical.sample_coverage import SampleCoverage as SampleCoverage
from mse.classical.two_lists import Chapman as Chapman
from mse.classical.two_lists import LincolnPetersen as LincolnPetersen
from mse.comparing import compare as compare
from mse.contrasts import contrast as contrast
from mse.data.datasets import list_datasets as list_datasets
from mse.data.datasets import load_dataset as load_dataset
from mse.data.read_options import ReadOptions as ReadOptions
from mse.data.reading import Reading as Reading
from mse.data.reading import read as read
from mse.data.table import CaptureTable as CaptureTable
from mse.driving import drivers as drivers
from mse.errors import BoundaryWarning as BoundaryWarning
from mse.errors import ConvergenceWarning as ConvergenceWarning
from mse.errors import InconsistentRecordsWarning as InconsistentRecordsWarning
from mse.errors import InvalidTableError as InvalidTableError
from mse.errors import MissingDependencyError as MissingDependencyError
from mse.errors import ModelError as ModelError
from mse.errors import MSEError as MSEError
from mse.errors import MSEWarning as MSEWarning
from mse.errors import SparseTableWarning as SparseTableWarning
from mse.estimating import estimate as estimate
from mse.loglinear import LogLinear as LogLinear
from mse.loglinear import LogLinearSearch as LogLinearSearch
from mse.models.terms import HierarchicalModel as HierarchicalModel
from mse.monitoring import monitor as monitor
from mse.planning import plan as plan
from mse.reporting import write_report as write_report
from mse.resampling import bootstrap as bootstrap
from mse.validation import validate as validate

__version__: str
__all__: list[str]
