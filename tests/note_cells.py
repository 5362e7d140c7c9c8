"""Further sets of notes under tests/notes, on cells and in notations that the others have not.

A number as a parameter, an input used one step later, layers told apart by raised numbers, a GRU as PyTorch has it,
and a page of homework with six mistakes in it.
"""

from __future__ import annotations

from tests.note_formulas import Spelling
from tests.note_sets import NoteSet
from tests.note_table import LSTM_GATES, LSTM_STATE

LEAKY = NoteSet(
    name="leaky_adjoint.md",
    spelling=Spelling(
        symbols={
            "x": "x_@",
            "h": "h_@",
            "n": "n_@",
            "y": "y_@",
            "W": "W",
            "U": "U",
            "b": "b",
            "C": "C",
            "k": r"\alpha",
        },
        cotangent=r"\frac{\partial L}{\partial @}",
        special={"dh": r"\lambda_t", "dh_n": r"\lambda_{t+1}", "dy": "e_t"},
        transpose="^T",
    ),
    shapes={"x": ("D",), "U": ("H", "D"), "W": ("H", "H"), "b": ("H",), "C": ("O", "H"), "k": ()},
    states=("h",),
    forward=("n = W @ h_p + U @ x + b", "h = (1 - k) @ h_p + k @ tanh(n)", "y = C @ h"),
    backward={
        "4": "dh = C.T @ dy + (1 - k) @ dh_n + k @ W.T @ (dtanh(n_n) * dh_n)",
        "5": "dW = sum_t(k @ (dtanh(n) * dh) @ h_p.T)",
        "6": "dU = sum_t(k @ (dtanh(n) * dh) @ x.T)",
        "7": "db = sum_t(k @ dtanh(n) * dh)",
        "8": "dC = sum_t(dy @ h.T)",
        "9": "dx = k @ U.T @ (dtanh(n) * dh)",
    },
    through_time=True,
    read=("y",),
)

QRNN = NoteSet(
    name="qrnn_filters.md",
    spelling=Spelling(
        symbols={
            **{name: f"{name}_@" for name in "xzfoch"},
            **{f"{letter}{gate}": f"{letter}_{gate}" for letter in "VW" for gate in "zfo"},
        },
        cotangent=r"\delta @",
    ),
    shapes={"x": ("D",), **{f"{letter}{gate}": ("H", "D") for letter in "VW" for gate in "zfo"}},
    states=("c",),
    forward=(
        "z = tanh(Vz @ x_p + Wz @ x)",
        "f = sig(Vf @ x_p + Wf @ x)",
        "o = sig(Vo @ x_p + Wo @ x)",
        "c = f * c_p + (1 - f) * z",
        "h = o * c",
    ),
    backward={
        "6": "do = dh * c",
        "7": "dc = dh * o + dc_n * f_n",
        "8": "df = dc * (c_p - z)",
        "9": "dz = dc * (1 - f)",
        "10": "dWz = sum_t((dz * (1 - z**2)) @ x.T)",
        "11": "dVz = sum_t((dz * (1 - z**2)) @ x_p.T)",
        "12": "dVf = sum_t((df * f * (1 - f)) @ x_p.T)",
        "13": "dWo = sum_t((do * o * (1 - o)) @ x.T)",
    },
    through_time=True,
    read=("h",),
)

LAYERS = NoteSet(
    name="two_layers_wrong.md",
    spelling=Spelling(
        symbols={
            **{"x": "x_@", "h": "h^1_@", "k": "h^2_@", "u": "u^1_@", "v": "u^2_@"},
            **{f"{letter}{layer}": f"{letter}^{layer}" for letter in "WUb" for layer in "12"},
        },
        cotangent=r"\frac{\partial L}{\partial @}",
        special={"du": r"\delta^1_t", "dv": r"\delta^2_t", "du_n": r"\delta^1_{t+1}", "dv_n": r"\delta^2_{t+1}"},
    ),
    shapes={
        **{"x": ("D",), "W1": ("H", "D"), "W2": ("H", "H"), "b1": ("H",), "b2": ("H",)},
        **{f"U{layer}": ("H", "H") for layer in "12"},
    },
    states=("h", "k"),
    forward=(
        "u = W1 @ x + U1 @ h_p + b1",
        "h = tanh(u)",
        "v = W2 @ h + U2 @ k_p + b2",
        "k = tanh(v)",
    ),
    backward={
        "5": "dv = dk * (1 - k**2)",
        "6": "du = dh * (1 - h)**2",
        "7": "dh = W2.T @ dv + U1.T @ du_n",
        "8": "dW2 = sum_t(dv @ h.T)",
        "9": "dU2 = sum_t(dv @ k_p.T)",
        "10": "dU1 = sum_t(du @ h.T)",
        "11": "db1 = sum_t(du)",
        "12": "dx = W1.T @ du",
    },
    corrected={"6": "du = dh * (1 - h**2)", "10": "dU1 = sum_t(du @ h_p.T)"},
    through_time=True,
    read=("k",),
)

