"""Formulas as the notes write them, with a printer, a NumPy evaluation and an LSTM step, all independent of derive.

    ("sym", name, differential?)   ("num", k)      ("fn", name, a)     ("pow", a, k)      ("T", a)      ("sum_n", a)
    ("mul", (a, b, …), operators)  ("add", (a, b, …), signs)           ("frac", above, below)

A claim is (left, right). Here a symbol is the LaTeX that the notes use for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Formula = tuple[Any, ...]
Claim = tuple[Formula, Formula]
Arrays = dict[tuple[str, bool], np.ndarray]

SIZES = {"N": 2, "D": 3, "H": 5}  # 4H = 20: no two lengths are equal, and none is 1
QUANTITIES = {
    **{"x_t": "ND", "h_{prev}": "NH", "c_{prev}": "NH", "w_x": "DG", "w_h": "HG", "b": "G", "a": "NG"},
    **{f"a_{gate}": "NH" for gate in "igfo"},
    **dict.fromkeys(("i_t", "g_t", "f_t", "o_t", "c_t", "h_t", "d_{next-h}", "d_{next-c}"), "NH"),
}
SEEDS = ("d_{next-h}", "d_{next-c}")
FUNCTIONS: dict[str, Any] = {r"\tanh": np.tanh, r"\sigma": lambda z: 1 / (1 + np.exp(-z))}


def sym(name: str) -> Formula:
    return ("sym", name, False)


def d(name: str) -> Formula:
    return ("sym", name, True)


def mul(operators: str, *factors: Formula) -> Formula:
    return ("mul", factors, tuple(operators))


def add(signs: str, *terms: Formula) -> Formula:
    return ("add", terms, tuple(signs))


def one_minus(formula: Formula) -> Formula:
    return add("+-", ("num", 1), formula)


def gate(name: str) -> Claim:
    """da = d gate ⊙ gate ⊙ (1 − gate)."""
    value = sym(f"{name}_t")
    return d(f"a_{name}"), mul("⊙⊙", d(f"{name}_t"), value, one_minus(value))


TANH_C: Formula = ("fn", r"\tanh", sym("c_t"))
# The 15 equations as they are read, typed in from the paper once more.
EQUATIONS: dict[int, Claim] = {
    1: (("frac", d("h_t"), d("o_t")), mul(" ", sym("d_{next-h}"), TANH_C)),
    2: (
        d("c_t"),
        add(
            "++",
            mul("⊙⊙", sym("d_{next-h}"), sym("o_t"), one_minus(("pow", TANH_C, 2))),
            sym("d_{next-c}"),
        ),
    ),
    3: (d("i_t"), mul("⊙", d("c_t"), sym("g_t"))),
    4: (d("g_t"), mul("⊙", d("c_t"), sym("i_t"))),
    5: (d("f_t"), mul("⊙", d("c_t"), sym("c_{prev}"))),
    6: (d("c_{prev}"), mul("⊙", d("c_t"), sym("f_t"))),
    7: gate("i"),
    8: gate("f"),
    9: gate("o"),
    10: (d("a_g"), mul("⊙", d("g_t"), one_minus(("pow", sym("g_t"), 2)))),
    11: (d("x_t"), mul("·", d("a"), ("T", sym("w_x")))),
    12: (d("w_x"), mul("·", ("T", sym("x_t")), d("a"))),
    13: (d("w_h"), mul("·", ("T", sym("h_{prev}")), d("a"))),
    14: (d("h_{prev}"), mul("·", d("a"), ("T", sym("w_h")))),
    15: (d("b"), ("sum_n", d("a"))),
}


# -- printing ------------------------------------------------------------------------------------------------------

OPERATORS = {"⊙": r" \odot ", "·": r" \cdot ", " ": " "}


def latex(formula: Formula) -> str:
    match formula:
        case "sym", name, differential:
            return rf"\partial {name}" if differential else name
        case "num", number:
            return str(number)
        case "fn", name, argument:
            return f"{name}({latex(argument)})"
        case "pow", ("fn", name, argument), exponent:
            return f"{name}^{exponent}({latex(argument)})"
        case "pow", base, exponent:
            return f"{_atom(base)}^{exponent}"
        case "T", inner:
            return f"{_atom(inner)}^T"
        case "sum_n", body:
            return rf"\sum_{{n=1}}^N {_factor(body)}"
        case "frac", above, below:
            return rf"\frac{{{latex(above)}}}{{{latex(below)}}}"
        case "mul", factors, operators:
            rest = (OPERATORS[sign] + _factor(factor) for sign, factor in zip(operators, factors[1:], strict=True))
            return _factor(factors[0]) + "".join(rest)
        case "add", terms, signs:
            text = "".join(f" {sign} {_term(term)}" for sign, term in zip(signs, terms, strict=True))
            return text.removeprefix(" + ").strip()
    raise ValueError(formula)


def _atom(formula: Formula) -> str:
    return latex(formula) if formula[0] in {"sym", "num"} else f"({latex(formula)})"


def _factor(formula: Formula) -> str:
    return f"({latex(formula)})" if formula[0] in {"add", "mul", "sum_n"} else latex(formula)


def _term(formula: Formula) -> str:
    return f"({latex(formula)})" if formula[0] == "add" else latex(formula)


def claim_latex(claim: Claim) -> str:
    return f"{latex(claim[0])} = {latex(claim[1])}"


# -- an LSTM step, forward and backward, from the textbook ---------------------------------------------------------


def sigmoid(z: Any) -> Any:
    return FUNCTIONS[r"\sigma"](z)


def forward(v: dict[str, Any]) -> dict[str, Any]:
    """All forward quantities of one step."""
    v = dict(v)
    v["a"] = v["x_t"] @ v["w_x"] + v["h_{prev}"] @ v["w_h"] + v["b"]
    width = SIZES["H"]
    v |= {f"a_{gate}": v["a"][:, k * width : (k + 1) * width] for k, gate in enumerate("igfo")}
    v |= {f"{gate}_t": np.tanh(v["a_g"]) if gate == "g" else sigmoid(v[f"a_{gate}"]) for gate in "igfo"}
    v["c_t"] = v["f_t"] * v["c_{prev}"] + v["i_t"] * v["g_t"]
    v["h_t"] = v["o_t"] * np.tanh(v["c_t"])
    return v


def backward(v: dict[str, Any]) -> dict[str, Any]:
    """The cotangents of all quantities."""
    d: dict[str, Any] = {"h_t": v["d_{next-h}"]}
    d["o_t"] = d["h_t"] * np.tanh(v["c_t"])
    d["c_t"] = v["d_{next-c}"] + d["h_t"] * v["o_t"] / np.cosh(v["c_t"]) ** 2
    d |= {"i_t": d["c_t"] * v["g_t"], "g_t": d["c_t"] * v["i_t"]}
    d |= {"f_t": d["c_t"] * v["c_{prev}"], "c_{prev}": d["c_t"] * v["f_t"]}
    d["a_g"] = d["g_t"] / np.cosh(v["a_g"]) ** 2
    for gate in "ifo":
        e = np.exp(-v[f"a_{gate}"])
        d[f"a_{gate}"] = d[f"{gate}_t"] * e / (1 + e) ** 2
    d["a"] = np.concatenate([d[f"a_{gate}"] for gate in "igfo"], axis=1)
    d |= {"x_t": d["a"] @ v["w_x"].T, "h_{prev}": d["a"] @ v["w_h"].T, "b": np.ones(len(d["a"])) @ d["a"]}
    d |= {"w_x": v["x_t"].T @ d["a"], "w_h": v["h_{prev}"].T @ d["a"]}
    return d


def random_step(seed: int) -> Arrays:
    """Values of everything that a formula can mention; True marks a cotangent."""
    generator = np.random.default_rng(seed)
    lengths = {**SIZES, "G": 4 * SIZES["H"]}
    given = ("x_t", "h_{prev}", "c_{prev}", "w_x", "w_h", "b", *SEEDS)
    values = forward({name: generator.normal(size=[lengths[dim] for dim in QUANTITIES[name]]) for name in given})
    cotangents = backward(values)
    return {(name, False): v for name, v in values.items()} | {(name, True): v for name, v in cotangents.items()}


# -- what a formula can mean ---------------------------------------------------------------------------------------


def meanings(formula: Formula, arrays: Arrays) -> list[np.ndarray]:
    """Every array that the formula can mean; none if its shapes fit in no way, or it names nothing."""
    match formula:
        case "sym", name, differential:
            return [arrays[name, differential]] if (name, differential) in arrays else []
        case "num", number:
            return [np.array(float(number))]
        case "fn", name, argument:
            return [FUNCTIONS[name](one) for one in meanings(argument, arrays)]
        case "pow", base, exponent:
            return [one**exponent for one in meanings(base, arrays)]
        case "T", inner:
            return [one.T for one in meanings(inner, arrays)]
        case "sum_n", body:
            return [
                one.sum(axis=one.shape.index(SIZES["N"])) for one in meanings(body, arrays) if SIZES["N"] in one.shape
            ]
        case "mul", factors, operators:
            return _products(factors, operators, arrays)
        case "add", terms, signs:
            return _totals(terms, signs, arrays)
    raise ValueError(formula)


def _products(factors: tuple[Formula, ...], operators: tuple[str, ...], arrays: Arrays) -> list[np.ndarray]:
    found = meanings(factors[0], arrays)
    for sign, factor in zip(operators, factors[1:], strict=True):
        right = meanings(factor, arrays)
        ways = [np.multiply] if sign == "⊙" else [np.multiply, np.matmul]
        found = [way(one, other) for one in found for other in right for way in ways if _fits(way, one, other)]
    return found


def _totals(terms: tuple[Formula, ...], signs: tuple[str, ...], arrays: Arrays) -> list[np.ndarray]:
    found = [np.array(0.0)]
    for sign, term in zip(signs, terms, strict=True):
        right = [one if sign == "+" else -one for one in meanings(term, arrays)]
        found = [one + other for one in found for other in right if _fits(np.add, one, other)]
    return found


def _fits(way: Any, one: np.ndarray, other: np.ndarray) -> bool:
    try:
        way(one, other)
    except ValueError:
        return False
    return True


def has_upstream(formula: Formula) -> bool:
    """Whether a cotangent stands in the formula."""
    if formula[0] == "sym":
        return formula[2] or formula[1] in SEEDS
    return any(has_upstream(part) for part in parts(formula))


def parts(formula: Formula) -> Iterator[Formula]:
    """The formulas directly below."""
    if formula[0] in {"mul", "add"}:
        yield from formula[1]
    elif formula[0] not in {"sym", "num"}:
        yield from (part for part in formula[1:] if isinstance(part, tuple))


def due(claim: Claim, arrays: Arrays) -> list[np.ndarray]:
    """What the right side should be.

    A fraction ∂Y/∂X is the cotangent of X, whatever Y is, if the right side has an upstream factor; else it is a
    local derivative, of which there is but ∂h/∂o = diag(tanh c) here.
    """
    left, right = claim
    if left[0] != "frac":
        return meanings(left, arrays)
    if not (left[1][2] and left[2][2]):
        return []  # a quotient of quantities explains nothing
    if has_upstream(right):
        return meanings(left[2], arrays)
    return [np.tanh(arrays["c_t", False])] if left == EQUATIONS[1][0] else []


STEPS = [random_step(seed) for seed in (11, 12)]


def holds(claim: Claim) -> bool:
    """Whether one meaning of the right side is what is due, in shape and numbers, for each of two random steps."""
    return all(
        any(
            one.shape == other.shape and np.allclose(one, other, rtol=1e-9, atol=1e-11)
            for one in due(claim, arrays)
            for other in meanings(claim[1], arrays)
        )
        for arrays in STEPS
    )
