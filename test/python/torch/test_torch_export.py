"""abt.export: ONNX Runtime, anybit.reference and the compiler give what torch gives, at every candidate."""

import os
import pathlib
import subprocess

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")

import anybit.torch as abt
from anybit import reference
from anybit.torch.onnx_export.writer import convention_functions
from networks_for_tests import Mobile, ResNet, Signal, Untraceable, seen

ALL = ["w8a8", "w4a4", "w3a3", "w2a2", "w1a1", "f32"]


def outputs(net, x):
    net.eval()
    with torch.no_grad():
        results = {}
        for name in net.names:
            net.set_candidate(name)
            results[name] = net(x).numpy()
    return results


def check(net, x, path, with_reference=True):
    """Every candidate in ONNX Runtime, without its optimizer, equals torch up to the order of float sums, which may now
    and then move a value that lies between two codes (N10): most pictures are equal, and none is far away."""
    model = abt.export(net, path, x[:1])
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for index, (candidate, want) in enumerate(outputs(net, x).items()):
        got = session.run(None, {name: x.numpy(), "candidate": np.array(index)})[0]
        assert_near(got, want, candidate)
        if with_reference:
            assert_near(reference.run(model, {name: x.numpy()}, candidate)["output"], want, candidate)
    return model


def assert_near(got, want, candidate):
    error = np.abs(got - want).reshape(len(want), -1).max(1) / max(1, np.abs(want).max())
    assert np.median(error) <= 2e-6 and error.max() <= 0.03, (candidate, error)


def test_residual_network(tmp_path):
    x = torch.randn(5, 1, 8, 8)
    net = seen(abt.switchable(ResNet(), ALL), x)
    model = check(net, x, tmp_path / "m.onnx")
    assert model.ir_version == 10
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17), ("ai.anybit", 1)]
    candidate = next(value for value in model.graph.input if value.name == "candidate")
    assert candidate.type.tensor_type.elem_type == onnx.TensorProto.INT64
    assert len(candidate.type.tensor_type.shape.dim) == 0
    assert {entry.key: entry.value for entry in model.metadata_props}["anybit.candidates"] == ",".join(ALL)
    names = {tensor.name: tensor for tensor in model.graph.initializer}
    assert names["stages.0.conv1.weight"].data_type == onnx.TensorProto.FLOAT16
    contents = [(t.data_type, tuple(t.dims), t.raw_data) for t in names.values()]
    assert len(set(contents)) == len(contents)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param


def test_state_is_read_back_to_the_bit(tmp_path):
    x = torch.randn(5, 1, 8, 8)
    net = seen(abt.switchable(ResNet(), ALL), x)
    for parameter in net.parameters():
        parameter.data.add_(0.01 * torch.randn_like(parameter))
    first = abt.export(net, tmp_path / "a.onnx", x)
    other = abt.switchable(ResNet(), ALL)
    abt.load_onnx_state(other, tmp_path / "a.onnx")
    second = abt.export(other, tmp_path / "b.onnx", x)
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_a_file_of_another_network_changes_nothing(tmp_path):
    x = torch.randn(2, 1, 8, 8)
    abt.export(seen(abt.switchable(ResNet(4), ALL), x), tmp_path / "a.onnx", x)
    other = abt.switchable(ResNet(6), ALL)
    before = {k: v.clone() for k, v in other.state_dict().items() if isinstance(v, torch.Tensor)}
    with pytest.raises(ValueError, match="expected \\[6, 1, 3, 3\\]"):
        abt.load_onnx_state(other, tmp_path / "a.onnx")
    assert all(torch.equal(before[k], v) for k, v in other.state_dict().items() if isinstance(v, torch.Tensor))
    with pytest.raises(ValueError, match="the network has w8a8"):
        abt.load_onnx_state(abt.switchable(ResNet(), ["w8a8"]), tmp_path / "a.onnx")


def test_mobile_network(tmp_path):
    x = torch.randn(3, 3, 17, 17)
    mixed = {"mixed": {"point": "w8a3", "*": "w4a4"}}
    net = seen(abt.switchable(Mobile(), ["w8a8", mixed, "w1a1"], wavelet=abt.Db2("matrix")), x)
    check(net, x, tmp_path / "m.onnx")


def test_signal_network(tmp_path):
    x = torch.randn(3, 2, 16)
    net = seen(abt.switchable(Signal(), ["w8a8", "w2a2"], wavelet=abt.Haar("spatial")), x)
    check(net, x, tmp_path / "m.onnx", with_reference=False)


