"""Floor 2: whatever answers: providers that chat, runtimes that predict, embedders, their prices and wires."""

from .call import Call, Delta, End, Provider, ProviderError, joined
from .edge import Asked, Edge, StreamEncoder
from .embed import EmbedCall, Embedder, Embeds, Vectors
from .facts import STRICT, FactName, Facts, Feature, Strictness, TargetName, facts_of, stays_inside, told, weaker
from .kinds.prices import compile_prices
from .predict import Prediction, Predictor, load_model
from .prices import FREE, Price, Tokens, bound, cost, dearest, lacking, listed_cost
from .providers.scripted import Options as ScriptedOptions
from .providers.scripted import Scripted
from .quoting import CANNOT, Quote, nearest_example, quote
from .reach import MAX_OUTPUT_TOKENS, Reach, output_limit, reach_of
from .registry import Providers
from .transport import PrivateHosts, private_hosts
from .words import content_words, sentences, words

__all__ = [
    "CANNOT", "FREE", "MAX_OUTPUT_TOKENS", "STRICT", "Asked", "Call", "Delta", "Edge", "EmbedCall", "Embedder",
    "Embeds", "End", "FactName",
    "Facts", "Feature", "Prediction", "Predictor", "Price", "PrivateHosts", "Provider", "ProviderError", "Providers",
    "Quote", "Reach", "Scripted", "ScriptedOptions", "StreamEncoder", "Strictness", "TargetName", "Tokens", "Vectors",
    "bound", "compile_prices", "content_words", "cost", "dearest", "facts_of", "joined", "lacking", "listed_cost",
    "load_model", "nearest_example", "output_limit", "private_hosts", "quote", "reach_of", "sentences",
    "stays_inside", "told", "weaker", "words",
]  # fmt: skip
