"""Floor 2: whatever answers: providers that chat, runtimes that predict, embedders, their prices and wires."""

from .call import Call, Delta, End, Provider, ProviderError, joined
from .edge import Asked, Edge, StreamEncoder
from .embed import EmbedCall, Embedder, Embeds, Vectors
from .facts import STRICT, FactName, Facts, Feature, Strictness, TargetName, facts_of, stays_inside, told, weaker
from .kinds.prices import compile_prices
from .predict import Prediction, Predictor, load_model
from .prices import (
    FREE,
    MAX_OUTPUT_TOKENS,
    Price,
    Tokens,
    bound,
    bound_tokens,
    cost,
    dearest,
    listed_cost,
    output_limit,
)
from .providers.scripted import Options as ScriptedOptions
from .providers.scripted import Scripted
from .quoting import CANNOT, Quote, nearest_example, quote
from .registry import Providers
from .transport import PrivateHosts, private_hosts
from .words import content_words, sentences, words

__all__ = [
    "CANNOT", "FREE", "MAX_OUTPUT_TOKENS", "STRICT", "Asked", "Call", "Delta", "Edge", "EmbedCall", "Embedder",
    "Embeds", "End", "FactName",
    "Facts", "Feature", "Prediction", "Predictor", "Price", "PrivateHosts", "Provider", "ProviderError", "Providers",
    "Quote", "Scripted", "ScriptedOptions", "StreamEncoder", "Strictness", "TargetName", "Tokens", "Vectors",
    "bound", "bound_tokens", "compile_prices", "content_words", "cost", "dearest", "facts_of", "joined", "listed_cost",
    "load_model",
    "nearest_example", "output_limit", "private_hosts", "quote", "sentences", "stays_inside", "told", "weaker", "words",
]  # fmt: skip
