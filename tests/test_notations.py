"""The notations that people use, one short document for each, with an equation that is right and one that is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from derive.notes.document import read_document
from derive.verify.documents import examine

ELMAN = r"$$ a_t = W_x x_t + W_h h_{t-1} + b $$ $$ h_t = \tanh(a_t) $$"
OUTPUT = ELMAN + r" $$ y_t = V h_t + c $$"
GATED = r"$$ f_t = \sigma(W x_t + U h_{t-1} + b) $$ $$ c_t = f_t \odot c_{t-1} $$ $$ h_t = \tanh(c_t) $$"
LEAKY = GATED + r" $$ \delta c_t = \delta h_t \odot (1 - h_t^2) + \delta c_{t+1} \odot f_{t+1} $$"
STACKED = (
    r"$$ a = x W + h_{prev} U + b $$ $$ [a_i, a_g] = a $$ $$ i = \sigma(a_i), \quad g = \tanh(a_g) $$"
    r"$$ h = i \odot g $$ $$ da_i = dh \odot g \odot i \odot (1 - i) $$ $$ da_g = dh \odot i \odot (1 - g^2) $$"
)


@dataclass(frozen=True)
class Notation:
    """A document, and what is written at its end in two ways.

    Attributes:
        broken: what would be broken if the right one did not hold, or the wrong one did.
        tex: whether it is LaTeX.
    """

    document: str
    right: str
    wrong: str
    broken: str
    front: str = ""
    tex: bool = False


NOTATIONS = {
    "concatenation": Notation(
        r"$$ h_t = \tanh(W [h_{t-1}, x_t] + b) $$",
        r"\delta W = (\delta h_t \odot (1 - h_t^2)) [h_{t-1}, x_t]^T",
        r"\delta W = (\delta h_t \odot (1 - h_t^2)) [x_t, h_{t-1}]^T",
        "the order of what is stacked in [h, x]",
    ),
    "column of blocks": Notation(
        r"$$ h_t = \tanh(W \begin{bmatrix} h_{t-1} \\ x_t \end{bmatrix} + b) $$",
        r"\begin{bmatrix} \delta h_{t-1} \\ \delta x_t \end{bmatrix} = W^T (\delta h_t \odot (1 - h_t^2))",
        r"\begin{bmatrix} \delta x_t \\ \delta h_{t-1} \end{bmatrix} = W^T (\delta h_t \odot (1 - h_t^2))",
        "the order of the rows of a bmatrix",
    ),
    "slices": Notation(
        r"$$ a = W x_t + U h_{t-1} + b $$ $$ i = \sigma(a_{0:H}), \quad g = \tanh(a_{H:2H}) $$ $$ h_t = i \odot g $$",
        r"da_{0:H} = dh_t \odot g \odot i \odot (1 - i)",
        r"da_{H:2H} = dh_t \odot g \odot i \odot (1 - i)",
        "which block a slice is",
    ),
    "stacked gates": Notation(
        STACKED,
        r"[da_i, da_g] = [dh \odot g \odot i \odot (1 - i), dh \odot i \odot (1 - g^2)]",
        r"[da_i, da_g] = [dh \odot i \odot (1 - g^2), dh \odot g \odot i \odot (1 - i)]",
        "the order of the gates in a stack",
        front="vectors: rows",
    ),
    "column of functions": Notation(
        r"$$ \begin{pmatrix} i \\ g \end{pmatrix} = \begin{pmatrix} \sigma \\ \tanh \end{pmatrix}"
        r" (W x_t + U h_{t-1}) $$ $$ h_t = i \odot g $$",
        r"\delta g = \delta h_t \odot i",
        r"\delta g = \delta h_t \odot g",
        "which function belongs to which block",
    ),
    "nabla": Notation(
        ELMAN,
        r"\nabla_{W_h} L = (\nabla_{a_t} L) h_{t-1}^\top",
        r"\nabla_{W_h} L = (\nabla_{a_t} L) h_t^\top",
        "what ∇ is taken by",
    ),
    "overbars": Notation(
        ELMAN,
        r"\bar a_t = \bar h_t \odot (1 - h_t^2)",
        r"\bar a_t = \bar h_t \odot (1 - h_t)",
        "a bar as the mark of an adjoint",
    ),
    "deltas with the name above": Notation(
        GATED + r"$$ \delta^h_t = \frac{\partial L}{\partial h_t} $$",
        r"\delta^c_t = \delta^h_t \odot (1 - h_t^2) + \delta^c_{t+1} \odot f_{t+1}",
        r"\delta^c_t = \delta^h_t \odot (1 - h_t^2) + \delta^c_{t+1} \odot f_t",
        "δ^h_t as the cotangent of h_t, not a power",
    ),
    "a name for a derivative": Notation(
        ELMAN + r"$$ e_t = \frac{\partial L}{\partial h_t} $$",
        r"\frac{\partial L}{\partial a_t} = e_t \odot (1 - h_t^2)",
        r"\frac{\partial L}{\partial a_t} = e_t \odot (1 - a_t^2)",
        "a letter that the notes define as a derivative",
    ),
    "δ without a name": Notation(
        ELMAN + r"$$ \delta_t = \frac{\partial L}{\partial h_t} \odot (1 - h_t^2) $$"
        r"$$ \frac{\partial L}{\partial b} = \delta_t $$",
        r"\frac{\partial L}{\partial x_t} = W_x^T \delta_t",
        r"\frac{\partial L}{\partial x_t} = W_h^T \delta_t",
        "δ_t as the error at the pre-activation",
    ),
    "phrases of the front matter": Notation(
        r"$$ \Gamma_u^{\langle t \rangle} = \sigma(W x^{\langle t \rangle} + b) $$"
        r"$$ c^{\langle t \rangle} = \Gamma_u^{\langle t \rangle} * c^{\langle t-1 \rangle} $$",
        r"d\gamma_u^{\langle t \rangle} = dc^{\langle t \rangle} * c^{\langle t-1 \rangle}"
        r" * \Gamma_u^{\langle t \rangle} * (1 - \Gamma_u^{\langle t \rangle})",
        r"d\gamma_u^{\langle t \rangle} = dc^{\langle t \rangle} * c^{\langle t-1 \rangle}",
        "a symbol that is bound with its d and its script",
        front="symbols:\n  d\\gamma_u^{\\langle t \\rangle}: da_\\Gamma_u",
    ),
    "columns for a known cell": Notation(
        "",
        r"dW_x = da \, x_t^T",
        r"dW_x = x_t^T \, da",
        "the shapes of a known cell's weights beside columns",
        front="cell: lstm\nvectors: columns",
    ),
    "macros": Notation(
        r"\newcommand{\pd}[2]{\frac{\partial #1}{\partial #2}} \newcommand{\vh}{\mathbf{h}}"
        r"\[ \vh_t = \tanh(a_t) \] \[ a_t = W \vh_{t-1} + U x_t \]",
        r"\pd{L}{a_t} = \pd{L}{\vh_t} \odot (1 - \vh_t^2)",
        r"\pd{L}{a_t} = \pd{L}{\vh_{t-1}} \odot (1 - \vh_t^2)",
        "what a macro stands for, with its arguments",
        tex=True,
    ),
    "several on a row": Notation(
        ELMAN,
        r"\begin{aligned} \delta a_t &= \delta h_t \odot (1 - h_t^2), & \delta b &= \delta a_t, \quad"
        r" \delta x_t = W_x^T \delta a_t \end{aligned}",
        r"\begin{aligned} \delta a_t &= \delta h_t \odot (1 - h_t^2), & \delta b &= \delta a_t, \quad"
        r" \delta x_t = W_h^T \delta a_t \end{aligned}",
        "the last of several equations that share a row",
    ),
    "chain": Notation(
        ELMAN,
        r"\delta a_t = \delta h_t \odot (1 - \tanh^2(a_t)) = \delta h_t \odot (1 - h_t^2)",
        r"\delta a_t = \delta h_t \odot (1 - \tanh^2(a_t)) = \delta h_t \odot (1 - h_t)",
        "the second link of a chain",
    ),
    "update": Notation(
        ELMAN,
        r"W_h \leftarrow W_h - \alpha \, dW_h",
        r"W_h \leftarrow W_h + \alpha \, dW_h",
        "the sign of a parameter's update",
    ),
    "sum over the batch": Notation(
        r"$$ a = x W + h_{prev} U + b $$ $$ h = \tanh(a) $$ $$ x \in \mathbb{R}^{N \times D} $$",
        r"db = \sum_{n=1}^N da_n",
        r"db = da",
        "the sum over the batch for a bias",
        front="vectors: rows",
    ),
    "sum over time": Notation(
        LEAKY + r"$$ \delta b = \sum_t \delta f_t \odot f_t \odot (1 - f_t) $$",
        r"\delta U = \sum_{t=1}^T (\delta f_t \odot f_t \odot (1 - f_t)) h_{t-1}^T",
        r"\delta U = (\delta f_t \odot f_t \odot (1 - f_t)) h_{t-1}^T",
        "a sum over t that is written for one parameter and lost for another",
    ),
    "sum over time, shifted": Notation(
        LEAKY,
        r"\delta U = \sum_{t=0}^{T-1} (\delta f_{t+1} \odot f_{t+1} \odot (1 - f_{t+1})) h_t^T",
        r"\delta U = \sum_{t=0}^{T-1} (\delta f_{t+1} \odot f_{t+1} \odot (1 - f_{t+1})) h_{t+1}^T",
        "a sum over t + 1",
    ),
    "last step": Notation(
        OUTPUT,
        r"\frac{\partial L}{\partial h_T} = V^T \frac{\partial L}{\partial y_T}",
        r"\frac{\partial L}{\partial h_t} = V^T \frac{\partial L}{\partial y_t}",
        "the last step, which nothing comes after",
    ),
    "the loss of one step": Notation(
        ELMAN,
        r"\frac{\partial L}{\partial h_t} = \frac{\partial L_t}{\partial h_t} + W_h^T \delta a_{t+1}",
        r"\frac{\partial L}{\partial h_t} = \frac{\partial L_t}{\partial h_t} + W_h^T \delta a_t",
        "a step's own loss as one of two parts",
    ),
    "a matrix in two blocks": Notation(
        r"$$ W = [W_h, W_x] $$ $$ h_t = \tanh(W [h_{t-1}, x_t] + b) $$",
        r"\delta W_x = (\delta h_t \odot (1 - h_t^2)) x_t^T",
        r"\delta W_x = (\delta h_t \odot (1 - h_t^2)) h_{t-1}^T",
        "which block of a matrix multiplies what",
    ),
    "open functions": Notation(
        r"$$ a_t = W_x x_t + W_h h_{t-1} + b $$ $$ h_t = f(a_t) $$",
        r"\delta a_t = \delta h_t \odot f'(a_t)",
        r"\delta a_t = \delta h_t \odot f'(h_t)",
        "the derivative of a function that the notes leave open",
    ),
    "diagonal matrices": Notation(
        ELMAN,
        r"\delta x_t = W_x^T \operatorname{diag}(1 - h_t^2) \delta h_t",
        r"\delta x_t = W_h^T \operatorname{diag}(1 - h_t^2) \delta h_t",
        "diag(v) u as v ⊙ u",
    ),
    "outer product": Notation(
        ELMAN,
        r"\delta W_h = \delta a_t \otimes h_{t-1}",
        r"\delta W_h = h_{t-1} \otimes \delta a_t",
        "the order of the factors of ⊗",
    ),
    "indices": Notation(
        r"$$ a_i^t = \sum_j w_{ij} h_j^{t-1} + \sum_k u_{ik} x_k^t + b_i $$ $$ h_i^t = \tanh(a_i^t) $$"
        r"$$ \frac{\partial L}{\partial a_i^t} = \frac{\partial L}{\partial h_i^t} (1 - (h_i^t)^2) $$"
        r"$$ \frac{\partial L}{\partial w_{ij}} = \frac{\partial L}{\partial a_i^t} h_j^{t-1} $$",
        r"\frac{\partial L}{\partial h_j^{t-1}} = \sum_i w_{ij} \frac{\partial L}{\partial a_i^t}",
        r"\frac{\partial L}{\partial h_j^{t-1}} = \sum_i w_{ji} \frac{\partial L}{\partial a_i^t}",
        "which index of a matrix is summed over",
    ),
    "two sources": Notation(
        ELMAN + r"$$ \delta h_t = \delta h_t^{out} + \delta h_t^{rec} $$",
        r"\delta h_{t-1}^{rec} = W_h^T (\delta h_t \odot (1 - h_t^2))",
        r"\delta h_{t-1}^{rec} = W_x^T (\delta h_t \odot (1 - h_t^2))",
        "what comes from the loss and what comes from the next step, under names of their own",
    ),
    "an input of the step before": Notation(
        r"$$ h_t = \tanh(V x_{t-1} + W x_t) $$",
        r"\delta V = \sum_t (\delta h_t \odot (1 - h_t^2)) x_{t-1}^T",
        r"\delta V = \sum_t (\delta h_t \odot (1 - h_t^2)) x_t^T",
        "the input that came one step earlier",
    ),
    "added in place": Notation(
        r"$$ c_{next} = f \odot c_{prev} $$ $$ h_{next} = \tanh(c_{next}) $$",
        r"dc_{next} = dc_{next} + dh_{next} \odot (1 - \tanh^2(c_{next}))",
        r"dc_{next} = dc_{next} + dh_{next} \odot (1 - \tanh(c_{next}))",
        "a variable of a loop that is added to",
    ),
    "a number": Notation(
        r"$$ n_t = W h_{t-1} + U x_t $$ $$ h_t = (1 - \alpha) h_{t-1} + \alpha \tanh(n_t) $$",
        r"\delta h_{t-1} = (1 - \alpha) \delta h_t + \alpha W^T (\delta h_t \odot (1 - \tanh^2(n_t)))",
        r"\delta h_{t-1} = (1 - \alpha) \delta h_t + W^T (\delta h_t \odot (1 - \tanh^2(n_t)))",
        "a parameter that is a number",
    ),
    "relu": Notation(
        r"$$ a_t = W x_t + U h_{t-1} $$ $$ h_t = \text{ReLU}(a_t) $$",
        r"\delta a_t = \delta h_t \odot \text{ReLU}'(h_t)",
        r"\delta a_t = \delta h_t \odot \text{ReLU}(h_t)",
        "that a relu's derivative is the same at its value",
    ),
    "a gate without a name in its derivative": Notation(
        GATED + r"$$ \delta h_t = D_t + U^T \delta a^f_{t+1} $$",
        r"\delta a^f_t = \delta c_t \odot c_{t-1} \odot f_t \odot (1 - f_t)",
        r"\delta a^f_t = \delta c_t \odot c_t \odot f_t \odot (1 - f_t)",
        "the name of a pre-activation's cotangent that no right equation explains",
    ),
    "Jacobians": Notation(
        ELMAN,
        r"\frac{\partial h_t}{\partial h_{t-1}} = \operatorname{diag}(1 - h_t^2) W_h",
        r"\frac{\partial h_t}{\partial h_{t-1}} = \operatorname{diag}(1 - h_t^2) W_x",
        "a state's derivative by the one before",
    ),
}


@pytest.mark.parametrize("name", NOTATIONS)
def test_notation(name: str) -> None:
    """Broken if what people write in this notation is misread, whether they are right or wrong: see ``broken``."""
    one = NOTATIONS[name]
    front = f"---\n{one.front}\n---\n" if one.front else ""
    found = []
    for last in (one.right, one.wrong):
        shown = rf"\[ {last} \]" if one.tex else f"$$ {last} $$"
        findings = examine(read_document(f"{front}{one.document}\n\n{shown}\n", is_tex=one.tex)).findings
        assert [f.finding for f in findings[:-1] if f.finding != "holds"] == [], one.broken
        found.append(findings[-1].finding)
    assert found == ["holds", "wrong"], one.broken
