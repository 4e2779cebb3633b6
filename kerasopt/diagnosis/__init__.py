"""What to look at before and during a training."""

from kerasopt.diagnosis.rate_range import RateRange, lr_range_test
from kerasopt.evaluation.verdict import Diagnosis, diagnose, overfits, statistics_lag

__all__ = [
    "Diagnosis",
    "RateRange",
    "diagnose",
    "lr_range_test",
    "overfits",
    "statistics_lag",
]
