"""onnxruntime, imported here alone: it sends and stores nothing about the user.

Its builds for Linux, macOS and Windows collect telemetry. On import they write a device identifier and a queue of
events to the user's cache folder, unless ORT_DISABLE_TELEMETRY is set before (Privacy.md in the package); turning the
events off afterwards, by its API, leaves both there.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime  # noqa: TID251  (its initialisation reads the environment)

onnxruntime.disable_telemetry_events()

__all__ = ["onnxruntime"]
