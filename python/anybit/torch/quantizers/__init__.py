"""Quantizers, one file per family; the formats are those of numerics N2."""

from .alq import MultiBase
from .apot import APoT
from .base import Bases, Grid, PerWidth, Quantizer, Site, Spec, Table
from .binary import XNOR, MeanAbs
from .dorefa import DoReFa
from .esb import ESB
from .functions import encode, fake_quantize
from .lsq import LSQ, LSQPlus
from .pact import PACT
from .sq import SQ, Ternary
from .srq import SRQ

__all__ = ["APoT", "Bases", "DoReFa", "ESB", "Grid", "LSQ", "LSQPlus", "MeanAbs", "MultiBase", "PACT", "PerWidth",
           "Quantizer", "SQ", "SRQ", "Site", "Spec", "Table", "Ternary", "XNOR", "encode", "fake_quantize"]
