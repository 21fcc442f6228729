"""Write multilingual-e5-small as an ONNX graph with 8-bit matrices.

    embeddings ─┐               ┌─ × 12 ────────────────────┐
                ├─ normalise ───┤ attention ── feed-forward ├── mean over tokens ── length 1
    mask ───────┘               └───────────────────────────┘

Every column of a matrix has its own scale: one scale per matrix, the usual choice, moves the vectors
to a cosine of 0.982 to those of the source file, this only to 0.996, at the same speed. Keeping the
4-bit blocks (`MatMulNBits`) would be exact, and takes twice as long.

Source of the architecture: Devlin et al. 2018, https://arxiv.org/abs/1810.04805, with the pooling
of Wang et al. 2024, https://arxiv.org/abs/2402.05672
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rag_app.rag.embedders._quantised_weights import QuantisedWeights, dequantise

OPSET = 20  # the first with Gelu
IR_VERSION = 10
# Processors without VNNI add pairs of products in 16 bits: 2 * 255 * 64 fits, 2 * 255 * 127 would be cut off.
WEIGHT_MAX = 64
MASKED = -1e9  # added to the attention scores of padding
_CONTRIB = "com.microsoft"


def write_e5_graph(weights: QuantisedWeights, path: Path) -> None:
    """Write the encoder: `embeddings` (b, l, hidden) and `mask` (b, l) in, `vectors` (b, hidden) out.

    A second output, `states` (b, l, hidden), is what became of each token before they are averaged.
    """
    graph = _Graph(weights)
    hidden = weights.sizes.hidden
    graph.build()
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "multilingual-e5-small",
            [_tensor("embeddings", ["b", "l", hidden]), _tensor("mask", ["b", "l"])],
            [_tensor("vectors", ["b", hidden]), _tensor("states", ["b", "l", hidden])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(_CONTRIB, 1)],
        ir_version=IR_VERSION,
    )
    onnx.save(model, path)


def _tensor(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


class _Graph:
    """Collects nodes and constants; every method adds one step and returns the name of its output."""

    def __init__(self, weights: QuantisedWeights) -> None:
        self.weights = weights
        self.sizes = weights.sizes
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def build(self) -> None:
        self._shared_constants()
        states = self._normalised("embeddings", "emb.ln", "input")
        padding = self._padding_scores()
        for number in range(self.sizes.layers):
            layer = f"l{number}."
            states = self._attention_block(states, padding, layer)
            states = self._feed_forward_block(states, layer)
        self._pooled(self._node("Identity", [states], "states"))

    def _shared_constants(self) -> None:
        sizes = self.sizes
        self._constant("split_heads", np.array([0, 0, sizes.heads, sizes.head], np.int64))
        self._constant("join_heads", np.array([0, 0, sizes.hidden], np.int64))
        self._constant("score_scale", np.array(sizes.head**-0.5, np.float32))
        self._constant("one", np.array(1, np.float32))
        self._constant("masked", np.array(MASKED, np.float32))
        self._constant("axis_1", np.array([1], np.int64))
        self._constant("axis_2", np.array([2], np.int64))
        self._constant("axes_1_2", np.array([1, 2], np.int64))

    def _padding_scores(self) -> str:
        """0 where there is a token, very low where there is padding: shape (b, 1, 1, l)."""
        inverted = self._node("Sub", ["one", "mask"], "mask.inverted")
        scores = self._node("Mul", [inverted, "masked"], "mask.scores")
        return self._node("Unsqueeze", [scores, "axes_1_2"], "padding")

    def _attention_block(self, states: str, padding: str, layer: str) -> str:
        query = self._heads(states, layer + "q", axes=[0, 2, 1, 3])
        key = self._heads(states, layer + "k", axes=[0, 2, 3, 1])
        value = self._heads(states, layer + "v", axes=[0, 2, 1, 3])
        scores = self._node("MatMul", [query, key], layer + "scores")
        scores = self._node("Mul", [scores, "score_scale"], layer + "scores.scaled")
        scores = self._node("Add", [scores, padding], layer + "scores.padded")
        shares = self._node("Softmax", [scores], layer + "shares", axis=-1)
        mixed = self._node("MatMul", [shares, value], layer + "mixed")
        mixed = self._node("Transpose", [mixed], layer + "mixed.turned", perm=[0, 2, 1, 3])
        mixed = self._node("Reshape", [mixed, "join_heads"], layer + "mixed.joined")
        output = self._linear(mixed, layer + "ao", rows=self.sizes.hidden)
        summed = self._node("Add", [states, output], layer + "attention.sum")
        return self._normalised(summed, layer + "aln", layer + "attention")

    def _heads(self, states: str, name: str, *, axes: list[int]) -> str:
        projected = self._linear(states, name, rows=self.sizes.hidden)
        split = self._node("Reshape", [projected, "split_heads"], name + ".split")
        return self._node("Transpose", [split], name + ".turned", perm=axes)

    def _feed_forward_block(self, states: str, layer: str) -> str:
        inner = self._linear(states, layer + "fi", rows=self.sizes.feed_forward)
        inner = self._node("Gelu", [inner], layer + "gelu")
        output = self._linear(inner, layer + "fo", rows=self.sizes.hidden)
        summed = self._node("Add", [states, output], layer + "feed_forward.sum")
        return self._normalised(summed, layer + "oln", layer + "feed_forward")

    def _pooled(self, states: str) -> None:
        """Mean of the tokens that are not padding, scaled to length 1."""
        mask = self._node("Unsqueeze", ["mask", "axis_2"], "mask.column")
        kept = self._node("Mul", [states, mask], "kept")
        total = self._node("ReduceSum", [kept, "axis_1"], "total", keepdims=0)
        count = self._node("ReduceSum", ["mask", "axis_1"], "count", keepdims=1)
        mean = self._node("Div", [total, count], "mean")
        length = self._node("ReduceL2", [mean, "axis_1"], "length", keepdims=1)
        self._node("Div", [mean, length], "vectors")

    def _normalised(self, states: str, tensor: str, output: str) -> str:
        scale = self._vector(tensor + ".w")
        shift = self._vector(tensor + ".b")
        return self._node(
            "LayerNormalization", [states, scale, shift], output, epsilon=self.sizes.epsilon, axis=-1
        )

    def _linear(self, states: str, name: str, *, rows: int) -> str:
        matrix = dequantise(self.weights.blocks(name + ".w", rows=rows)).T
        scales = np.abs(matrix).max(axis=0) / WEIGHT_MAX
        inputs = [
            states,
            self._constant(name + ".w", np.rint(matrix / scales).astype(np.int8)),
            self._constant(name + ".scale", scales),
            "",  # no zero points: the weights lie around 0
            self._vector(name + ".b"),
        ]
        return self._node("DynamicQuantizeMatMul", inputs, name, domain=_CONTRIB)

    def _vector(self, name: str) -> str:
        return self._constant(name, self.weights.vector(name))

    def _constant(self, name: str, values: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output