PYTORCH = NoteSet(
    name="gru_pytorch_wrong.md",
    spelling=Spelling(
        symbols={
            **{name: f"{name}_@" for name in "xhrzna"},
            **{f"W{side}{gate}": f"W_{{{side}{gate}}}" for side in "ih" for gate in "rzn"},
            **{f"b{side}{gate}": f"b_{{{side}{gate}}}" for side in "ih" for gate in "rzn"},
        },
        cotangent=r"\frac{\partial \ell}{\partial @}",
        special={"da": r"\delta^n_t"},
        transpose="^T",
    ),
    shapes={
        **{"x": ("D",)},
        **{f"Wi{gate}": ("H", "D") for gate in "rzn"},
        **{f"Wh{gate}": ("H", "H") for gate in "rzn"},
        **{f"b{side}{gate}": ("H",) for side in "ih" for gate in "rzn"},
    },
    states=("h",),
    forward=(
        "r = sig(Wir @ x + bir + Whr @ h_p + bhr)",
        "z = sig(Wiz @ x + biz + Whz @ h_p + bhz)",
        "a = Win @ x + bin + r * (Whn @ h_p + bhn)",
        "n = tanh(a)",
        "h = (1 - z) * n + z * h_p",
    ),
    backward={
        "6": "dn = dh * (1 - z)",
        "7": "dz = dh * (h_p - n)",
        "8": "da = dn * (1 - n**2)",
        "9": "dr = da * (Whn @ h_p)",
        "10": "dWhn = (da * r) @ h_p.T",
        "11": "dbhn = da",
        "12": "dbin = da",
        "13": "dWin = da @ x.T",
    },
    corrected={"9": "dr = da * (Whn @ h_p + bhn)", "11": "dbhn = da * r"},
)

HOMEWORK = NoteSet(
    name="lstm_homework_wrong.md",
    spelling=Spelling(
        symbols={
            **{name: f"{name}_@" for name in "xhcifog"},
            **{f"a_{gate}": f"a^{gate}_@" for gate in "ifog"},
            **{f"{letter}{gate}": f"{letter}_{gate}" for letter in "WUb" for gate in "ifog"},
        },
        cotangent=r"\delta @",
        special={"gh": r"\Delta_t"},
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
        "11": "dh = gh + Ui.T @ da_i_n + Uf.T @ da_f_n + Uo.T @ da_o_n + Ug.T @ da_g_n",
        "12": "dc = dh * o * (1 - tanh(c))**2 + dc_n * f_n",
        "13": "da_i = dc * g * i * (1 - i)",
        "14": "da_f = dc * c * f * (1 - f)",
        "15": "da_o = dh * tanh(c) * o",
        "16": "da_g = dc * i * (1 - g**2)",
        "17": "dWi = sum_t(da_i @ x.T)",
        "18": "dUi = sum_t(da_i @ h.T)",
        "19": "dbg = sum_t(da_i)",
        "20": "dx = Wi.T @ da_i + Wf.T @ da_f + Uo.T @ da_o + Wg.T @ da_g",
    },
    corrected={
        "12": "dc = dh * o * (1 - tanh(c)**2) + dc_n * f_n",
        "14": "da_f = dc * c_p * f * (1 - f)",
        "15": "da_o = dh * tanh(c) * o * (1 - o)",
        "18": "dUi = sum_t(da_i @ h_p.T)",
        "19": "dbg = sum_t(da_g)",
        "20": "dx = Wi.T @ da_i + Wf.T @ da_f + Wo.T @ da_o + Wg.T @ da_g",
    },
    through_time=True,
)

FURTHER_RIGHT = (LEAKY, QRNN)
FURTHER_WRONG = (LAYERS, PYTORCH, HOMEWORK)
