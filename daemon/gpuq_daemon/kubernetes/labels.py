"""The labels of pods that gpuq knows: its own, and Spark's.

Source: Spark, "Running Spark on Kubernetes".
"""

from __future__ import annotations

OURS = "gpuq.io/gpuqd"  # which gpuqd had the pod made
TOKEN = "gpuq.io/attempt"
JOB = "gpuq.io/job-id"
NUMBER = "gpuq.io/attempt-number"

APPLICATION = "spark-app-selector"
ROLE = "spark-role"
DRIVER = "driver"
EXECUTOR = "spark-exec-id"
