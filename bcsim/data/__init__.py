"""Labelled images: the data sets known by name, and the user's own files.

Stands on bcsim.common.
"""

from bcsim.data.dataset import Dataset
from bcsim.data.load import load_dataset
from bcsim.data.named import NAMES

__all__ = ["NAMES", "Dataset", "load_dataset"]
