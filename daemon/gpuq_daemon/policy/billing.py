"""What a second of a job costs its account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

from gpuq.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """Weights by GPU model, and of one CPU and one GiB of memory. A model without a weight costs `gpu`."""

    gpu: float = 1.0
    gpu_types: Mapping[str, float] = field(default_factory=dict[str, float])
    cpu: float = 0.0
    memory_gib: float = 0.0

    def gpu_weight(self, gpu_type: str | None) -> float:
        """Return what one GPU of this model costs a second."""
        return self.gpu if gpu_type is None else self.gpu_types.get(gpu_type, self.gpu)

    def rate(
        self, gpus_by_type: Mapping[str, int], *, cpus: int = 0, memory_mib: int = 0, usage_factor: float = 1.0
    ) -> float:
        """Return billing units a second: the sum of what is held times its weight, times the QOS's factor.

        Source: Slurm, TRESBillingWeights (their sum) and the QOS's UsageFactor.
        """
        gpus = sum(self.gpu_weight(gpu_type) * count for gpu_type, count in gpus_by_type.items())
        return usage_factor * (gpus + self.cpu * cpus + self.memory_gib * memory_mib / 1024)


def parse_weights(text: str) -> dict[str, float]:
    """Return `a100=1.0, v100=0.4` as a mapping.

    Raises:
        UsageError: a part is not NAME=NUMBER, or a number is below zero.
    """
    weights: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, number = (word.strip() for word in part.partition("="))
        try:
            weight = float(number) if equals and name else -1.0
        except ValueError:
            weight = -1.0
        if not (isfinite(weight) and weight >= 0):
            raise UsageError(f"'{part[:40]}' is not a billing weight: write MODEL=NUMBER, for example a100=1.0.")
        weights[name] = weight
    return weights
