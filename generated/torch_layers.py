"""Layers of recurrent cells with the habits of `torch.nn.LSTM`: stacked, in both directions, over packed sequences.

`Recurrent` composes calls of a cell from `torch_cell.py`; the `<cell>_torch.py` beside it say of which.

Part of handgrad; `handgrad generate` puts it beside the cells' PyTorch modules.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from .torch_cell import Cell
from .torch_engine import Tensors


class Recurrent(nn.Module):  # type: ignore[misc]
    """Layers of a recurrent cell.

    Args:
        input_size: the size of the input at one step.
        hidden_size: the size of what is inside, and of the output where there is no projection.
        num_layers: how many are stacked, each over the outputs of the one below.
        bias: whether there are biases; without them they are zeros.
        batch_first: whether inputs and outputs are (N, T, …) instead of (T, N, …); states are (…, N, …) either way.
        dropout: the probability with which an entry of a layer's output, the last layer's apart, is zeroed in training.
        bidirectional: whether every layer has a second direction, from the last step to the first.
        proj_size: the size of the output, of cells with a projection alone.
        device, dtype: of the parameters; the CPU or a GPU, float32 or float64.

    Parameters begin uniform in ±1/√hidden_size, as those of nn.LSTM; gains begin at one.

    Class attributes, which the cells set:
        cell: the function of one layer in one direction.
        input_dim, hidden_dim, output_dim: which of its dimensions are input_size, hidden_size and proj_size.
        biases, gains: the parameters that are such.
    """

    cell: ClassVar[Cell]
    input_dim: ClassVar[str]
    hidden_dim: ClassVar[str]
    output_dim: ClassVar[str]
    biases: ClassVar[tuple[str, ...]]
    gains: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
        if self.output_dim != self.hidden_dim:
            sizes["proj_size"] = proj_size
        elif proj_size:
            raise ValueError(f"proj_size is {proj_size}, but {type(self).__name__} has no projection, expected 0")
        _check_sizes(sizes)
        _check_switches({"bias": bias, "batch_first": batch_first, "bidirectional": bidirectional})
        _check_dropout(dropout, num_layers)
        self.input_size, self.hidden_size, self.proj_size = input_size, hidden_size, proj_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional = float(dropout), bidirectional
        for layer in range(num_layers):
            for end in self._ends:
                for name in self._names:
                    if bias or name not in self.biases:
                        shape = self._shapes(layer)[name]
                        made = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                        self.register_parameter(f"{name}_l{layer}{end}", made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Begin again: uniform in ±1/√hidden_size, gains at one."""
        bound = 1 / math.sqrt(self.hidden_size)
        for name, parameter in self.named_parameters():
            if name.rsplit("_l", 1)[0] in self.gains:
                nn.init.ones_(parameter)
            else:
                nn.init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing: cuDNN's modules have it, and models call it."""

    def forward(self, input: Any, states: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        """Outputs and last states.

        Args:
            input: (T, N, input_size), (N, T, input_size) if batch_first, (T, input_size) without a batch, or a
                PackedSequence.
            states: (num_layers · directions, N, …) for every state, the reverse direction of a layer behind its forward
                one and N left out without a batch; a tuple where the cell has several. None means zeros.
            lengths: (N,) integers from 0 to T in any order, how many steps each sequence has; None means T. What lies
                beyond is ignored, there the outputs are zeros.

        Returns:
            output: of the input's kind, with the last axis directions · output size.
            states: like those given; of every sequence those at its end.

        Raises:
            TypeError: for what is no tensor, or of another dtype than float32, float64 or than the parameters.
            ValueError: for a shape that does not fit.
        """
        if isinstance(input, PackedSequence):
            return self._packed(input, states, lengths)
        self._check_input(input)
        batched, first = input.dim() == 3, self.batch_first and input.dim() == 3
        if not batched and lengths is not None:
            raise ValueError("lengths are for batches, the input is one sequence (T, input_size)")
        given = self._given(states, input.shape[0 if first else 1] if batched else None)
        x = input if batched else input.unsqueeze(1)
        x = x.transpose(0, 1) if first else x
        start = self._zeros(x) if given is None else given if batched else tuple(one.unsqueeze(1) for one in given)
        output, last = self._run(x, start, lengths)
        output = output.transpose(0, 1) if first else output
        if not batched:
            output, last = output.squeeze(1), tuple(one.squeeze(1) for one in last)
        return output, last if len(last) > 1 else last[0]

    def extra_repr(self) -> str:
        """The arguments that are not the defaults."""
        defaults = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        told = [f"{name}={getattr(self, name)}" for name, usual in defaults.items() if getattr(self, name) != usual]
        told += [f"proj_size={self.proj_size}"] if self.proj_size else []
        return ", ".join([str(self.input_size), str(self.hidden_size), *told])

    # -- the composition ---------------------------------------------------------------------------------------------

    def _run(self, x: Tensor, states: Tensors, lengths: Any) -> tuple[Tensor, Tensors]:
        """All layers over a batch (T, N, …)."""
        counts = None if lengths is None else torch.as_tensor(lengths)
        last: list[Tensors] = []
        for layer in range(self.num_layers):
            outputs = []
            for end in self._ends:
                first = tuple(state[len(last)] for state in states)
                output, final = self._direction(x, first, self._weights(layer, end, x), counts, reverse=end != "")
                outputs.append(output)
                last.append(final)
            x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)
            if self.dropout and layer < self.num_layers - 1:
                x = nn.functional.dropout(x, self.dropout, self.training)
        return x, tuple(torch.stack(column) for column in zip(*last, strict=True))

    def _direction(
        self, x: Tensor, first: Tensors, weights: Tensors, lengths: Tensor | None, reverse: bool
    ) -> tuple[Tensor, Tensors]:
        """One layer in one direction: its outputs, and its last states."""
        results = dict(
            zip(self.cell.results, self.cell(x, *first, *weights, lengths=lengths, reverse=reverse), strict=True)
        )
        output = results[self.cell.results[0]]
        final = [
            _last(output, start, lengths, reverse) if name == self.cell.results[0] else results[name]
            for name, start in zip(self.cell.signature.states.values(), first, strict=True)
        ]
        return output, tuple(final)

    def _packed(self, packed: PackedSequence, states: Any, lengths: Any) -> tuple[PackedSequence, Any]:
        if lengths is not None:
            raise ValueError("a PackedSequence has lengths of its own, expected lengths=None")
        data, sizes, order, back = packed
        if data.dim() != 2:
            raise ValueError(f"a PackedSequence should have data of 2 axes, got {data.dim()}")
        self._check_input(data)
        # As they lie in it, the longest first.
        x, counts = pad_packed_sequence(PackedSequence(data, sizes))
        given = self._given(states, x.shape[1])
        if given is None:
            given = self._zeros(x)
        elif order is not None:
            given = tuple(one.index_select(1, order) for one in given)
        output, last = self._run(x, given, counts)
        if back is not None:
            last = tuple(one.index_select(1, back) for one in last)
        again = pack_padded_sequence(output, counts)
        return PackedSequence(again.data, sizes, order, back), last if len(last) > 1 else last[0]

    @property
    def _ends(self) -> tuple[str, ...]:
        """What the names of the directions' parameters end in."""
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def _names(self) -> tuple[str, ...]:
        """The parameters of one layer in one direction, in the order of the cell's arguments."""
        others = {*self.cell.signature.sequences, *self.cell.signature.states}
        return tuple(name for name in self.cell.arguments if name not in others)

    def _shapes(self, layer: int, batch: int = 0) -> dict[str, tuple[int, ...]]:
        """The shapes of the cell's arguments in a layer, for no steps."""
        output = self.proj_size or self.hidden_size
        below = self.input_size if layer == 0 else output * len(self._ends)
        sizes = {self.input_dim: below, self.hidden_dim: self.hidden_size, self.output_dim: output}
        cell = self.cell.signature
        return cell.shapes(*(sizes.get(dim, 0 if dim == "T" else batch) for dim in cell.dims)).arguments

    def _weights(self, layer: int, end: str, x: Tensor) -> Tensors:
        given = [name for name in self._names if self.bias or name not in self.biases]
        shapes, weights = self._shapes(layer), {name: getattr(self, f"{name}_l{layer}{end}") for name in given}
        return tuple(weights[name] if name in weights else x.new_zeros(shapes[name]) for name in self._names)

    # -- states and checks -------------------------------------------------------------------------------------------

    def _state_shapes(self, batch: int | None) -> Iterator[tuple[str, tuple[int, ...]]]:
        """For all layers and directions; without a batch its axis is left out."""
        count, shapes = self.num_layers * len(self._ends), self._shapes(0, batch or 0)
        for name in self.cell.signature.states:
            yield name, (count, *(shapes[name] if batch is not None else shapes[name][1:]))

    def _zeros(self, x: Tensor) -> Tensors:
        return tuple(x.new_zeros(shape) for _, shape in self._state_shapes(x.shape[1]))

    def _given(self, states: Any, batch: int | None) -> Tensors | None:
        """Checked states."""
        if states is None:
            return None
        names = tuple(self.cell.signature.states)
        some = (states,) if isinstance(states, Tensor) else tuple(states)
        if len(some) != len(names):
            expected = f"{len(names)} states" if len(names) > 1 else "1 state"
            raise ValueError(f"expected {expected}, {', '.join(names)}, got {len(some)}")
        for (name, shape), one in zip(self._state_shapes(batch), some, strict=True):
            if not isinstance(one, Tensor):
                raise TypeError(f"{name} should be a tensor, got {type(one).__name__}")
            if tuple(one.shape) != shape:
                raise ValueError(f"{name} has shape {tuple(one.shape)}, expected {shape}")
        return some

    def _check_input(self, input: Any) -> None:
        if not isinstance(input, Tensor):
            raise TypeError(f"the input should be a tensor or a PackedSequence, got {type(input).__name__}")
        if input.dim() not in (2, 3):
            raise ValueError(f"the input should have 2 axes, or 3 with a batch, got {input.dim()}")
        if input.shape[-1] != self.input_size:
            raise ValueError(f"the input's last axis is {input.shape[-1]}, expected input_size = {self.input_size}")


def _last(output: Tensor, first: Tensor, lengths: Tensor | None, reverse: bool) -> Tensor:
    """The output at the step of every sequence that was taken last; where there was none what the state began as."""
    T, N = output.shape[:2]
    if T == 0:
        return first
    if lengths is None:
        return output[0] if reverse else output[T - 1]
    lengths = lengths.to(output.device)
    ends = torch.zeros_like(lengths) if reverse else (lengths - 1).clamp(min=0)
    found = output[ends, torch.arange(N, device=output.device)]
    return torch.where((lengths > 0).unsqueeze(1), found, first)


def _check_sizes(sizes: dict[str, int]) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"{name} should be an integer, got {type(size).__name__}")
        if size < 1:
            raise ValueError(f"{name} is {size}, expected at least 1")


def _check_switches(switches: dict[str, bool]) -> None:
    for name, switch in switches.items():
        if not isinstance(switch, bool):
            raise TypeError(f"{name} should be True or False, got {switch!r}")


def _check_dropout(dropout: float, num_layers: int) -> None:
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
        raise ValueError(f"dropout is {dropout!r}, expected a probability from 0 to 1")
    if dropout and num_layers == 1:
        warnings.warn("dropout is between layers, and there is one layer alone", stacklevel=4)