def test_untraceable_network(tmp_path):
    with pytest.warns(UserWarning):
        net = abt.switchable(Untraceable(), ["w8a8", "w2a2"])
    x = torch.randn(4, 1, 8, 8)
    check(seen(net, x), x, tmp_path / "m.onnx")


NINE = ["w5a5", "w4a4", "w3a3", "w2a2"]
FORMATS = {
    "dorefa": (abt.DoReFa(), abt.DoReFa(), ["w8a8", "w2a2", "w1a1"]),
    "pact": (abt.PACT(per_channel=True), abt.PACT(), ["w4a4", "w2a2", "w1a1"]),
    "lsq": (abt.LSQ(per_channel=True), abt.LSQ(), ["w8a8", "w3a3", "w1a1"]),
    "xnor": (abt.PerWidth(abt.LSQPlus(), {1: abt.XNOR()}), abt.LSQPlus(), ["w8a8", "w1a1"]),
    "apot": (abt.APoT(), abt.APoT(), NINE), "esb": (abt.ESB(), abt.LSQ(), NINE + ["w8a8", "w1a1"]),
    "alq": (abt.MultiBase(), abt.PACT(), ["w3a3", "w2a2", "w1a1"]), "sq": (abt.SQ(), abt.PACT(), ["w2a2", "w1a1"]),
    "srq": (abt.SRQ(drop_bits=True), abt.SRQ(), ["w4a4", "w2a2"])}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(name, tmp_path):
    weight, activation, candidates = FORMATS[name]
    x = torch.randn(3, 1, 8, 8)
    net = seen(abt.switchable(ResNet(), candidates, weight=weight, activation=activation, first_last=None), x)
    check(net, x, tmp_path / "m.onnx")


def test_bases_that_channels_lack(tmp_path):
    x = torch.randn(3, 1, 8, 8)
    net = seen(abt.switchable(ResNet(), ["w3a3", "w2a2"], weight=abt.MultiBase(), first_last=None), x)
    for layer in net.layers().values():
        for quantizer in layer.theta.quantizers:
            quantizer.kept[0, ::2] = 0
            quantizer.kept[:, -1] = 0
    check(net, x, tmp_path / "m.onnx")


def test_weights_of_a_candidates_own(tmp_path):
    x = torch.randn(3, 1, 8, 8)
    net = seen(abt.switchable(ResNet(), ["w4a4", "w2a2"], own_weights=True), x)
    for layer in net.layers().values():
        layer.others[0].data.mul_(-1)
    model = check(net, x, tmp_path / "m.onnx")
    assert {t.name: list(t.dims) for t in model.graph.initializer}["stages.0.conv1.weight/table"] == [2, 4, 4, 3, 3]


def test_weights_are_rounded_to_float16_in_place(tmp_path):
    x = torch.randn(2, 1, 8, 8)
    net = seen(abt.switchable(ResNet(), ["w4a4"]), x)
    abt.export(net, tmp_path / "m.onnx", x)
    weight = net.net.conv1.weight.detach()
    assert torch.equal(weight, weight.half().float())


def test_refusals_leave_no_file(tmp_path):
    x = torch.randn(2, 1, 8, 8)
    with pytest.raises(abt.Unsupported, match="has seen no data at candidate"):
        abt.export(abt.switchable(ResNet(), ["w4a4"]), tmp_path / "m.onnx", x)

    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 2, 3)

        def forward(self, x):
            return torch.cumsum(torch.atan(self.conv(x)), 1)

    with pytest.raises(abt.Unsupported) as error:
        abt.export(seen(abt.switchable(Odd(), ["w4a4"]), x), tmp_path / "m.onnx", x)
    assert "aten.cumsum" in str(error.value) and "aten.atan" in str(error.value)
    with pytest.raises(ValueError, match="abt.switchable"):
        abt.export(ResNet(), tmp_path / "m.onnx", x)
    assert list(tmp_path.iterdir()) == []


def test_functions_are_the_canonical_ones(tmp_path):
    """The bodies of convention.onnxtxt are those that the compiler recognises."""
    build = os.environ.get("ANYBIT_BUILD")
    writer = pathlib.Path(build or "", "test", "unit", "write-convention-models")
    if not build or not writer.exists():
        pytest.skip("ANYBIT_BUILD has no write-convention-models")
    subprocess.run([writer, tmp_path], check=True)
    for (name, overload), function in convention_functions().items():
        if name == "FakeQuantTable":
            continue
        (wanted,) = onnx.load(tmp_path / f"{name}.{overload}.4.1.onnx").functions
        assert function == wanted, (name, overload)


