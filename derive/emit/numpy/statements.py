"""A form as NumPy calls that write into buffers: ``multiply(f, c_prev, out=c)``.

Code in a loop must not allocate, so every operation names where it puts its result: the destination where
nothing that is still needed lives there, a scratch buffer otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from derive.emit.numpy.axes import Axes
from derive.emit.numpy.expressions import NATIVE, expanded, expression
from derive.matrix import Form, Group, is_constant
from derive.show import Names


@dataclass
class Scratch:
    """Hands out scratch buffers by the axes they need; ``used`` is what the workspace has to provide."""

    prefix: str = "tmp"
    used: dict[str, tuple[Group, ...]] = field(default_factory=dict)
    busy: list[str] = field(default_factory=list)

    def take(self, groups: tuple[Group, ...]) -> str:
        shape = _shape(groups)
        free = (name for name, axes in self.used.items() if _shape(axes) == shape and name not in self.busy)
        name = next(free, None)
        if name is None:
            name = self.prefix if not self.used else f"{self.prefix}_{len(self.used) + 1}"
            self.used[name] = groups
        self.busy.append(name)
        return name

    def release(self, name: str) -> None:
        if name in self.busy:
            self.busy.remove(name)


def _shape(groups: tuple[Group, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(str(index.dim) for index in group) for group in groups)


@dataclass(frozen=True)
class Target:
    """Where a result goes, and which other names mean the same memory."""

    name: str
    aliases: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Compiler:
    """Turns forms into statements.

    Attributes:
        names: spells an array or one of its blocks.
        scratch: where intermediate results go.
        axes: spells what depends on the axis over steps that arrays have in this phase.
        row_names: like ``names``, inside of a matrix product.
    """

    names: Names
    scratch: Scratch
    axes: Axes
    row_names: Names

    def define(self, form: Form, groups: tuple[Group, ...], target: Target) -> list[str]:
        """Statements for a target with the given axes, some of which the form's value may not depend on."""
        if is_leaf(form) or form.op == "expand" or form.groups == groups:
            return self.assign(form, target)
        name = self.scratch.take(form.groups)
        lines = self.assign(form, Target(name))
        self.scratch.release(name)
        return [*lines, f"copyto({target.name}, {name})"]

    def assign(self, form: Form, target: Target) -> list[str]:
        """Statements after which the target holds the form's value."""
        if is_leaf(form):
            return [f"copyto({target.name}, {self.leaf(form)})"]
        match form.op:
            case "add" | "multiply":
                return self._chain(form, target)
            case "call":
                return self._call(form, target)
            case "negate" | "power":
                return self._unary(form, target)
            case "matmul":
                return self._matmul(form, target)
            case "total" | "largest":
                lines, operand, held = self._operand(form.args[0])
                reduced = self.axes.total if form.op == "total" else self.axes.largest
                lines.append(reduced(form, operand, target.name))
                self._release(held)
                return lines
            case "einsum":
                return self._einsum(form, target)
            case "transpose" | "expand":
                lines, operand, held = self._operand(form)
                self._release(held)
                return [*lines, f"copyto({target.name}, {operand})"]
        raise NotImplementedError(f"no statement for {form.op}")

    def leaf(self, form: Form) -> str:
        """An operand that needs no computation: an array, a view of one, a number."""
        if is_constant(form):
            text = expression(form, self.names)
            return text if form.op in {"number", "dim", "call"} else f"({text})"
        match form.op:
            case "array":
                return self.names(str(form.value), form.label)
            case "transpose":
                return self.axes.transposed(self.leaf(form.args[0]), form)
            case "expand":
                return expanded(self.leaf(form.args[0]), form)
        return str(form.value)

    def _operand(self, form: Form, place: Callable[[], str] | None = None) -> tuple[list[str], str, str | None]:
        """(statements, operand, scratch buffer to release): computed into ``place()`` or into scratch."""
        if is_leaf(form):
            return [], self.leaf(form), None
        if form.op == "expand":
            lines, text, held = self._operand(form.args[0])
            return lines, expanded(text, form), held
        if form.op == "transpose":
            lines, text, held = self._operand(form.args[0])
            return lines, self.axes.transposed(text, form), held
        if place is not None:
            name = place()
            return self.assign(form, Target(name)), name, None
        name = self.scratch.take(form.groups)
        return self.assign(form, Target(name)), name, name

    def _chain(self, form: Form, target: Target) -> list[str]:
        """a + b − c … from left to right, accumulated in the target, or in scratch while the target is read."""
        lines: list[str] = []
        taken: list[str] = []
        free = self._fits(form, target)

        def place() -> str:
            if free:
                return target.name
            if not taken:
                taken.append(self.scratch.take(form.groups))
            return taken[0]

        first, *others = sorted(form.args, key=is_leaf) if form.op == "multiply" else form.args
        lines, result, held = self._operand(first, place if first.groups == form.groups else None)
        for position, part in enumerate(others):
            operation, inner = _signed(form.op, part)
            busy = result in {target.name, *taken}
            more, operand, also_held = self._operand(inner, None if busy or inner.groups != form.groups else place)
            later = others[position + 1 :]
            out = place() if later and self._reads(later, target) else target.name
            lines += [*more, f"{operation}({result}, {operand}, out={out})"]
            self._release(held, also_held)
            result, held = out, None
        self._release(*taken)
        return lines

    def _unary(self, form: Form, target: Target) -> list[str]:
        out = target.name
        lines, operand, held = self._operand(form.args[0], (lambda: out) if self._fits(form, target) else None)
        match form.op:
            case "negate":
                lines.append(f"negative({operand}, out={out})")
            case "power" if form.value == 2:
                lines.append(f"multiply({operand}, {operand}, out={out})")
            case "power" if form.value == -1:
                lines.append(f"reciprocal({operand}, out={out})")
            case "power" if form.value == -2:
                lines += [f"multiply({operand}, {operand}, out={out})", f"reciprocal({out}, out={out})"]
            case "power":
                lines.append(f"power({operand}, {form.value}, out={out})")
        self._release(held)
        return lines

    def _call(self, form: Form, target: Target) -> list[str]:
        """A function's arguments, of which one may be computed in the target."""
        lines: list[str] = []
        operands: list[str] = []
        taken: list[str | None] = []
        free = self._fits(form, target)
        for part in form.args:
            place = (
                (lambda: target.name) if free and target.name not in operands and part.groups == form.groups else None
            )
            more, operand, held = self._operand(part, place)
            lines += more
            operands.append(operand)
            taken.append(held)
        self._release(*taken)
        return [*lines, *function_calls(str(form.value), operands, target.name)]

    def _fits(self, form: Form, target: Target) -> bool:
        """Whether parts of the form may be computed in the target: it has their shape and nothing is read there."""
        same_shape = all(is_leaf(one) or one.groups == form.groups for one in form.args)
        return same_shape and not self._reads(form.args, target)

    def _reads(self, forms: Sequence[Form], target: Target) -> bool:
        """Whether any of the forms reads the target's memory."""
        mine = {target.name} | target.aliases
        return any(self.leaf(leaf) in mine for form in forms for leaf in leaves(form))

    def _matmul(self, form: Form, target: Target) -> list[str]:
        inside = replace(self, names=self.row_names)
        before, left, held = inside._factor(form.args[0])
        more, right, also_held = inside._factor(form.args[1])
        self._release(held, also_held)
        return [*before, *more, f"matmul({left}, {right}, out={self.axes.factor(target.name, form)})"]

    def _factor(self, form: Form) -> tuple[list[str], str, str | None]:
        """An operand of a matrix product; one of all rows is transposed as a whole."""
        inner = form.args[0] if form.op == "transpose" and self.axes.flattens(form) else form
        lines, text, held = self._operand(inner)
        text = self.axes.factor(text, inner)
        return lines, text if inner is form else f"{text}.T", held

    def _einsum(self, form: Form, target: Target) -> list[str]:
        lines: list[str] = []
        operands, taken = [], []
        for part in form.args:
            more, operand, held = self._operand(part)
            lines += more
            operands.append(operand)
            taken.append(held)
        self._release(*taken)
        return [*lines, f'einsum("{self.axes.subscripts(form)}", {", ".join(operands)}, out={target.name})']

    def _release(self, *names: str | None) -> None:
        for name in names:
            if name:
                self.scratch.release(name)


def is_leaf(form: Form) -> bool:
    """Whether a form is an operand as it stands."""
    if form.op in {"transpose", "expand"}:
        return is_leaf(form.args[0])
    return form.op == "array" or is_constant(form)


def leaves(form: Form) -> list[Form]:
    """The arrays that a form reads."""
    if form.op == "array":
        return [form]
    return [leaf for part in form.args for leaf in leaves(part)]


def _signed(operation: str, part: Form) -> tuple[str, Form]:
    if operation == "add" and part.op == "negate":
        return "subtract", part.args[0]
    if operation == "multiply" and part.op == "power" and part.value == -1:
        return "divide", part.args[0]
    return operation, part


def function_calls(name: str, operands: Sequence[str], out: str) -> list[str]:
    """An elementwise function in place; σ(z) = ½ tanh(½ z) + ½ is right for every real z."""
    if name == "sigmoid":
        (operand,) = operands
        return [
            f"multiply({operand}, 0.5, out={out})",
            f"tanh({out}, out={out})",
            f"multiply({out}, 0.5, out={out})",
            f"add({out}, 0.5, out={out})",
        ]
    return [f"{'' if name in NATIVE else '_'}{name}({', '.join(operands)}, out={out})"]
