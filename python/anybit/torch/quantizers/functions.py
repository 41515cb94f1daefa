"""The uniform formats of numerics N2 as differentiable functions.

Forward is N2's encode and decode in float32, division and not multiplication by a reciprocal, so that a trained value
is the deployed one to the bit. (NaN stays NaN here, so that a diverging training is seen; deployed it is code 0's.)

Backward, with inside = low*s < x < high*s, w the integer of the format (decode = s*w), g the gradient of the result:

    dx = g where inside, else 0
    ds = sum of g * (w - x/s where inside, w elsewhere)    rule "lsq" (LSQ, and variant A of algorithms 2.5)
    ds = sum of g * (0 where inside, w elsewhere)          rule "clip" (PACT: s = c/M, dc = sum of g where x >= c)
    dz = -s * sum of g outside                             (LSQ+)

The sums are taken as inner products of whole tensors, <g, y> - <dx, x> over s, which needs no temporary.
"""

from __future__ import annotations

import torch
from torch import Tensor

RULES = ("lsq", "clip")


def code_range(kind: str, bits: int) -> tuple[int, int]:
    """Smallest and largest code of N2."""
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if kind == "signed" else (0, (1 << bits) - 1)


def integer_range(kind: str, bits: int) -> tuple[int, int]:
    """Smallest and largest integer w of N2's decode s*w, for a zero point of 0."""
    low, high = code_range(kind, bits)
    return (-high, high) if kind == "odd" else (low, high)


def fake_quantize(x: Tensor, scale: Tensor, kind: str, bits: int, zero: "Tensor | None" = None,
                  rule: str = "lsq") -> Tensor:
    """decode(encode(x)) of N2: kind is "signed", "unsigned" or "odd"; scale (float32, > 0) and zero (integral, only of
    "unsigned") have one element or broadcast against x. Returns float32 of the shape of x."""
    return _FakeQuantize.apply(x.float(), scale, zero, kind, bits, rule)


def learned_quantize(x: Tensor, parameter: Tensor, divisor: int, factor: float, kind: str, bits: int,
                     rule: str) -> Tensor:
    """`fake_quantize` with the scale `positive(parameter) / divisor`, whose gradient is multiplied by `factor`, as one
    node of the graph: the parameter is tiny, and what many small operations on it cost is their calls."""
    return _LearnedQuantize.apply(x.float(), parameter, divisor, factor, kind, bits, rule)


@torch.no_grad()
def encode(x: Tensor, scale: Tensor, kind: str, bits: int, zero: "Tensor | None" = None) -> Tensor:
    """The codes of N2 as int32."""
    integers = _round(x.float(), scale, kind, bits, zero)
    if kind == "odd":
        return ((integers + ((1 << bits) - 1)) / 2).to(torch.int32)
    return (integers if zero is None else integers + zero).to(torch.int32)


def _round(x: Tensor, scale: Tensor, kind: str, bits: int, zero: "Tensor | None") -> Tensor:
    """The integers w, as floats, in one new tensor."""
    u = _divided(x, scale)
    if zero is None:
        return integers_(u, kind, bits)
    low, high = code_range(kind, bits)
    return u.round_().add_(zero).clamp_(low, high).sub_(zero)


def integers_(u: Tensor, kind: str, bits: int) -> Tensor:
    """The integers w of u = x/s in place, for a zero point of 0."""
    low, high = code_range(kind, bits)
    if kind == "odd":
        return u.mul_(0.5).floor_().add_(1 << (bits - 1)).clamp_(low, high).mul_(2).sub_(high)
    return u.round_().clamp_(low, high)