@pytest.mark.parametrize("candidates,weight", [(ALL, abt.LSQ(per_channel=True)), (["w8a8", "w2a2"], abt.DoReFa())])
def test_the_compiler_takes_the_file_and_agrees(candidates, weight, tmp_path):
    anybit = pytest.importorskip("anybit")
    if not os.environ.get("ANYBIT_BUILD"):
        pytest.skip("ANYBIT_BUILD is not set: no compiler to test")
    x = torch.randn(1, 1, 8, 8)
    net = seen(abt.switchable(ResNet(), candidates, weight=weight), torch.randn(8, 1, 8, 8))
    exported = abt.export(net, tmp_path / "m.onnx", x)
    anybit.compile(tmp_path / "m.onnx", tmp_path / "m.so")
    model = anybit.load(tmp_path / "m.so")
    for candidate, want in outputs(net, x).items():
        model.candidate = candidate
        got = model(x.numpy())
        by_rules = reference.run(exported, {exported.graph.input[0].name: x.numpy()}, candidate)["output"]
        if candidate != "f32":
            assert np.array_equal(got, by_rules), candidate
        np.testing.assert_allclose(got, want, atol=2e-5, err_msg=candidate)


@pytest.mark.parametrize("name", ["apot", "esb", "alq"])
def test_the_compiler_takes_formats_that_are_no_uniform_grid(name, tmp_path):
    """Such weights are real numbers to it; what it computes is what torch computes."""
    anybit = pytest.importorskip("anybit")
    if not os.environ.get("ANYBIT_BUILD"):
        pytest.skip("ANYBIT_BUILD is not set: no compiler to test")
    weight, activation, _ = FORMATS[name]
    x = torch.randn(1, 1, 8, 8)
    net = seen(abt.switchable(ResNet(), ["w3a3", "w2a2"], weight=weight, activation=activation, first_last=None), x)
    abt.export(net, tmp_path / "m.onnx", x)
    anybit.compile(tmp_path / "m.onnx", tmp_path / "m.so")
    model = anybit.load(tmp_path / "m.so")
    for candidate, want in outputs(net, x).items():
        model.candidate = candidate
        assert_near(model(x.numpy()), want, candidate)


def test_transposed_convolutions_train_and_export_but_do_not_compile(tmp_path):
    build = os.environ.get("ANYBIT_BUILD")
    if not build:
        pytest.skip("ANYBIT_BUILD is not set: no compiler to test")
    x = torch.randn(1, 2, 16)
    abt.export(seen(abt.switchable(Signal(), ["w8a8"]), x), tmp_path / "m.onnx", x)
    done = subprocess.run([pathlib.Path(build, "bin", "anybit"), "compile", tmp_path / "m.onnx", "-o",
                           tmp_path / "m.so"], capture_output=True, text=True)
    assert done.returncode == 3 and not (tmp_path / "m.so").exists()
    for node in ("up", "grouped"):
        wanted = f'node "{node}" (ConvTranspose, domain ai.onnx, opset 17): the operator is not implemented'
        assert wanted in done.stderr


class Branched(torch.nn.Module):
    def __init__(self):
        super().__init__()

        def body(width):
            return torch.nn.Sequential(torch.nn.Conv2d(4, width, 3, 1, 1, bias=False), torch.nn.BatchNorm2d(width),
                                       torch.nn.ReLU(), torch.nn.Conv2d(width, 4, 1), torch.nn.BatchNorm2d(4))

        self.stem = torch.nn.Conv2d(1, 4, 3, 1, 1)
        self.body = abt.Branches([body(4) for _ in range(4)], half=body(2))
        self.head = torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.head(torch.relu(self.body(torch.relu(self.stem(x)))).mean((2, 3)))


def test_branches_of_a_candidates_own(tmp_path):
    """MBQuant: width b runs b/2 bodies of 2-bit weights, an odd one the half body besides."""
    x = torch.randn(3, 1, 8, 8)
    net = seen(abt.switchable(Branched(), ["w8a8", "w6a6", "w4a4", "w3a3", "w2a2"]), x)
    branches = net.net.get_submodule("body")
    assert branches.active == [[0, 1, 2, 3], [1, 2, 3], [1, 2], [1, 4], [0]]
    assert {w.weights for name, layer in net.layers().items() if name.startswith("body.") for w in layer.widths} == {2}
    net.train().set_candidate("w2a2")
    net(x).sum().backward()
    ran = {name for name, layer in net.layers().items() if layer.weight.grad is not None}
    assert ran == {"stem", "head", "body.bodies.0.0", "body.bodies.0.3"}
    check(net, x, tmp_path / "m.onnx")
