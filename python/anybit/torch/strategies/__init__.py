"""Training strategies and regularizers."""

from .adaptive import AdaptiveWidths
from .base import AllCandidates, Distillation, OneCandidate, Sandwich, Step, Strategy, divergence
from .bases import LossAwareBases
from .regularizers import KURE, GradientL1, kurtosis
from .swapping import ArbitraryWidths, BlockSwapping

__all__ = ["AdaptiveWidths", "AllCandidates", "ArbitraryWidths", "BlockSwapping", "Distillation", "GradientL1", "KURE",
           "LossAwareBases", "OneCandidate", "Sandwich", "Step", "Strategy", "divergence", "kurtosis"]