def _divided(x: Tensor, scale: Tensor) -> Tensor:
    """x/scale with the strides of x, also where one channel leaves the memory format open, which torch.div forgets."""
    if x.dim() == 4 and x.shape[1] == 1 and not torch.compiler.is_compiling():
        return torch.div(x, scale, out=torch.empty_like(x))
    return torch.div(x, scale)


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Sum of a*b as a 0-dim tensor; dense tensors of equal strides without a temporary."""
    if a.is_contiguous() and b.is_contiguous():
        return torch.dot(a.view(-1), b.view(-1))
    if a.dim() == 4 and all(t.is_contiguous(memory_format=torch.channels_last) for t in (a, b)):
        return torch.dot(a.permute(0, 2, 3, 1).reshape(-1), b.permute(0, 2, 3, 1).reshape(-1))
    return (a * b).sum()


def reduce_to(x: Tensor, like: Tensor) -> Tensor:
    """Sums x over the axes along which `like` was broadcast."""
    return x.sum() if like.numel() == 1 else x.sum_to_size(like.shape)


class _FakeQuantize(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x: Tensor, scale: Tensor, zero: "Tensor | None", kind: str, bits: int, rule: str) -> Tensor:
        y = _round(x, scale, kind, bits, zero).mul_(scale)
        ctx.save_for_backward(x, scale, zero, y)
        ctx.format = kind, bits, rule
        return y

    @staticmethod
    def backward(ctx, grad: Tensor):
        x, scale, zero, y = ctx.saved_tensors
        kind, bits, rule = ctx.format
        grad_x = _masked(grad, x, scale, zero, integer_range(kind, bits))
        grad_scale = grad_zero = None
        if ctx.needs_input_grad[1]:
            grad_scale = _scale_gradient(grad, grad_x, x if rule == "lsq" else y, y, scale)
        if ctx.needs_input_grad[2]:
            grad_zero = -scale * (reduce_to(grad, scale) - reduce_to(grad_x, scale))
        return grad_x, grad_scale, grad_zero, None, None, None


class _LearnedQuantize(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x: Tensor, parameter: Tensor, divisor: int, factor: float, kind: str, bits: int,
                rule: str) -> Tensor:
        scale = positive(parameter)
        scale = scale if divisor == 1 else scale / divisor
        y = _round(x, scale, kind, bits, None).mul_(scale)
        ctx.save_for_backward(x, parameter, scale, y)
        ctx.settings = divisor, factor, kind, bits, rule
        return y

    @staticmethod
    def backward(ctx, grad: Tensor):
        x, parameter, scale, y = ctx.saved_tensors
        divisor, factor, kind, bits, rule = ctx.settings
        grad_x = _masked(grad, x, scale, None, integer_range(kind, bits))
        grad_parameter = None
        if ctx.needs_input_grad[1]:
            grad_scale = _scale_gradient(grad, grad_x, x if rule == "lsq" else y, y, scale)
            slope = parameter.sign() * (parameter.abs() >= TINY_SCALE)
            grad_parameter = (grad_scale * slope).mul_(factor / divisor)
        return grad_x, grad_parameter, None, None, None, None, None


def _masked(grad: Tensor, x: Tensor, scale: Tensor, zero: "Tensor | None", integers: tuple[int, int]) -> Tensor:
    """grad where low*s < x < high*s, else 0."""
    if scale.numel() == 1 and x.device.type == "cpu" and not torch.compiler.is_compiling():
        s, z = scale.item(), 0 if zero is None else zero.item()
        return torch.ops.aten.hardtanh_backward(grad, x, s * (integers[0] - z), s * (integers[1] - z))  # one pass
    low, high = (scale * bound if zero is None else scale * (bound - zero) for bound in integers)
    return torch.where((x > low) & (x < high), grad, grad.new_zeros(()))


def _scale_gradient(grad: Tensor, grad_x: Tensor, inside: Tensor, y: Tensor, scale: Tensor) -> Tensor:
    if scale.numel() == 1:
        return ((inner(grad, y) - inner(grad_x, inside)) / scale.reshape(())).reshape(scale.shape)
    return reduce_to(torch.addcmul(grad * y, grad_x, inside, value=-1), scale) / scale


class _ScaleGradient(torch.autograd.Function):
    """The identity whose gradient is multiplied by a number (LSQ's 1/sqrt(N*Qp))."""

    @staticmethod
    def forward(ctx, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad: Tensor):
        return grad * ctx.factor, None


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """x, with its gradient multiplied by `factor`."""
    return _ScaleGradient.apply(x, factor)


class _Straight(torch.autograd.Function):
    """y in front, the gradient to x as if y were x."""

    @staticmethod
    def forward(ctx, x: Tensor, y: Tensor) -> Tensor:
        return y.view_as(y)

    @staticmethod
    def backward(ctx, grad: Tensor):
        return grad, None


def straight_through(x: Tensor, y: Tensor) -> Tensor:
    """The value y, the gradient of x; nothing flows into y."""
    return _Straight.apply(x, y.detach())


TINY_SCALE = 1e-8


def positive(parameter: Tensor) -> Tensor:
    """|parameter|, at least TINY_SCALE: a learned step or clip that crosses 0 stays a legal scale of N2."""
    return parameter.abs().clamp_min(TINY_SCALE)
