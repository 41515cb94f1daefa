"""APoT, ESB, multi-base, stochastic and semi-relaxed quantizers against their published formulas (algorithms 4.1 to
4.4, 4.9): levels, gradients, and what is deployed."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import anybit.torch as abt
from anybit import reference
from anybit.torch.quantizers import Site, apot, esb
from anybit.torch.quantizers.alq import sketch
from anybit.torch.quantizers.tables import nearest_thresholds, table_quantize

ACTIVATION = Site("layer", "activation")


def weight_site(*shape):
    return Site("layer", "weight", shape)


def test_apot_levels():
    for bits, want, unit in ((2, [0, 1, 2, 4], 4), (3, [0, 1, 2, 3, 4, 6, 8, 10], 10)):
        np.testing.assert_allclose(apot.magnitudes(bits), np.array(want) / unit, atol=1e-7)
    four = sorted({a + b for a in (0, 32, 8, 2) for b in (0, 16, 4, 1)})
    np.testing.assert_allclose(apot.magnitudes(4), np.array(four) / 48, atol=1e-7)
    assert abt.APoT().build(weight_site(4), 2, {}).levels.tolist() == [-1, 0, 1]


def test_table_gradients():
    """dx = g inside; dclip = sign(x) outside, level - x/clip inside."""
    levels = torch.tensor(apot.magnitudes(3))
    levels = torch.cat([-levels.flip(0)[:-1], levels])
    x, clip = torch.randn(500, requires_grad=True), torch.tensor(1.5, requires_grad=True)
    g = torch.randn(500)
    y = table_quantize(x, clip, levels, nearest_thresholds(levels))
    y.backward(g)
    u = x.detach() / 1.5
    inside = u.abs() < 1
    level = levels[(u[:, None] - levels).abs().argmin(1)]
    torch.testing.assert_close(y.detach(), level * 1.5)
    assert torch.equal(x.grad, torch.where(inside, g, 0))
    torch.testing.assert_close(clip.grad, (g * torch.where(inside, level - u, u.sign())).sum(), rtol=1e-4, atol=1e-3)


def test_apot_standardises_weights():
    w = torch.randn(300) * 5 + 2
    quantizer = abt.APoT().build(weight_site(300), 4, {})
    t = quantizer.transform(w)
    torch.testing.assert_close(t, (w - w.mean()) / w.std(), atol=2e-3, rtol=1e-3)
    assert torch.equal(t, t.half().float())


@pytest.mark.parametrize("bits,fraction", [(3, 0), (4, 1), (4, 0), (5, 2), (6, 3), (8, 5), (8, 4)])
def test_esb_is_the_formula(bits, fraction):
    """e = clip(floor(log2|x|), 0, N), step 2^(e-m), clip(round(x/step)*step, -c_max, c_max)."""
    w = torch.randn(4000) * 3
    quantizer = abt.ESB(fraction).build(weight_site(4000), bits, {})
    alpha = esb.LAMBDAS[bits, fraction] * w.std()
    x = (w / alpha).double()
    top = np.floor(2 ** (bits - 1 - fraction) - 1.5)
    largest = 2 ** (top + 1) - 2 ** (top - fraction)
    e = torch.floor(torch.log2(x.abs().clamp_min(1e-9))).clamp(0, top)
    step = 2 ** (e - fraction)
    want = ((x / step).round() * step).clamp(-largest, largest) * alpha
    torch.testing.assert_close(quantizer(w).double(), want, atol=1e-5, rtol=1e-5)
    assert len(quantizer.levels) <= 2 ** bits


def test_esb_of_one_and_two_bits_is_the_odd_grid():
    w = torch.randn(1000)
    for bits in (1, 2):
        grid = abt.ESB().build(weight_site(1000), bits, {}).grid(w)
        alpha = w.std() * esb.LINEAR[bits - 1]
        want = (torch.round(w / alpha - .5) + .5).clamp(-(2 ** bits - 1) / 2, (2 ** bits - 1) / 2) * alpha
        got = reference.decode(grid.codes(w).numpy(), reference.Quantizer("odd", bits, grid.scale.numpy()))
        np.testing.assert_allclose(got, want.numpy(), atol=1e-6)


def test_multi_base_takes_the_nearest_and_decodes_as_n2():
    w = torch.randn(3, 40)
    for bits in (1, 2, 3, 8):
        quantizer = abt.MultiBase().build(weight_site(3, 40), bits, {})
        y = quantizer(w)
        bases = quantizer.grid(w)
        want = reference.decode_bases(bases.codes.numpy(), bases.alphas.numpy())
        assert np.array_equal(y.detach().numpy(), want)
        every = torch.cartesian_prod(*[torch.tensor([-1., 1.])] * bits).reshape(-1, bits)
        for row in range(3):
            reachable = every @ quantizer.alphas.detach().abs()[:, row]
            best = (w[row][:, None] - reachable).abs().min(1).values
            torch.testing.assert_close((y[row] - w[row]).detach().abs(), best, atol=1e-5, rtol=1e-4)
    assert ((sketch(w, 3)[:, 1:] - sketch(w, 3)[:, :-1]) >= 0).all()


def test_multi_base_gradients():
    """dw = g; dalpha_i = sum of g * sign_i over the channel."""
    w, g = torch.randn(3, 40, requires_grad=True), torch.randn(3, 40)
    quantizer = abt.MultiBase().build(weight_site(3, 40), 2, {})
    quantizer(w).backward(g)
    assert torch.equal(w.grad, g)
    codes = quantizer.codes(w.detach())
    for i in range(2):
        torch.testing.assert_close(quantizer.alphas.grad[i], (g * (2 * ((codes >> i) & 1) - 1)).sum(1))


def test_ternary():
    w = torch.randn(4, 50)
    quantizer = abt.Ternary().build(weight_site(4, 50), 2, {})
    above = w.abs() > 0.7 * w.abs().mean()
    alpha = torch.stack([row[mask].abs().mean() for row, mask in zip(w, above)])[:, None]
    torch.testing.assert_close(quantizer(w), w.sign() * above * alpha)
    grid = quantizer.grid(w)
    stored = abt.quantizers.encode(grid.values.half().float(), grid.scale, "signed", 2)
    assert torch.equal(stored, (w.sign() * above).int())


def test_stochastic_quantization_hybrid_weights():
    """Chosen filters are quantized with a straight gradient, the others float with their own."""
    w = torch.randn(16, 9, requires_grad=True)
    quantizer = abt.SQ().build(weight_site(16, 9), 1, {}).train()
    for progress, count in ((0.0, 8), (0.3, 12), (0.6, 14), (0.9, 16)):
        quantizer.progress = progress
        y = quantizer(w)
        changed = (y != w).any(1)
        assert int(changed.sum()) == count
        torch.testing.assert_close(y[changed], (w.sign() * w.abs().mean(1, keepdim=True))[changed])
    quantizer.progress = 0.0
    w.grad = None
    quantizer(w).backward(torch.ones(16, 9))
    assert torch.equal(w.grad, torch.ones(16, 9))
    assert bool((quantizer.eval()(w) != w).any(1).all())


def test_stochastic_choice_prefers_small_errors():
    rows = torch.ones(20, 8)
    rows[10:] = torch.tensor([1., 1, 1, 1, 0, 0, 0, 5])  # a large relative error
    quantizer = abt.SQ().build(weight_site(20, 8), 1, {}).train()
    counts = sum((quantizer(rows) != rows).any(1).float()[10:].sum() for _ in range(50))
    assert counts / 50 < 2


def test_semi_relaxed_forward_and_gradient():
    """Forward: the nearest grid point; backward: that of the expectation over the five nearest points."""
    quantizer = abt.SRQ().build(weight_site(200), 4, {})
    x = torch.randn(200)
    quantizer.ready(x)
    x = x.double().float().requires_grad_()
    step, noise = quantizer.step.detach(), quantizer.noise.detach()
    y = quantizer(x)
    assert torch.equal(y.detach(), abt.quantizers.fake_quantize(x.detach(), step, "signed", 4))
    g = torch.randn(200)
    y.backward(g)

    def expectation(values):
        code = (values / step).round().clamp(-8, 7)
        points = (code[:, None] + torch.arange(-2, 3)).clamp(-8, 7) * step
        p = torch.sigmoid((points + step / 2 - values[:, None]) / noise) - \
            torch.sigmoid((points - step / 2 - values[:, None]) / noise)
        return (points * p).sum(1) / p.sum(1)

    z = x.detach().clone().requires_grad_()
    expectation(z).backward(g)
    torch.testing.assert_close(x.grad, z.grad, atol=1e-4, rtol=1e-3)
    assert quantizer.step.grad is not None and quantizer.noise.grad is not None


def test_drop_bits_closes_gates_from_the_top():
    quantizer = abt.SRQ(drop_bits=True, penalty=0.1).build(weight_site(200), 5, {}).train()
    x = torch.randn(200, requires_grad=True)
    quantizer(x).sum().backward()
    assert quantizer.gates.grad is not None and quantizer.penalty().requires_grad
    assert quantizer.open_bits() == 5 and quantizer.grid().bits == 5
    with torch.no_grad():
        quantizer.gates[1] = -9
    assert quantizer.open_bits() == 3 and quantizer.grid().bits == 3
    assert len(quantizer.eval()(x).unique()) <= 8
    for _ in range(200):
        quantizer.gates.grad = None
        quantizer.penalty().backward()
        quantizer.gates.data -= 10 * quantizer.gates.grad
    assert quantizer.open_bits() == 2


@pytest.mark.parametrize("call,text", [
    (lambda: abt.APoT().build(weight_site(4), 1, {}), "at least 2 bits"),
    (lambda: abt.ESB(1).build(weight_site(4), 8, {}), "choose 4, 5"),
    (lambda: abt.ESB().build(ACTIVATION, 4, {}), "ESB is for weights"),
    (lambda: abt.MultiBase().build(ACTIVATION, 4, {}), "MultiBase is for weights"),
    (lambda: abt.SQ().build(weight_site(4), 4, {}), "give base"),
    (lambda: abt.Ternary().build(weight_site(4), 3, {}), "2-bit weights"),
    (lambda: abt.SRQ().build(weight_site(4), 1, {}), "no positive level")])
def test_wrong_arguments(call, text):
    with pytest.raises(ValueError, match=text):
        call()
