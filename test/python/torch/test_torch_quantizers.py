"""Quantizers of anybit.torch: codes equal to the NumPy reference, gradients equal to their formulas, golden vectors."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import anybit.torch as abt
from anybit import reference
from anybit.torch.quantizers import Site, encode, fake_quantize
from anybit.torch.quantizers.functions import integer_range
from anybit.torch.quantizers.uniform import parameter_of

F32 = np.float32
ACTIVATION = Site("layer", "activation")


def weight_site(*shape):
    return Site("layer", "weight", shape)


def interesting(scale):
    """Every tie, its neighbours, both zeros, far ends."""
    grid = np.arange(-600, 601, dtype=F32) * F32(0.5) * F32(scale)
    near = np.concatenate([np.nextafter(grid, F32(-np.inf)), grid, np.nextafter(grid, F32(np.inf))])
    far = np.array([0.0, -0.0, 1e30, -1e30, 1e-40, -1e-40, -1e-45, np.inf, -np.inf], F32)
    return np.concatenate([near, far, np.random.default_rng(0).normal(size=500).astype(F32) * F32(40 * scale)])


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("kind,zero", [("signed", 0), ("unsigned", 0), ("unsigned", 1), ("odd", 0)])
def test_forward_is_the_reference_to_the_bit(kind, zero, bits):
    for scale in (1.0, 0.1, 0.0123, 7.3):
        x = interesting(scale)
        quantizer = reference.Quantizer(kind, bits, F32(scale), np.asarray(zero))
        want = reference.encode(x, quantizer)
        tensor, s = torch.from_numpy(x), torch.tensor(F32(scale))
        z = torch.tensor(float(zero)) if kind == "unsigned" and zero else None
        assert np.array_equal(encode(tensor, s, kind, bits, z).numpy(), want.q)
        assert np.array_equal(fake_quantize(tensor, s, kind, bits, z).numpy(), want.real)


def test_per_channel_forward_is_the_reference():
    weights = np.random.default_rng(1).normal(size=(5, 3, 2, 2)).astype(F32)
    scale = np.random.default_rng(2).uniform(.05, .5, (5, 1, 1, 1)).astype(F32)
    for kind in ("signed", "odd"):
        want = reference.encode(weights, reference.Quantizer(kind, 3, scale)).real
        got = fake_quantize(torch.from_numpy(weights), torch.from_numpy(scale), kind, 3)
        assert np.array_equal(got.numpy(), want)


def reference_gradients(x, g, scale, kind, bits, rule, zero=0.0):
    """The rules of functions.py, term by term in double."""
    low, high = integer_range(kind, bits)
    low, high = low - zero, high - zero
    u = (x / scale).double()
    inside = (u > low) & (u < high)
    w = (fake_quantize(x, scale, kind, bits, torch.tensor(zero) if zero else None) / scale).round().double()
    within = w - u if rule == "lsq" else torch.zeros_like(u)
    ds = (g * torch.where(inside, within, w)).sum()
    return torch.where(inside, g, 0), ds, -(scale * g * ~inside).sum()


@pytest.mark.parametrize("kind,bits,rule,zero", [
    ("signed", 4, "lsq", 0.), ("signed", 2, "lsq", 0.), ("unsigned", 3, "lsq", 0.), ("unsigned", 1, "clip", 0.),
    ("unsigned", 4, "clip", 0.), ("odd", 2, "lsq", 0.), ("odd", 1, "clip", 0.), ("odd", 3, "clip", 0.),
    ("unsigned", 3, "lsq", 2.)])
def test_gradient_rules(kind, bits, rule, zero):
    x = torch.randn(4000, requires_grad=True)
    scale = torch.tensor(1.7 / max(integer_range(kind, bits)[1], 1), requires_grad=True)
    z = torch.tensor(zero, requires_grad=True) if zero else None
    g = torch.randn(4000)
    fake_quantize(x, scale, kind, bits, z, rule).backward(g)
    dx, ds, dz = reference_gradients(x.detach(), g, scale.detach(), kind, bits, rule, zero)
    assert torch.equal(x.grad, dx.float())
    torch.testing.assert_close(scale.grad, ds.float(), rtol=1e-4, atol=2e-2)
    if zero:
        torch.testing.assert_close(z.grad, dz.float(), rtol=1e-4, atol=1e-3)


def test_per_channel_gradient_rule():
    x, scale = torch.randn(3, 50, requires_grad=True), torch.tensor([[.3], [.1], [.6]], requires_grad=True)
    g = torch.randn(3, 50)
    fake_quantize(x, scale, "signed", 3).backward(g)
    for row in range(3):
        dx, ds, _ = reference_gradients(x[row].detach(), g[row], scale[row].detach(), "signed", 3, "lsq")
        assert torch.equal(x.grad[row], dx.float())
        torch.testing.assert_close(scale.grad[row, 0], ds.float(), rtol=1e-4, atol=1e-3)


def test_channels_last_has_the_same_gradients():
    x = torch.randn(2, 4, 5, 5)
    grads = []
    for layout in (torch.contiguous_format, torch.channels_last):
        y, s = x.clone(memory_format=layout).requires_grad_(), torch.tensor(.2, requires_grad=True)
        out = fake_quantize(y, s, "unsigned", 3)
        out.backward(torch.sin(out.detach() + x).contiguous(memory_format=layout))
        grads.append((y.grad.clone(), s.grad))
    assert torch.equal(grads[0][0], grads[1][0])
    torch.testing.assert_close(grads[0][1], grads[1][1])


def test_golden_pact():
    """Algorithms 2.5: a = 3."""
    x = torch.tensor([-.2, .3, .74, 1.1, 2.6, 5, 9])
    for bits, want in ((1, [0, 0, 0, 0, 1, 1, 1]), (2, [0, 0, 1, 1, 3, 3, 3]), (4, [0, 2, 4, 6, 13, 15, 15])):
        quantizer = abt.PACT().build(ACTIVATION, bits, {})
        quantizer.parameter.data.fill_(3)
        assert quantizer.grid().codes(x).tolist() == want


def test_pact_gradients():
    """dxq/da = 1 where x >= a, dxq/dx = 1 where 0 < x < a; the L2 penalty."""
    quantizer = abt.PACT(decay=0.5).build(ACTIVATION, 3, {})
    quantizer.initialized = True
    quantizer.parameter.data.fill_(1.5)
    x = torch.tensor([-1., -.1, .2, 1.4, 1.6, 7.], requires_grad=True)
    g = torch.tensor([1., 2., 3., 4., 5., 6.])
    quantizer(x).backward(g)
    assert x.grad.tolist() == [0, 0, 3, 4, 0, 0]
    assert abs(quantizer.parameter.grad.item() - 11) < 1e-4
    assert quantizer.penalty().item() == 0.5 * 1.5 ** 2


def test_golden_dorefa():
    w = torch.tensor([-.9, -.3, -.05, .02, .4, 1.1])
    for bits, want in ((2, [-3, -1, -1, 1, 1, 3]), (3, [-7, -3, -1, 1, 3, 7])):
        grid = abt.DoReFa().build(weight_site(6), bits, {}).grid(w)
        assert (2 * grid.codes(w) - (2 ** bits - 1)).tolist() == want
    one = abt.DoReFa().build(weight_site(6), 1, {})
    assert abs(one.grid(w).scale.item() - .461667) < 1e-6
    assert torch.equal(one(w).sign(), torch.tensor([-1., -1, -1, 1, 1, 1]))


def test_dorefa_gradient_is_that_of_tanh():
    w = torch.randn(50, requires_grad=True)
    g = torch.randn(50)
    abt.DoReFa().build(weight_site(50), 3, {})(w).backward(g)
    largest = torch.tanh(w.detach()).abs().max()
    torch.testing.assert_close(w.grad, g * (1 - torch.tanh(w.detach()) ** 2) / largest)


def test_one_bit_is_mean_abs_with_a_straight_gradient():
    w = torch.tensor([[.5, -.25, 0.], [2., -1., -3.]], requires_grad=True)
    for spec in (abt.LSQ(), abt.PACT(), abt.MeanAbs()):
        w.grad = None
        quantizer = spec.build(weight_site(2, 3), 1, {})
        out = quantizer(w)
        assert torch.equal(out, torch.tensor([[1., -1, 1], [1, -1, -1]]) * w.detach().abs().mean())
        out.backward(torch.arange(6.).reshape(2, 3))
        assert torch.equal(w.grad, torch.arange(6.).reshape(2, 3))


def test_xnor_gradient():
    w = torch.tensor([[.5, -.25, 0.], [2., -1., -3.]], requires_grad=True)
    g = torch.arange(1., 7.).reshape(2, 3)
    abt.XNOR().build(weight_site(2, 3), 1, {})(w).backward(g)
    scale = w.detach().abs().mean(1, keepdim=True)
    torch.testing.assert_close(w.grad, g * (1 / 3 + scale * (w.detach().abs() <= 1)))


def test_sign_of_zero_and_of_denormals_follow_n2():
    w = torch.tensor([0., -0., 1e-45, -1e-45, -1e-3])
    quantizer = abt.MeanAbs().build(weight_site(5), 1, {})
    grid = quantizer.grid(w)
    want = reference.encode(w.numpy(), reference.Quantizer("odd", 1, grid.scale.numpy())).real
    assert np.array_equal(quantizer(w).numpy(), want)


def test_lsq_gradient_scale():
    """ds is multiplied by 1/sqrt(N*Qp)."""
    x, g = torch.randn(1000), torch.randn(1000)
    grads = []
    for scaled in (True, False):
        quantizer = abt.LSQ(gradient_scale=scaled).build(weight_site(1000), 4, {})
        quantizer.initialized = True
        quantizer.parameter.data.fill_(.3)
        quantizer(x).backward(g)
        grads.append(quantizer.parameter.grad.item())
    assert abs(grads[0] / grads[1] - (1000 * 7) ** -0.5) < 1e-6


def test_lsq_start_of_the_paper():
    x = torch.randn(1000)
    quantizer = abt.LSQ(start="lsq").build(weight_site(1000), 3, {})
    quantizer.ready(x)
    torch.testing.assert_close(quantizer.scale(), 2 * x.abs().mean() / 3 ** .5)


def test_lsq_plus_is_an_integer_zero_point_inside_of_the_codes():
    x = torch.randn(2000) + 0.7
    for bits in range(1, 9):
        quantizer = abt.LSQPlus().build(ACTIVATION, bits, {})
        out = quantizer(x)
        grid = quantizer.grid()
        assert grid.zero == grid.zero.round() and 0 <= grid.zero < 2 ** bits
        want = reference.encode(x.numpy(), reference.Quantizer("unsigned", bits, grid.scale.numpy(),
                                                              grid.zero.numpy().astype(np.int64))).real
        assert np.array_equal(out.detach().numpy(), want)
        out.sum().backward()
        assert quantizer.step.grad is not None and quantizer.offset.grad is not None


def test_lsq_plus_offset_gradient():
    """dxq/dbeta = 1 outside of the range, 0 inside."""
    quantizer = abt.LSQPlus(gradient_scale=False).build(ACTIVATION, 3, {})
    quantizer.initialized = True
    quantizer.step.data.fill_(.5)
    quantizer.offset.data.fill_(-1.)
    x, g = torch.tensor([-4., -.8, .1, 2.4, 9.]), torch.tensor([1., 2., 4., 8., 16.])
    quantizer(x).backward(g)
    torch.testing.assert_close(quantizer.offset.grad, torch.tensor(17.))


@pytest.mark.parametrize("spec,role", [(abt.LSQ(), "weight"), (abt.PACT(), "weight"), (abt.PACT(), "activation"),
                                       (abt.LSQ(per_channel=True), "weight"), (abt.LSQ(), "activation")])
def test_start_beats_the_largest_value(spec, role):
    x = torch.randn(8, 500)
    x = x if role == "weight" else x.relu()
    for bits in (2, 3, 4, 8):
        quantizer = spec.build(Site("l", role, (8, 500)), bits, {})
        error = (quantizer(x) - x).square().mean()
        high = max(integer_range(quantizer.kind, bits)[1], 1)
        plain = (fake_quantize(x, x.abs().max() / high, quantizer.kind, bits) - x).square().mean()
        assert error <= plain * 1.02


def test_shared_parameter_is_the_clip():
    common = {}
    a, b = (abt.LSQ(shared=("step",)).build(weight_site(10), bits, common) for bits in (4, 8))
    assert a.parameter is b.parameter
    a.parameter.data.fill_(2)
    assert a.scale() == torch.tensor(2.) / 7 and b.scale() == torch.tensor(2.) / 127


def test_steps_stay_positive():
    quantizer = abt.LSQ().build(weight_site(10), 4, {})
    for value in (-.3, 0., -1e-20):
        quantizer.parameter.data.fill_(value)
        assert quantizer.scale() > 0


def test_a_scale_is_loaded_to_the_bit():
    scale = torch.rand(2000) + 1e-3
    for divisor in (1, 3, 7, 15, 127, 255):
        stored = scale / divisor
        assert torch.equal(parameter_of(stored, divisor) / divisor, stored)


def test_bfloat16_input_is_computed_in_float32():
    x = torch.randn(100, dtype=torch.bfloat16)
    assert torch.equal(fake_quantize(x, torch.tensor(.1), "signed", 8),
                       fake_quantize(x.float(), torch.tensor(.1), "signed", 8))


@pytest.mark.parametrize("call,text", [
    (lambda: abt.LSQ(odd_bits=0).build(weight_site(4), 1, {}), "no positive one.*MeanAbs"),
    (lambda: abt.LSQ(one_bit="x"), "one_bit is 'x'"), (lambda: abt.PACT(gradient="x"), "gradient is 'x'"),
    (lambda: abt.LSQ(shared=("clip",)), "no parameter clip to share"),
    (lambda: abt.MeanAbs().build(weight_site(4), 2, {}), "for 1-bit weights"),
    (lambda: abt.XNOR().build(ACTIVATION, 1, {}), "for 1-bit weights")])
def test_wrong_arguments(call, text):
    with pytest.raises(ValueError, match=text):
        call()
