"""Weights quantized together are those quantized one by one: values to the bit, gradients but for the order of sums."""

import pytest

torch = pytest.importorskip("torch")

import anybit.torch as abt
from anybit.torch.data.loader import arranged
from networks_for_tests import Mobile, ResNet, Signal, seen

CANDIDATES = ["w8a8", "w5a5", "w2a2", "w1a1"]


def one_by_one(net):
    return {name: layer.quantized_weight() for name, layer in net.layers().items()}


def together(net):
    net._packed.assign()
    try:
        return {name: layer.packed for name, layer in net.layers().items() if layer.packed is not None}
    finally:
        net._packed.release()


def gradients(net, weights):
    """Of everything that the weights are made of, for a fixed gradient of each."""
    net.zero_grad(set_to_none=True)
    generator = torch.Generator().manual_seed(3)
    wanted = {name: torch.randn(weight.shape, generator=generator) for name, weight in weights.items()}
    torch.autograd.backward(list(weights.values()), [wanted[name] for name in weights])
    return {name: p.grad for name, p in net.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("made,x,packed", [(ResNet, (4, 1, 8, 8), 10), (Mobile, (4, 3, 16, 16), 5),
                                           (Signal, (4, 2, 16), 3)])
@pytest.mark.parametrize("options", [
    {}, {"wavelet": abt.Haar("spatial")},
    {"wavelet": abt.Haar("plane"), "weight": abt.LSQ(per_channel=True, odd_bits=1)},
    {"wavelet": abt.Haar("matrix", bands=("LL", "LH")), "weight": abt.LSQ(shared=("step",))}, {"wavelet": None}],
    ids=["tile", "spatial", "per-channel", "bands", "none"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_together_as_one_by_one(made, x, packed, options, layout):
    torch.manual_seed(0)
    candidates = CANDIDATES[:3] if "weight" in options and options["weight"].per_channel else CANDIDATES
    net = abt.switchable(made(), candidates, **options).to(memory_format=layout)
    for name, p in net.named_parameters():
        if "factors" in name:
            torch.nn.init.uniform_(p.data, 0.5, 1.5)
    seen(net, torch.randn(x))
    for half in (False, True):
        net.round_masters(half)
        for candidate in candidates:
            net.set_candidate(candidate)
            alone, packs = one_by_one(net), together(net)
            assert len(packs) == packed
            assert all(torch.equal(weight, alone[name]) for name, weight in packs.items()), candidate
            alone = {name: alone[name] for name in packs}
            wanted, found = gradients(net, alone), gradients(net, packs)
            assert wanted.keys() == found.keys()
            for name, value in found.items():
                torch.testing.assert_close(value, wanted[name], rtol=1e-4, atol=1e-5, msg=f"{candidate} {name}")


def test_mixed_widths_and_layers_that_do_not_run():
    net = seen(abt.switchable(ResNet(), CANDIDATES), torch.randn(4, 1, 8, 8))
    net.set_candidate(0)
    net.set_widths({"stages.1.conv1": "w2a2", "stages.2.conv2": "w1a1"})
    alone, packs = one_by_one(net), together(net)
    assert all(torch.equal(packs[name], weight) for name, weight in alone.items())
    net.zero_grad(set_to_none=True)
    net._packed.assign()
    net.layers()["stages.1.conv1"].packed.sum().backward()
    net._packed.release()
    touched = {name for name, p in net.named_parameters() if p.grad is not None}
    assert touched and all("stages.1.conv1" in name for name in touched)


def test_a_quantizer_that_is_not_known_stays_alone():
    net = seen(abt.switchable(ResNet(), ["w4a4"], weight=abt.DoReFa()), torch.randn(4, 1, 8, 8))
    assert net._packed.plan() is None


def test_pictures_of_one_channel_are_channels_last():
    """So that the first convolution's result is, and everything behind it."""
    x = arranged(torch.rand(4, 1, 8, 8), torch.channels_last)
    net = seen(abt.switchable(ResNet(), ["w4a4"]).to(memory_format=torch.channels_last), x)
    shapes = []
    net.net.get_submodule("bn1").register_forward_hook(lambda *given: shapes.append(given[2]))
    net(x)
    assert shapes[0].is_contiguous(memory_format=torch.channels_last)
