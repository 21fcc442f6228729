"""An embedding model small enough to be made in a test, and a hub that has it on a loopback port.

Its vectors are the words of a text: texts that share words are near each other.
"""

import hashlib
from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rag_app.rag.embedders.hub_onnx import HubEmbedderModel
from rag_app.rag.model_hub import HubModel
from tests.rerank_servers import Answer, Request, StandIn
from tests.tiny_cross_encoder import N_MARKS, VOCABULARY, tokenizer_json

COMMIT = "b" * 40
BASE = f"/owner/tiny/resolve/{COMMIT}"
DIMENSIONS = 24


def graph(dimensions: int = DIMENSIONS, *, extra_input: str = "") -> bytes:
    """Each word has a direction of its own; marks and unknown words count little."""
    table = np.eye(len(VOCABULARY), dimensions, dtype=np.float32)
    table[:N_MARKS] *= 0.1
    names = ["input_ids", "attention_mask", *([extra_input] if extra_input else [])]
    made = helper.make_model(
        helper.make_graph(
            [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
            "tiny",
            [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "l"]) for name in names],
            [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["n", "l", dimensions])],
            [numpy_helper.from_array(table, "table")],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    onnx.checker.check_model(made)
    return made.SerializeToString()


def hub(files: dict[str, bytes] | None = None) -> StandIn:
    """A hub with the model, or with other files in its places; use it as a context manager."""
    there = {f"{BASE}/onnx/model.onnx": graph(), f"{BASE}/tokenizer.json": tokenizer_json()}
    there |= {f"{BASE}/{name}": content for name, content in (files or {}).items()}

    def reply(request: Request) -> Answer:
        return Answer(there[request.path]) if request.path in there else Answer(status=404)

    return StandIn(reply)


def model(url: str, *, content: bytes | None = None, **changes: object) -> HubEmbedderModel:
    """The model as an operator would set it up; `content` is the graph the hub is to have."""
    files = HubModel(
        what="embedding model",
        setting="RAG_HUB_EMBEDDER",
        url=url,
        repo="owner/tiny",
        revision=COMMIT,
        file="onnx/model.onnx",
        sha256=sha256(graph() if content is None else content),
        tokenizer_sha256=sha256(tokenizer_json()),
    )
    usual = HubEmbedderModel(files, DIMENSIONS, 64, "mean", "", "")
    return replace(usual, **changes)  # type: ignore[arg-type]


def settings(url: str, **changes: object) -> dict[str, object]:
    """The same as settings of an installation."""
    return {
        "rag_model_hub_url": url,
        "rag_hub_embedder_repo": "owner/tiny",
        "rag_hub_embedder_revision": COMMIT,
        "rag_hub_embedder_sha256": sha256(graph()),
        "rag_hub_embedder_tokenizer_sha256": sha256(tokenizer_json()),
        "rag_hub_embedder_dimensions": DIMENSIONS,
        "rag_hub_embedder_max_tokens": 64,
        **changes,
    }


def sha256(content: bytes) -> str:
    """As an operator would write it down."""
    return hashlib.sha256(content).hexdigest()
