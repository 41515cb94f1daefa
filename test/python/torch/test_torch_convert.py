"""abt.switchable: what stands where, candidates, owners, and clear refusals."""

import copy
import warnings

import pytest

torch = pytest.importorskip("torch")

from torch import nn

import anybit.torch as abt
from anybit.torch.modules import SwitchableActivation
from networks_for_tests import Mobile, ResNet, Signal, Untraceable, seen

CANDIDATES = ["w8a8", "w4a4", "w2a2", "w1a1"]


def test_candidates_are_parsed_as_the_quantizer_does():
    mixed = {"mixed": {"layer1.*": "w8a8", "layer1.conv": {"weights": 2, "activations": 3}, "*": (4, 5)}}
    uniform, candidate = abt.parse_candidates(["w3a4", mixed])
    assert str(uniform.widths("x")) == "w3a4"
    assert [str(candidate.widths(name)) for name in ("layer1.conv", "layer1.conv2", "fc")] == ["w2a3", "w8a8", "w4a5"]


@pytest.mark.parametrize("given,texts", [
    (["w9a9", "w4a4", "w4a4", "x"], ["'w9a9'", "'w4a4' is given twice", "'x'", "1 to 8"]),
    ([{"m": {"a": "w1a1"}}], ["no pattern \"\\*\""]), ([], ["0 candidates"]), ([{"a,b": {"*": "w1a1"}}], ["commas"]),
    ([{"m": {"*": (0, 3)}}], ["1 to 8"]), ([3], ["candidate 3"])])
def test_wrong_candidates(given, texts):
    with pytest.raises(ValueError) as error:
        abt.parse_candidates(given)
    import re
    assert all(re.search(text, str(error.value)) for text in texts), str(error.value)


def test_quantizers_stand_as_the_compiler_wants_them():
    net = abt.switchable(ResNet(), CANDIDATES)
    names = [m.name for m in net.switchable_modules() if isinstance(m, SwitchableActivation)]
    fixed = [m for m in net.switchable_modules() if isinstance(m, SwitchableActivation) and "residual" in m.name]
    assert len(names) == 12 and len(fixed) == 4 and all(m.bits == (8,) * 4 for m in fixed)
    calls = [str(node.target) for node in net.net.graph.nodes]
    assert "relu" not in calls and calls.count("pool") == 1
    by_name = {m.name: m for m in net.switchable_modules()}
    assert by_name["conv1"].widths[3].weights == 8 and by_name["fc"].widths[3].weights == 8
    assert by_name["stages.0.conv1"].widths[3].weights == 1
    assert by_name["stages.0.bn1"].owner == "stages.0.conv1"


