"""Keys of the metadata (`metadata_props`) that bcsim reads and writes in ONNX files."""

from __future__ import annotations

__all__ = [
    "CHECKED_KEY",
    "DATASET_KEY",
    "INPUT_OFFSET_KEY",
    "INPUT_SCALE_KEY",
    "NOTES_KEY",
    "ORIGIN_KEY",
    "PREPROCESSED_DATASET_KEY",
    "PREPROCESSING_KEY",
    "ROUNDING_KEY",
    "SCORE_ERROR_KEY",
    "SCORE_OFFSET_KEY",
    "SCORE_SCALE_KEY",
    "STANDARD_KEY",
    "WEIGHTS_KEY",
]

DATASET_KEY = "bcsim.dataset"
"""The data set that a network was trained for, or a program calibrated on."""

INPUT_SCALE_KEY = "bcsim.input_scale"
"""A network sees a raw level q as scale * q + offset; a fraction such as "1/255"."""

INPUT_OFFSET_KEY = "bcsim.input_offset"
"""The offset of `INPUT_SCALE_KEY`, a fraction."""

ROUNDING_KEY = "bcsim.input"
"""Of a program whose network sees rounded pixels: the name of the rounding, "sign" or "fixed"."""

PREPROCESSING_KEY = "bcsim.preprocessing"
"""Of a network that sees images which the host has preprocessed: how, e.g. "gcn-zca"."""

PREPROCESSED_DATASET_KEY = "bcsim.preprocessed_dataset"
"""The data set that such a network was trained for."""

WEIGHTS_KEY = "bcsim.weights"
"""Says "real" of a network that runs with the real weights of its training, which no machine takes."""

CHECKED_KEY = "bcsim.checked_thresholds"
"""Of a program: how many integer thresholds were enumerated and compared."""

SCORE_ERROR_KEY = "bcsim.score_error"
"""Of an exact program: the most by which a score differs from the float network's, for any input; a decimal number."""

ORIGIN_KEY = "bcsim.reading"
"""Of a program: where its reading of the input comes from, in JSON."""

NOTES_KEY = "bcsim.notes"
"""Of a program: what lowering noted, a list of strings in JSON."""

STANDARD_KEY = "bcsim.standard"
"""Says "1" of a program in ONNX's own operators, for other runtimes."""

SCORE_SCALE_KEY = "bcsim.score_scale"
"""Of such a program: a score q stands for scale * q + offset, both fractions."""

SCORE_OFFSET_KEY = "bcsim.score_offset"
"""The offset of `SCORE_SCALE_KEY`."""
