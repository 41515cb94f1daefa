"""Training strategies and regularizers."""

from .base import AllCandidates, Distillation, OneCandidate, Sandwich, Step, Strategy, divergence

__all__ = ["AllCandidates", "Distillation", "OneCandidate", "Sandwich", "Step", "Strategy", "divergence"]
