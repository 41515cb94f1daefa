"""Files made to break a loader: each is refused in words, with the right exit code, and nothing is written.

The rows are the classes of bugs that have been found in model loaders; every row has at least two files here.
"""

import collections
import os
import pickle
import random
import subprocess
import zipfile

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

import exact

INVALID, UNSUPPORTED = 2, 3
F32 = np.float32
MOST = 2 ** 63 - 1
CASES = []


def case(row, code, *words):
    """Registers a function that makes a model, or writes into a folder and returns the path of a file."""
    def register(make):
        CASES.append(pytest.param(row, code, words, make, id=f"{row}-{make.__name__}"))
        return make
    return register


def model(*nodes, initializers=(), inputs=None, outputs=None, functions=(), opset=17):
    inputs = [("x", [1, 4, 8, 8])] if inputs is None else inputs
    outputs = [nodes[-1].output[0]] if outputs is None else outputs
    graph = helper.make_graph(
        list(nodes), "g", [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs], list(initializers))
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=10)


def node(op, inputs, output="y", **attributes):
    return helper.make_node(op, inputs, [output], name=f"the_{op.lower()}", **attributes)


def array(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def tensor(name, dims, raw=b"", kind=TensorProto.FLOAT):
    made = TensorProto(name=name, data_type=kind, dims=dims)
    if raw:
        made.raw_data = raw
    return made


def with_weight(weight):
    return model(node("Add", ["x", "w"]), initializers=[weight])


def unary(op, constants=(), shape=(1, 4, 8, 8), opset=17, **attributes):
    """x and constants into one op."""
    names = [f"c{i}" for i in range(len(constants))]
    return model(node(op, ["x", *names], **attributes), inputs=[("x", list(shape))], opset=opset,
                 initializers=[array(name, value) for name, value in zip(names, constants)])


def external(*entries, kind=TensorProto.FLOAT):
    made = TensorProto(name="w", data_type=kind, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, value in entries:
        made.external_data.add(key=key, value=value)
    return made


def from_file(location, **more):
    return external(("location", location), ("length", "4"), *more.items())


def branches(then, otherwise=None):
    return node("If", ["flag"], then_branch=then, else_branch=otherwise or then)


def branch(*nodes, initializers=(), output="b"):
    return helper.make_graph(list(nodes), "branch", [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
                             list(initializers))


def function(name, *nodes):
    return helper.make_function("local", name, ["a"], ["b"], list(nodes), [helper.make_opsetid("", 17),
                                                                          helper.make_opsetid("local", 1)])


# Path traversal.
@case("path", INVALID, "'..'")
def parent(folder): return with_weight(from_file("../secret"))


@case("path", INVALID, "absolute")
def absolute(folder): return with_weight(from_file("/etc/hostname"))


@case("path", INVALID, "symbolic link")
def symbolic_link(folder):
    os.symlink("/etc/hostname", folder / "link")
    return with_weight(from_file("link"))


@case("path", INVALID, "symbolic link")
def linked_folder(folder):
    os.symlink("/etc", folder / "folder")
    return with_weight(from_file("folder/hostname"))


@case("path", INVALID, "hard links")
def hard_link(folder):
    (folder / "a").write_bytes(b"abcd")
    os.link(folder / "a", folder / "b")
    return with_weight(from_file("b"))


@case("path", INVALID, "regular file")
def fifo(folder):
    os.mkfifo(folder / "fifo")
    return with_weight(from_file("fifo"))


# The same check on other ways in.
@case("second-path", INVALID, "'..'")
def in_an_attribute(folder): return model(node("Constant", [], value=from_file("../secret")))


@case("second-path", INVALID, "'..'")
def in_a_branch(folder):
    inner = branch(node("Identity", ["w"], "b"), initializers=[from_file("../secret")])
    return model(branches(inner), initializers=[array("flag", True)])


@case("second-path", INVALID, "'..'")
def in_a_function(folder):
    body = function("f", helper.make_node("Constant", [], ["w"], value=from_file("../secret")),
                    helper.make_node("Add", ["a", "w"], ["b"]))
    return model(helper.make_node("f", ["x"], ["y"], domain="local"), functions=[body])


@case("second-path", UNSUPPORTED, "sparse")
def in_a_sparse_initializer(folder):
    made = model(node("Relu", ["x"]))
    made.graph.sparse_initializer.add().values.CopyFrom(from_file("../secret"))
    return made


# Injected or impossible ranges.
@case("range", INVALID, "'basepath'")
def foreign_key(folder): return with_weight(from_file("w", basepath="/etc"))


@case("range", INVALID, "offset '-4'")
def negative_offset(folder): return with_weight(from_file("w", offset="-4"))


@case("range", INVALID, "non-negative")
def huge_offset(folder): return with_weight(from_file("w", offset="99999999999999999999999"))


@case("range", INVALID, "need 4")
def huge_length(folder): return with_weight(external(("location", "w"), ("length", str(MOST))))


@case("range", INVALID, "at offset 18446744073709551615")
def wrapping_offset(folder):
    (folder / "w").write_bytes(b"abcdefgh")
    return with_weight(from_file("w", offset="18446744073709551615"))


@case("range", INVALID, "changed")
def wrong_checksum(folder):
    (folder / "w").write_bytes(b"abcd")
    return with_weight(from_file("w", checksum="0" * 40))


# More declared than there is.
@case("lying-shape", INVALID, "3 bytes", "need 16")
def raw_too_short(folder): return with_weight(tensor("w", [4], b"abc"))


@case("lying-shape", INVALID, "1 bytes", "need 3")
def packed_too_short(folder): return with_weight(tensor("w", [5], b"a", TensorProto.INT4))


@case("lying-shape", INVALID, "2 values in float_data")
def field_too_short(folder):
    weight = tensor("w", [8, 8])
    weight.float_data.extend([1, 2])
    return with_weight(weight)


@case("lying-shape", INVALID, "no data")
def no_data(folder): return with_weight(tensor("w", [1 << 20]))


# Lengths that are no multiple of an element.
@case("odd-length", INVALID, "5 bytes")
def five_bytes_of_float(folder): return with_weight(tensor("w", [1], b"abcde"))


@case("odd-length", INVALID, "7 bytes")
def seven_bytes_of_int64(folder): return with_weight(tensor("w", [1], b"abcdefg", TensorProto.INT64))


# Products that do not fit 64 bits.
@case("overflow", INVALID, "product")
def dims_that_wrap_to_zero(folder): return with_weight(tensor("w", [1 << 33, 1 << 33], b"abcd"))


@case("overflow", INVALID, "product")
def dims_that_wrap_to_one_element(folder): return with_weight(tensor("w", [MOST, MOST], b"abcd"))


@case("overflow", INVALID, "product")
def input_of_2_to_the_45(folder): return unary("Relu", shape=[1 << 15, 1 << 15, 1 << 15])


@case("overflow", INVALID, "pads")
def huge_pads(folder):
    return unary("Conv", [np.zeros((4, 4, 3, 3), np.float32)], pads=[MOST, MOST, MOST, MOST])


@case("overflow", INVALID, "dilations")
def huge_dilations(folder): return unary("Conv", [np.zeros((4, 4, 3, 3), np.float32)], dilations=[MOST, MOST])


@case("overflow", INVALID, "strides")
def huge_strides(folder): return unary("MaxPool", kernel_shape=[2, 2], strides=[MOST, MOST])


@case("overflow", INVALID, "2^40")
def huge_tile(folder): return unary("Tile", [np.array([1, 1, 1 << 40, 1 << 40])])


@case("overflow", INVALID, "2^40")
def huge_expand(folder): return unary("Expand", [np.array([1 << 40, 4, 8, 8])], shape=[1, 4, 8, 8])


@case("overflow", INVALID, "larger than")
def huge_constant(folder):
    fill = helper.make_node("ConstantOfShape", ["shape"], ["w"])
    return model(fill, node("Add", ["x", "w"]), initializers=[array("shape", np.array([1 << 20, 1 << 20]))])


@case("overflow", INVALID, "bytes of memory")
def ten_million_empty_nodes(folder):
    made = model(node("Relu", ["x"])).SerializeToString()
    (folder / "m.onnx").write_bytes(made + b"\x3a\x80\xda\xc4\x09" + b"\x0a\x00" * 10_000_000)
    return folder / "m.onnx"


# Ranks that do not fit.
@case("rank", INVALID, "rank")
def conv_weights_of_rank_2(folder): return unary("Conv", [np.zeros((4, 4), np.float32)])


@case("rank", INVALID, "the_transpose")
def short_permutation(folder): return unary("Transpose", perm=[1, 0])


@case("rank", INVALID, "expected [4]")
def statistics_of_rank_0(folder): return unary("BatchNormalization", [np.float32(1)] * 4)


@case("rank", INVALID, "the_slice")
def more_starts_than_axes(folder): return unary("Slice", [np.array([0, 0]), np.array([1, 1]), np.array([0])])


@case("rank", INVALID, "the_concat")
def concat_of_ranks(folder): return unary("Concat", [np.zeros((4, 8), np.float32)], axis=0)


@case("rank", INVALID, "do not fit")
def matmul_of_scalars(folder): return unary("MatMul", [np.float32(1)])


# Zeros that something is divided by.
@case("zero", INVALID, "0 groups")
def no_groups(folder): return unary("Conv", [np.zeros((4, 4, 1, 1), np.float32)], group=0)


@case("zero", INVALID, "strides")
def stride_of_zero(folder): return unary("Conv", [np.zeros((4, 4, 1, 1), np.float32)], strides=[0, 0])


@case("zero", INVALID, "the kernel [0, 0]")
def kernel_of_zero(folder): return unary("AveragePool", kernel_shape=[0, 0])


@case("zero", INVALID, "the_spacetodepth")
def block_of_zero(folder): return unary("SpaceToDepth", blocksize=0)


@case("zero", INVALID, "the_depthtospace")
def depth_block_of_zero(folder): return unary("DepthToSpace", blocksize=0)


@case("zero", INVALID, "the_div")
def integer_division_by_zero(folder):
    return model(node("Div", ["a", "b"]), initializers=[array("a", np.array([7])), array("b", np.array([0]))])


@case("zero", INVALID, "the_range")
def range_without_step(folder):
    return model(node("Range", ["a", "a", "z"]), initializers=[array("a", np.int64(1)), array("z", np.int64(0))])


# Indices outside.
@case("index", INVALID, "-9")
def gather_before_the_start(folder): return unary("Gather", [np.array([-9])], axis=1)


@case("index", INVALID, "4")
def gather_past_the_end(folder): return unary("Gather", [np.array([4])], axis=1)


@case("index", INVALID, "axis -7")
def axis_before_the_first(folder): return unary("Concat", axis=-7)


@case("index", INVALID, "the_split")
def negative_split(folder): return unary("Split", [np.array([-4, 8])], axis=1)


@case("index", INVALID, "axis 4")
def reduced_axis_outside(folder): return unary("ReduceMean", axes=[4], opset=13)


# Recursion.
@case("recursion", INVALID, "'f' -> 'f'")
def function_that_calls_itself(folder):
    body = function("f", helper.make_node("f", ["a"], ["b"], domain="local"))
    return model(helper.make_node("f", ["x"], ["y"], domain="local"), functions=[body])


@case("recursion", INVALID, "'f' -> 'g' -> 'f'")
def functions_that_call_each_other(folder):
    bodies = [function(a, helper.make_node(b, ["a"], ["b"], domain="local")) for a, b in ("fg", "gf")]
    return model(helper.make_node("f", ["x"], ["y"], domain="local"), functions=bodies)


@case("recursion", INVALID, "cycle")
def nodes_in_a_cycle(folder):
    return model(helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"]), node("Relu", ["b"]))


@case("recursion", INVALID, "nest")
def deep_branches(folder):
    inner = branch(node("Identity", ["x"], "b"))
    for _ in range(25):
        inner = branch(helper.make_node("If", ["flag"], ["b"], then_branch=inner, else_branch=branch(node("Identity", ["x"], "b"))))
    return model(branches(inner), initializers=[array("flag", True)])


# Ranks beyond reason.
@case("huge-rank", INVALID, "rank 5000")
def initializer_of_rank_5000(folder): return with_weight(tensor("w", [1] * 5000, b"abcd"))


@case("huge-rank", INVALID, "rank 100000")
def input_of_rank_100000(folder): return unary("Relu", shape=[1] * 100000)


@case("huge-rank", UNSUPPORTED, 'input "x" has rank 9', "at most rank 8")
def input_of_rank_9(folder): return unary("Relu", shape=[1] * 9)


# Tensors without elements.
@case("empty", UNSUPPORTED, 'input "x" is [0, 3]', "make every dimension at least 1")
def input_without_elements(folder): return unary("Relu", shape=[0, 3])


@case("empty", UNSUPPORTED, 'output "y" is [0, 4, 8, 8]')
def slice_of_nothing(folder): return unary("Slice", [np.array([1]), np.array([1])])


@case("empty", UNSUPPORTED, 'output "y" is [0, 3]')
def constant_output(folder): return model(node("Identity", ["w"]), initializers=[array("w", np.zeros((0, 3), F32))])


# Names and types that are not there.
@case("scope", INVALID, "inner")
def value_of_a_branch_outside(folder):
    then = branch(helper.make_node("Relu", ["x"], ["inner"]), node("Identity", ["inner"], "b"))
    return model(branches(then), helper.make_node("Relu", ["inner"], ["z"]), initializers=[array("flag", True)])


@case("scope", INVALID, "ghost")
def input_that_nothing_makes(folder): return model(node("Relu", ["ghost"]))


@case("scope", INVALID, "no type")
def input_without_a_type(folder):
    made = unary("Relu")
    made.graph.input[0].ClearField("type")
    return made


@case("scope", UNSUPPORTED, "not a tensor")
def input_that_is_a_sequence(folder):
    made = unary("Relu")
    made.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = TensorProto.FLOAT
    return made


@case("scope", INVALID, "the_leakyrelu")
def attribute_of_another_type(folder): return unary("LeakyRelu", alpha="much")


@case("scope", INVALID, "the_leakyrelu")
def attribute_without_a_type(folder):
    made = unary("LeakyRelu", alpha=0.1)
    made.graph.node[0].attribute[0].type = AttributeProto.UNDEFINED
    made.graph.node[0].attribute[0].ClearField("f")
    return made


# Not a number where an order is needed.
def quantizer(scale, zero=np.uint8(0)):
    return model(helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="the_quantizer"),
                 node("DequantizeLinear", ["q", "s", "z"]), initializers=[array("s", F32(scale)), array("z", zero)])


@case("nan", INVALID, "the_quantizer", "nan", "finite and positive")
def scale_that_is_no_number(folder): return quantizer(np.nan)


@case("nan", INVALID, "the_quantizer", "inf", "finite and positive")
def infinite_scale(folder): return quantizer(np.inf)


@case("nan", INVALID, "the_quantizer", "finite and positive")
def scale_of_zero(folder): return quantizer(0)


@case("nan", INVALID, "the_quantizer", "-1", "finite and positive")
def one_negative_scale_of_many(folder): return quantizer([1, 1, -1, 1], np.zeros(4, np.uint8))


@case("nan", INVALID, "the_weights", "finite")
def weights_with_a_scale_that_is_no_number(folder):
    decode = helper.make_node("DequantizeLinear", ["q", "s"], ["w"], name="the_weights")
    return model(decode, node("Add", ["x", "w"]), initializers=[array("q", np.ones(8, np.int8)), array("s", F32(np.nan))])


@case("nan", INVALID, "the_quant", "finite and positive")
def scale_of_a_qonnx_quantizer(folder):
    made = model(helper.make_node("Quant", ["x", "s", "z", "b"], ["y"], name="the_quant", domain="qonnx.custom_op.general"),
                 initializers=[array("s", F32(np.nan)), array("z", F32(0)), array("b", F32(4))])
    made.opset_import.add(domain="qonnx.custom_op.general", version=1)
    return made


@case("nan", INVALID, "the_quant", "finite and positive")
def scale_of_a_rounding_mode(folder):
    made = scale_of_a_qonnx_quantizer(folder)
    made.graph.node[0].attribute.append(helper.make_attribute("rounding_mode", "FLOOR"))
    return made


@case("nan", INVALID, "the_resize")
def resize_by_no_number(folder):
    return unary("Resize", [np.zeros(0, np.float32), np.array([1, 1, np.nan, 1], np.float32)])


# What a conversion to another form of program takes for granted.
@case("conversion", INVALID, "int64")
def sum_of_two_types(folder): return unary("Add", [np.array([1])])


@case("conversion", INVALID, "declared")
def output_of_another_type(folder):
    made = unary("Relu")
    made.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    return made


@case("conversion", INVALID, "defined twice")
def one_name_twice(folder):
    return model(helper.make_node("Relu", ["x"], ["y"], name="a"), node("Neg", ["x"]))


@case("conversion", INVALID, "has 1 inputs")
def missing_operand(folder): return unary("Add")


@case("conversion", UNSUPPORTED, "string")
def strings(folder): return with_weight(helper.make_tensor("w", TensorProto.STRING, [1], [b"a"]))


# Trust in what a file says about itself.
@case("trust", UNSUPPORTED, "com.evil")
def operator_of_a_plugin(folder):
    made = model(helper.make_node("LoadLibrary", ["x"], ["y"], domain="com.evil", path="/tmp/x.so", trusted=1))
    made.opset_import.add(domain="com.evil", version=1)
    return made


@case("trust", UNSUPPORTED, "IR version 99")
def version_of_the_future(folder):
    made = unary("Relu")
    made.ir_version = 99
    return made


# Formats whose reading runs code.
class Payload:
    def __reduce__(self): return (os.mkdir, ("executed",))


@case("pickle", INVALID, "not an ONNX file")
def pickled(folder):
    (folder / "m.onnx").write_bytes(pickle.dumps(Payload()))
    return folder / "m.onnx"


@case("pickle", INVALID, "not an ONNX file")
def pickled_in_a_zip(folder):
    with zipfile.ZipFile(folder / "m.onnx", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Payload()))
    return folder / "m.onnx"


# Damaged files, and candidates that are none.
@case("damage", INVALID, "not an ONNX file")
def truncated(folder):
    (folder / "m.onnx").write_bytes(with_weight(array("w", np.ones((8, 8), np.float32))).SerializeToString()[:-40])
    return folder / "m.onnx"


@case("damage", INVALID, "")
def empty(folder):
    (folder / "m.onnx").write_bytes(b"")
    return folder / "m.onnx"


@case("damage", INVALID, "")
def random_bytes(folder):
    (folder / "m.onnx").write_bytes(random.Random(1).randbytes(5000))
    return folder / "m.onnx"


def candidate_model(table, index="candidate", nodes=()):
    made = model(*nodes, helper.make_node("Gather", ["table", index], ["row"], name="the_gather"), node("Mul", ["x", "row"]),
                 initializers=[array("table", np.asarray(table, np.float32))])
    made.graph.input.append(helper.make_tensor_value_info("candidate", TensorProto.INT64, []))
    made.metadata_props.add(key="anybit.candidates", value="w8a8,w4a4")
    return made


@case("candidate", INVALID, "3", "2")
def table_with_too_many_rows(folder): return candidate_model([1, 2, 3])


@case("candidate", UNSUPPORTED, "the_expand", "known at compile time")
def shape_from_an_index_that_does_not_fold(folder):
    cast = helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT64)
    index = helper.make_node("Add", ["candidate", "whole"], ["next"])
    made = candidate_model([1, 2], "next", [cast, index])
    made.graph.node.append(helper.make_node("Expand", ["y", "next"], ["z"], name="the_expand"))
    return made


@case("candidate", INVALID, "candidate")
def candidates_without_an_input(folder):
    made = unary("Relu")
    made.metadata_props.add(key="anybit.candidates", value="w8a8,w4a4")
    return made


def test_there_are_enough_of_each():
    rows = collections.Counter(each.values[0] for each in CASES)
    assert len(CASES) >= 60 and min(rows.values()) >= 2 and len(rows) >= 16, rows


@pytest.mark.parametrize("row,code,words,make", CASES)
def test_refused(row, code, words, make, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"abcd")
    made = make(folder)
    if isinstance(made, onnx.ModelProto):
        (folder / "m.onnx").write_bytes(made.SerializeToString())
        made = folder / "m.onnx"
    done = subprocess.run([exact.program("bin", "anybit"), "compile", made, "-q", "-o", tmp_path / "m.so"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr[-600:]
    lines = [line for line in done.stderr.splitlines() if line]
    assert lines and all(line.startswith("error: ") for line in lines), done.stderr[-600:]
    for word in words:
        assert word in done.stderr, done.stderr[-600:]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "secret"], "something was written"