def test_the_original_is_left_alone_and_a_float_candidate_equals_it():
    original = ResNet().eval()
    before = copy.deepcopy(original.state_dict())
    net = seen(abt.switchable(original, ["f32", "w8a8"]), torch.randn(4, 1, 8, 8))
    assert all(torch.equal(before[key], value) for key, value in original.state_dict().items())
    net = abt.switchable(original, ["f32", "w8a8"]).eval()
    x = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(net(x), original(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("factory,shape", [(ResNet, (4, 1, 8, 8)), (Mobile, (4, 3, 17, 17)), (Signal, (4, 2, 16))])
def test_only_the_chosen_candidate_has_gradients(factory, shape):
    net = seen(abt.switchable(factory(), CANDIDATES), torch.randn(shape))
    for name in net.names:
        net.zero_grad(set_to_none=True)
        net.set_candidate(name)
        net(torch.randn(shape)).square().sum().backward()
        own = {id(p) for p in net.candidate_parameters(name)} | {id(p) for p in net.shared_parameters()}
        touched = {id(p) for p in net.parameters() if p.grad is not None}
        assert touched <= own and own - touched <= {id(p) for p in net.shared_parameters()}
        assert all(p.grad is not None for p in net.shared_parameters())


def test_set_candidate_changes_the_result_and_returns():
    net = seen(abt.switchable(ResNet(), CANDIDATES), torch.randn(4, 1, 8, 8)).eval()
    x = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        results = {}
        for name in CANDIDATES + CANDIDATES[::-1]:
            net.set_candidate(name)
            y = net(x)
            assert torch.equal(results.setdefault(name, y), y)
    assert len({tuple(y.flatten().tolist()) for y in results.values()}) == 4
    assert net.candidate == "w8a8"


def test_negative_tensors_get_a_zero_point_and_can_be_refused():
    net = abt.switchable(Mobile(), CANDIDATES)
    kinds = {m.name: type(m.quantizers[0]).__name__ for m in net.switchable_modules()
             if isinstance(m, SwitchableActivation)}
    assert kinds["x_codes"] == "_LsqPlus" and "_PactActivation" in kinds.values()
    with pytest.raises(ValueError, match="'x' of 'stem' can be negative") as error:
        abt.switchable(Mobile(), CANDIDATES, negative=None)
    assert len(str(error.value).splitlines()) > 2


def test_untraceable_networks_are_converted_by_module_and_say_so():
    with pytest.warns(UserWarning, match="cannot trace Untraceable"):
        net = abt.switchable(Untraceable(), CANDIDATES)
    assert not net.traced
    x = torch.randn(4, 1, 8, 8)
    seen(net, x)
    net.set_candidate("w2a2")
    net(x).sum().backward()
    assert net.net.first.input_quantizer.quantizers[2].step.grad is not None


def test_layers_at_widths_of_their_own_and_derived_candidates():
    x = torch.randn(4, 1, 8, 8)
    net = seen(abt.switchable(ResNet(), CANDIDATES), x).eval()
    net.set_candidate("w8a8")
    net.set_widths({"stages.0.conv1": "w2a2", "stages.1.conv2": ("w4a4", "w1a1")})
    with torch.no_grad():
        mixed = net(x)
    net.derive("mixed", {"stages.0.conv1": "w2a2", "stages.1.conv2": ("w4a4", "w1a1")})
    assert net.names[-1] == "mixed" and str(net.candidates[-1].widths("stages.1.conv2")) == "w4a1"
    net.set_candidate("mixed")
    with torch.no_grad():
        assert torch.equal(net(x), mixed)
    with pytest.raises(ValueError, match="no layers nothing"):
        net.set_widths({"nothing": 0})


def test_shared_parameters_gauge_and_bands():
    spec, wavelet = abt.LSQ(shared=("step",)), abt.Haar(gauge=True, bands=("LL", "HL"), shared=True)
    net = seen(abt.switchable(ResNet(), CANDIDATES, weight=spec, wavelet=wavelet, batch_norm="shared"),
               torch.randn(4, 1, 8, 8))
    theta = net.net.get_submodule("stages.0.conv1").theta
    assert theta.quantizers[0].parameter is theta.quantizers[1].parameter
    assert theta.factors[0] is theta.factors[3] and theta.factors[0]().tolist() == [1, 0, 1, 0]
    net(torch.randn(4, 1, 8, 8)).sum().backward()
    gradient = theta.factors[0].value.grad
    assert gradient[0] == gradient[1] == gradient[3] == 0 and gradient[2] != 0


def test_first_last_none_and_residual_none():
    net = abt.switchable(ResNet(), CANDIDATES, first_last=None, residual=None)
    assert net.net.conv1.widths[3].weights == 1
    assert not any("residual" in m.name for m in net.switchable_modules())


def test_autocast_bfloat16():
    net = seen(abt.switchable(ResNet(), ["w8a8", "w2a2"]), torch.randn(4, 1, 8, 8))
    for name in net.names:
        net.set_candidate(name)
        net.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = net(torch.randn(4, 1, 8, 8)).float().square().mean()
        loss.backward()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in net.parameters())
        assert net.net.conv1.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("options,text", [
    (dict(first_last=9), "first_last is 9"), (dict(residual=0), "residual is 0"), (dict(batch_norm="x"), "'x'"),
    (dict(weight=abt.LSQ(odd_bits=0)), "no positive one")])
def test_wrong_options(options, text):
    with pytest.raises(ValueError, match=text):
        abt.switchable(ResNet(), CANDIDATES, **options)


def test_unknown_names():
    with pytest.raises(ValueError, match="names no layer"):
        abt.switchable(ResNet(), [{"m": {"stage.*": "w2a2", "*": "w4a4"}}])
    with pytest.raises(ValueError, match="'w5a5' is unknown; the network has w8a8"):
        abt.switchable(ResNet(), CANDIDATES).set_candidate("w5a5")
    with pytest.raises(ValueError, match="no layer to quantize"):
        abt.switchable(nn.Sequential(nn.ReLU()), CANDIDATES)


def test_dropout_follows_the_mode():
    net = seen(abt.switchable(Mobile(), ["w8a8"]), torch.randn(4, 3, 17, 17)).eval()
    x = torch.randn(4, 3, 17, 17)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(net(x), net(x))


@pytest.mark.filterwarnings("ignore")
def test_torch_compile_has_no_graph_break_and_the_same_results():
    import torch._dynamo as dynamo
    from networks_for_tests import Small
    x = torch.randn(2, 1, 8, 8)
    net = seen(abt.switchable(Small(), ["w4a4", "w1a1"]), x).eval()
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    for name in net.names:
        net.set_candidate(name)
        with torch.no_grad():
            assert torch.equal(compiled(x), net(x))
    dynamo.reset()
