"""Resize and Upsample as `torch.nn.Upsample`, where both mean the same positions."""

from __future__ import annotations

from torch import fx, nn

from .call import Call

_LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


def _nearest_is_floor(call: Call, scales: list[float] | None) -> bool:
    """Whether output i reads input floor(i / scale), which is what `torch` does."""
    positions = call.attribute("coordinate_transformation_mode", "half_pixel" if call.opset >= 11 else "asymmetric")
    rounding = call.attribute("nearest_mode", "round_prefer_floor")
    if positions == "asymmetric" and (rounding == "floor" or call.opset < 11):
        return True
    whole = scales is not None and all(scale == int(scale) for scale in scales)
    if positions == "asymmetric":
        return whole and rounding == "round_prefer_floor" and all(scale <= 2 for scale in scales)
    # (i + 1/2) / n - 1/2 lies within half a position of floor(i / n), and never on the half.
    return whole and positions in ("half_pixel", "pytorch_half_pixel") and rounding.startswith("round_prefer")


def _resize(call: Call) -> fx.Node:
    rank, sizes, scales = call.rank(), None, None
    upsample = call.node.op_type == "Upsample" or call.opset < 11
    if call.attribute("scales") is not None:
        scales = list(call.attribute("scales"))
    elif not upsample and call.has_input(3):
        sizes = call.integers(3, "sizes")
    else:
        scales = [float(s) for s in call.require(1 if upsample else 2, "scales").reshape(-1)]
    rank = rank or len(sizes or scales)
    if rank not in _LINEAR or len(sizes or scales) != rank or call.attribute("axes"):
        raise call.refuse(f"a tensor of rank {rank} or the attribute axes, expected rank 3 to 5 and every axis")
    if scales and scales[:2] != [1.0, 1.0]:
        raise call.refuse(f"scales {scales}, expected 1 for the axes 0 and 1")
    if call.attribute("antialias", 0) or call.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise call.refuse("antialias and keep_aspect_ratio_policy")
    where = {"size": tuple(sizes[2:])} if sizes else {"scale_factor": tuple(scales[2:])}
    return call.module(_upsample(call, rank, scales and scales[2:], where), call.value(0))


def _upsample(call: Call, rank: int, scales: list[float] | None, where: dict) -> nn.Upsample:
    mode = call.attribute("mode", "nearest")
    positions = call.attribute("coordinate_transformation_mode", "half_pixel" if call.opset >= 11 else "asymmetric")
    if mode == "nearest" and _nearest_is_floor(call, scales):
        return nn.Upsample(**where, mode="nearest")
    if mode == "linear" and positions in ("align_corners", "half_pixel", "pytorch_half_pixel"):
        return nn.Upsample(**where, mode=_LINEAR[rank], align_corners=positions == "align_corners")
    raise call.refuse(f"mode {mode} with {positions} and {call.attribute('nearest_mode', 'round_prefer_floor')}, which "
                      "torch.nn.Upsample lacks")


HANDLERS = {"Resize": _resize, "Upsample": _resize}
