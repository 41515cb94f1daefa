"""Switchable modules as nodes: weights, quantizers and batch norms with tables of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from ..._errors import Unsupported
from ..branches import SwitchableBranches
from ..modules import Float, SwitchableActivation, SwitchableBatchNorm, SwitchableModule, _SwitchableLayer
from ..quantizers.base import Bases, Grid, Table
from .writer import Writer


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


@dataclass
class _Group:
    """Candidates whose function has one form: one call serves them."""

    rows: dict[int, "Grid | Table | Bases"] = field(default_factory=dict)

    def flags(self, count: int) -> list[bool]:
        return [index in self.rows for index in range(count)]

    def spread(self, values: dict[int, np.ndarray], count: int) -> np.ndarray:
        """[count, ...]: the values, and the first of them for candidates that are not in the group."""
        shape = np.broadcast_shapes(*(value.shape for value in values.values()))
        first = next(iter(values.values()))
        return np.stack([np.broadcast_to(values.get(index, first), shape) for index in range(count)])


def write_grids(w: Writer, x: str, grids: "Sequence[Grid | Table | Bases | None]", hint: str,
                real: "str | None" = None) -> str:
    """The fake-quantized x; grids: of each candidate, None for float, which has `real` (x if None). Forms that differ
    are chosen by Where (C3)."""
    groups: dict[tuple, _Group] = {}
    for index, grid in enumerate(grids):
        if grid is not None:
            key = (type(grid), grid.kind, getattr(grid, "values", None) is not None)
            groups.setdefault(key, _Group()).rows[index] = grid
    result = None
    for (form, kind, _), group in groups.items():
        write = {Grid: _write_grid, Table: _write_table, Bases: _write_bases}[form]
        value = write(w, x, group, kind, f"{hint}/{kind}" if len(groups) > 1 else hint)
        result = value if result is None else w.choose(group.flags(w.count), value, result, f"{hint}/chosen")
    if result is None:
        return real or x
    return w.choose([grid is None for grid in grids], real or x, result, f"{hint}/real")


def _own_values(w: Writer, x: str, group: _Group, hint: str) -> str:
    """x, or the table of transformed values that is quantized in its place."""
    if next(iter(group.rows.values())).values is None:
        return x
    tables = group.spread({i: _array(grid.values).astype(np.float16) for i, grid in group.rows.items()}, w.count)
    return w.add("Cast", [w.table(tables, f"{hint}/values")], f"{hint}/values.f32", to=1)


def _write_grid(w: Writer, x: str, group: _Group, kind: str, hint: str) -> str:
    x = _own_values(w, x, group, hint)
    scale = group.spread({i: _array(grid.scale).astype(np.float32) for i, grid in group.rows.items()}, w.count)
    operands = [x, w.table(scale, f"{hint}/scale")]
    if kind == "unsigned":
        zeros = {i: np.zeros((), np.int32) if grid.zero is None else _array(grid.zero).astype(np.int32)
                 for i, grid in group.rows.items()}
        operands.append(w.table(group.spread(zeros, w.count), f"{hint}/zero_point"))
    bits = group.spread({i: np.asarray(grid.bits, np.int64) for i, grid in group.rows.items()}, w.count)
    return w.call(f"FakeQuant{kind.capitalize()}", [*operands, w.table(bits, f"{hint}/bits")], hint)


def _write_table(w: Writer, x: str, group: _Group, kind: str, hint: str) -> str:
    x = _own_values(w, x, group, hint)
    longest = max(len(table.levels) for table in group.rows.values())

    def padded(values: Tensor, length: int, fill: float) -> np.ndarray:
        array = _array(values).astype(np.float32)
        return np.concatenate([array, np.full(length - len(array), fill, np.float32)])

    scale = group.spread({i: _array(t.scale).astype(np.float32) for i, t in group.rows.items()}, w.count)
    thresholds = group.spread({i: padded(t.thresholds, longest - 1, np.inf) for i, t in group.rows.items()}, w.count)
    levels = group.spread({i: padded(t.levels, longest, 0) for i, t in group.rows.items()}, w.count)
    return w.call("FakeQuantTable", [x, w.table(scale, f"{hint}/scale"), w.table(thresholds, f"{hint}/thresholds"),
                                     w.table(levels, f"{hint}/levels")], hint)


def _write_bases(w: Writer, x: str, group: _Group, kind: str, hint: str) -> str:
    most = max(bases.alphas.shape[0] for bases in group.rows.values())

    def padded(alphas: Tensor) -> np.ndarray:
        array = _array(alphas).astype(np.float32)
        return np.concatenate([array, np.zeros((most - len(array), *array.shape[1:]), np.float32)])

    codes = group.spread({i: _array(b.codes).astype(np.uint8) for i, b in group.rows.items()}, w.count)
    alphas = group.spread({i: padded(b.alphas) for i, b in group.rows.items()}, w.count)
    value = None
    # Bits by halving in float32, exact for codes, because a compiler need not have integer division on tensors.
    rest = w.add("Cast", [w.table(codes, f"{hint}/codes")], f"{hint}/codes.f32", to=1)
    for i, alpha in enumerate(w.add("Split", [w.table(alphas, f"{hint}/alphas")], f"{hint}/alpha", outputs=most, axis=0)
                              if most > 1 else [w.table(alphas, f"{hint}/alphas")]):
        half = w.add("Floor", [w.add("Mul", [rest, w.floats(0.5)], f"{hint}/halved")], f"{hint}/half")
        bit = w.add("Sub", [rest, w.add("Add", [half, half], f"{hint}/even")], f"{hint}/bit")
        sign = w.add("Sub", [w.add("Add", [bit, bit], f"{hint}/twice"), w.floats(1)], f"{hint}/sign")
        rest = half
        term = w.add("Mul", [w.add("Squeeze", [alpha, w.integers([0])], f"{hint}/alpha.o"), sign], f"{hint}/term")
        value = term if value is None else w.add("Add", [value, term], f"{hint}/sum")
    return value  # type: ignore[return-value]


def write_weight(w: Writer, layer: _SwitchableLayer) -> str:
    """Wq of the chosen candidate in the order O, I/g, kh, kw: FLOAT16 master, MixBands, FakeQuant."""
    masters = [layer.canonical(layer.weight_of(i).detach()).half() for i in range(w.count)]
    name = f"{layer.name}.weight"
    half = w.table(np.stack([_array(master) for master in masters]), name) if layer.others is not None else \
        w.constant(_array(masters[0]), name)
    key = f"{half}.f32"
    real = w.shared(key, lambda: w.add("Cast", [half], key, to=1))
    theta = layer.theta
    mixed = real
    if len(theta.factors):
        with torch.no_grad():
            factors = np.stack([_array(factor()) for factor in theta.factors])
        wavelet = theta.wavelet
        mixed = w.call("MixBands", [real, w.table(factors, f"{name}/alpha")], f"{name}/mixed",
                       f"{wavelet.layout}_{wavelet.name}", layout=wavelet.layout, wavelet=wavelet.name,
                       group=theta.group)
    grids = []
    with torch.no_grad():
        for index, quantizer in enumerate(theta.quantizers):
            values = theta.mixed(masters[index].float(), index)
            grids.append(None if isinstance(quantizer, Float) else quantizer.grid(values))
    return write_grids(w, mixed, grids, f"{name}/codes", real)


def write_activation(w: Writer, module: SwitchableActivation, x: str) -> str:
    used = [index for index in range(w.count) if index not in module.unused]
    for index in used:
        if not module.quantizers[index].initialized:
            raise Unsupported(f"the quantizer '{module.name}' has seen no data at candidate {w.candidates[index]}: run "
                              f"abt.fit, or one batch at each candidate, before the export")
    # What a candidate never runs has any quantizer.
    chosen = [module.quantizers[index if index in used or not used else used[0]] for index in range(w.count)]
    return write_grids(w, x, [None if isinstance(q, Float) else q.grid() for q in chosen], module.name)


def write_batch_norm(w: Writer, module: SwitchableBatchNorm, x: str) -> str:
    sets = module.sets
    if any(norm.running_mean is None for norm in sets):
        raise Unsupported(f"the batch norm '{module.name}' keeps no running statistics")
    ones = torch.ones(sets[0].num_features)
    tables = {"gamma": [ones if norm.weight is None else norm.weight for norm in sets],
              "beta": [ones * 0 if norm.bias is None else norm.bias for norm in sets],
              "mean": [norm.running_mean for norm in sets], "var": [norm.running_var for norm in sets]}
    operands = [w.table(np.stack([_array(row) for row in rows]), f"{module.name}/{key}")
                for key, rows in tables.items()]
    return w.add("BatchNormalization", [x, *operands], module.name, epsilon=float(sets[0].eps))


def _pads(layer: nn.Module) -> list[int]:
    if layer.padding == "same":
        totals = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size)]
        return [t // 2 for t in totals] + [t - t // 2 for t in totals]
    if layer.padding == "valid":
        return [0] * 2 * len(layer.kernel_size)
    return [*layer.padding, *layer.padding]


def write_layer(w: Writer, layer: _SwitchableLayer, x: str, rank: int) -> str:
    """The node of the layer. rank: of x."""
    if layer.input_quantizer is not None:
        x = write_activation(w, layer.input_quantizer, x)
    weight = write_weight(w, layer)
    bias = [] if layer.bias is None else [w.constant(_array(layer.bias), f"{layer.name}.bias")]
    if isinstance(layer, nn.Linear):
        return _write_linear(w, layer, x, weight, bias, rank)
    window = dict(kernel_shape=list(layer.kernel_size), strides=list(layer.stride), dilations=list(layer.dilation),
                  group=layer.groups)
    if isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d)):
        moved = _swap(w, layer, weight)
        return w.add("ConvTranspose", [x, moved, *bias], layer.name, pads=_pads(layer),
                     output_padding=list(layer.output_padding), **window)
    pads = _pads(layer)
    if layer.padding_mode != "zeros" and any(pads):
        mode = {"reflect": "reflect", "replicate": "edge"}.get(layer.padding_mode)
        if mode is None:
            raise Unsupported(f"layer '{layer.name}': padding mode {layer.padding_mode} has no ONNX form")
        half, spatial = len(pads) // 2, len(layer.kernel_size)
        x = w.add("Pad", [x, w.integers([0, 0, *pads[:half], 0, 0, *pads[half:]])], f"{layer.name}/pad", mode=mode)
        pads = [0] * 2 * spatial
    return w.add("Conv", [x, weight, *bias], layer.name, pads=pads, **window)


def _swap(w: Writer, layer: nn.Module, weight: str) -> str:
    """O, I/g to torch's and ONNX's I, O/g."""
    kernel = list(layer.kernel_size)
    order = [1, 0, *range(2, 2 + len(kernel))]
    if layer.groups == 1:
        return w.add("Transpose", [weight], f"{layer.name}.weight/swapped", perm=order)
    groups, inputs, outputs = layer.groups, layer.in_channels // layer.groups, layer.out_channels // layer.groups
    split = w.add("Reshape", [weight, w.integers([groups, outputs, inputs, *kernel])], f"{layer.name}.weight/split")
    moved = w.add("Transpose", [split], f"{layer.name}.weight/swapped", perm=[0, *(axis + 1 for axis in order)])
    return w.add("Reshape", [moved, w.integers([layer.in_channels, outputs, *kernel])], f"{layer.name}.weight/joined")


def _write_linear(w: Writer, layer: nn.Module, x: str, weight: str, bias: list[str], rank: int) -> str:
    if rank == 2:
        return w.add("Gemm", [x, weight, *bias], layer.name, transB=1)
    moved = w.add("Transpose", [weight], f"{layer.name}.weight/transposed", perm=[1, 0])
    product = w.add("MatMul", [x, moved], layer.name)
    return w.add("Add", [product, *bias], f"{layer.name}/biased") if bias else product


def write_branches(w: Writer, module: SwitchableBranches, outputs: list[str]) -> str:
    """The mean of the candidate's branches; those it does not run are replaced by 0, which folds them away."""
    total = None
    for i, output in enumerate(outputs):
        flags = [i in active for active in module.active]
        if not any(flags):
            continue
        part = w.choose(flags, output, w.floats(0), f"{module.name}/branch{i}")
        total = part if total is None else w.add("Add", [total, part], f"{module.name}/sum")
    shares = np.array([1 / len(active) for active in module.active], np.float32)
    return w.add("Mul", [total, w.table(shares, f"{module.name}/share")], module.name)  # type: ignore[list-item]


def write_module(w: Writer, module: SwitchableModule, x: str, rank: int) -> str:
    """Any switchable module; x: its input."""
    if isinstance(module, SwitchableActivation):
        return write_activation(w, module, x)
    if isinstance(module, SwitchableBatchNorm):
        return write_batch_norm(w, module, x)
    return write_layer(w, module, x, rank)  # type: ignore[arg-type]
