"""anybit.torch: train a network once, switch its precision for ever.

    net = abt.switchable(net, ["w8a8", "w4a4", "w2a2", "w1a1"], weight=abt.LSQ(), activation=abt.PACT(),
                         wavelet=abt.Haar(layout="tile"), first_last=8)
    abt.fit(net, train_loader, val_loader, epochs=30)
    abt.export(net, "switchable.onnx", sample)

Needs PyTorch (`pip install anybit[torch]`); the compiler and the exported file do not.
"""

from .._errors import Unsupported
from .branches import Branches
from .candidates import Candidate, Widths, parse_candidates
from .convert import switchable
from .distill import distill
from .evaluate import Score, evaluate, evaluate_all, reestimate_batch_norm
from .fit import Diverged, History, fit, parameter_groups
from .model import Switchable
from .onnx_export import export, load_onnx_state
from .onnx_import import from_onnx
from .quantizers import (ESB, LSQ, PACT, SQ, SRQ, XNOR, APoT, DoReFa, LSQPlus, MeanAbs, MultiBase, PerWidth,
                         Ternary)
from .strategies import (KURE, AdaptiveWidths, AllCandidates, ArbitraryWidths, BlockSwapping, Distillation, GradientL1,
                         LossAwareBases, OneCandidate, Sandwich)
from .wavelet import Db2, Haar, Wavelet, dwt2, idwt2, mix_bands

__all__ = [
    "APoT", "AdaptiveWidths", "AllCandidates", "ArbitraryWidths", "BlockSwapping", "Branches", "Candidate", "Db2",
    "Distillation", "Diverged", "DoReFa", "ESB", "GradientL1", "Haar", "History", "KURE", "LSQ", "LSQPlus",
    "LossAwareBases", "MeanAbs", "MultiBase", "OneCandidate", "PACT", "PerWidth", "SQ", "SRQ", "Sandwich", "Score",
    "Switchable", "Ternary", "Unsupported", "Wavelet", "Widths", "XNOR", "distill", "dwt2", "evaluate",
    "evaluate_all", "export", "fit", "from_onnx", "idwt2", "load_onnx_state", "mix_bands", "parameter_groups",
    "parse_candidates", "reestimate_batch_norm", "switchable",
]
