"""A cross-encoder small enough to be made in a test: its score is how many words text and question share."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "how",
    "much",
    "leave",
    "is",
    "there",
    "days",
    "of",
    "the",
    "cantina",
    "25",
]
N_MARKS = 4


def tokenizer_json() -> bytes:
    """A tokenizer of whole words, with the marks a pair gets."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    ids = {word: number for number, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    return json.dumps(json.loads(tokenizer.to_str())).encode()


def graph(n_logits: int = 1) -> bytes:
    """Words of the question times words of the text, from one-hot rows; marks and unknowns count nothing."""
    table = np.eye(len(VOCABULARY), dtype=np.float32)
    table[:N_MARKS] = 0
    logits = ["score"] if n_logits == 1 else ["no", "score"]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["token_type_ids"], ["is_text"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["mask", "is_text"], ["is_question"]),
        helper.make_node("Unsqueeze", ["is_text", "last"], ["text_column"]),
        helper.make_node("Unsqueeze", ["is_question", "last"], ["question_column"]),
        helper.make_node("Mul", ["rows", "text_column"], ["text_rows"]),
        helper.make_node("Mul", ["rows", "question_column"], ["question_rows"]),
        helper.make_node("ReduceMax", ["text_rows", "axis"], ["text"], keepdims=0),
        helper.make_node("ReduceMax", ["question_rows", "axis"], ["question"], keepdims=0),
        helper.make_node("Mul", ["text", "question"], ["shared"]),
        helper.make_node("ReduceSum", ["shared", "axis"], ["score"], keepdims=1),
        helper.make_node("Neg", ["score"], ["no"]),
        helper.make_node("Concat", logits, ["logits"], axis=1),
    ]
    constants = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
        numpy_helper.from_array(np.array([2], np.int64), "last"),
    ]
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "l"]) for name in names]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", n_logits])
    made = helper.make_model(
        helper.make_graph(nodes, "tiny", inputs, [output], constants),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    onnx.checker.check_model(made)
    return made.SerializeToString()
