"""Quantizers, one file per family; the formats are those of numerics N2."""

from .base import Bases, Grid, Quantizer, Site, Spec, Table
from .binary import XNOR, MeanAbs
from .dorefa import DoReFa
from .functions import encode, fake_quantize
from .lsq import LSQ, LSQPlus
from .pact import PACT

__all__ = ["Bases", "DoReFa", "Grid", "LSQ", "LSQPlus", "MeanAbs", "PACT", "Quantizer", "Site", "Spec", "Table", "XNOR",
           "encode", "fake_quantize"]
