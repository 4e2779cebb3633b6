"""What a model costs, by the names of `kerasopt.models.cost`."""

from kerasopt.models.cost import flops, latency_milliseconds, parameters

__all__ = ["flops", "latency_milliseconds", "parameters"]
