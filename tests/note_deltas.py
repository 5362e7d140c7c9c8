"""Notes under tests/notes in which the δ of a gate is the gradient of its pre-activation; the same with mistakes."""

from __future__ import annotations

from dataclasses import replace

from tests.note_formulas import Spelling
from tests.note_sets import NoteSet
from tests.note_table import LSTM_GATES, LSTM_STATE

DELTAS = NoteSet(
    name="lstm_gate_deltas.md",
    spelling=Spelling(
        symbols={
            **{name: f"{name}_@" for name in "xhcifog"},
            **{f"a_{gate}": rf"\mathrm{{net}}_{{{gate},@}}" for gate in "ifog"},
            **{f"{letter}{gate}": f"{letter}_{gate}" for letter in "WUb" for gate in "ifog"},
        },
        cotangent=r"\frac{\partial E}{\partial @}",
        special={f"da_{gate}": rf"\delta_{gate}" for gate in "ifog"},
        entrywise=r"\circ",
        transpose="^T",
    ),
    shapes={
        **{"x": ("D",)},
        **{f"W{gate}": ("H", "D") for gate in "ifog"},
        **{f"U{gate}": ("H", "H") for gate in "ifog"},
        **{f"b{gate}": ("H",) for gate in "ifog"},
    },
    states=("h", "c"),
    forward=(
        *(f"a_{gate} = W{gate} @ x + U{gate} @ h_p + b{gate}" for gate in "ifog"),
        *LSTM_GATES,
        *LSTM_STATE,
    ),
    backward={
        "11": "df = dc * c_p",
        "12": "da_o = dh * tanh(c) * o * (1 - o)",
        "13": "da_i = dc * g * i * (1 - i)",
        "14": "da_f = df * f * (1 - f)",
        "15": "da_g = dc * i * (1 - g**2)",
        "16": "dWf = da_f @ x.T",
        "17": "dUo = da_o @ h_p.T",
        "18": "dbg = da_g",
        "19": "dx = Wi.T @ da_i + Wf.T @ da_f + Wo.T @ da_o + Wg.T @ da_g",
    },
)

DELTAS_WRONG = replace(
    DELTAS,
    name="lstm_gate_deltas_wrong.md",
    backward={
        **DELTAS.backward,
        "12": "da_o = dh * tanh(c) * o",
        "13": "da_i = dc * g * (1 - i**2)",
        "15": "da_g = dc * i * g * (1 - g)",
        "14": "da_f = dc * c * f * (1 - f)",
        "19": "dx = Wi.T @ da_i - Wf.T @ da_f + Wo.T @ da_o + Wg.T @ da_g",
    },
    corrected={
        **{number: DELTAS.backward[number] for number in ("12", "13", "15", "19")},
        "14": "da_f = dc * c_p * f * (1 - f)",
    },
)
