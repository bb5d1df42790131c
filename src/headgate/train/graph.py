"""What has to be put right in the ONNX graphs that skl2onnx makes. Called by `convert`; `agree` proves the outcome."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from headgate.kernel import InvalidInput, Where

JOINED = "features"
"""The name of the table that several number columns are joined into."""


def lower_everywhere_alike(made: Any) -> None:
    """Lower-case text by the C locale, the only one that every machine has: a model loads and answers alike anywhere.

    It lower-cases ASCII letters only; whether the others matter is part of what `agree` checks.
    """
    from onnx import helper

    for node in made.graph.node:
        if node.op_type == "StringNormalizer":
            kept = [attribute for attribute in node.attribute if attribute.name != "locale"]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("locale", "C")])


def repair_sublinear(made: Any) -> None:
    """Compute sublinear term frequencies as scikit-learn does: 1 + log(n) for n >= 1, 0 for none.

    skl2onnx (1.20) writes log(n + 1). log(max(n, 1)) + min(n, 1) is the same as scikit-learn's for every count.
    """
    from onnx import helper

    nodes = []
    added = {node.output[0]: node for node in made.graph.node if node.op_type == "Add"}
    for node in made.graph.node:
        before = added.get(node.input[0]) if node.op_type == "Log" else None
        if before is None or not re.fullmatch(r"plus1logged\d*", node.output[0]):
            nodes.append(node)
            continue
        nodes.remove(before)
        counts, ones = before.input
        name = node.output[0]
        nodes += [
            helper.make_node("Max", [counts, ones], [f"{name}_most"], name=f"{name}_max"),
            helper.make_node("Log", [f"{name}_most"], [f"{name}_log"], name=f"{name}_ln"),
            helper.make_node("Min", [counts, ones], [f"{name}_any"], name=f"{name}_min"),
            helper.make_node("Add", [f"{name}_log", f"{name}_any"], [name], name=f"{name}_sum"),
        ]
    del made.graph.node[:]
    made.graph.node.extend(nodes)


def join_inputs(made: Any, names: Sequence[str], table: str, where: Where) -> None:
    """Give the model one input a column of numbers, joined into the table that scikit-learn was fitted on."""
    from onnx import TensorProto, helper

    if table in names:
        raise InvalidInput(f"a feature cannot be called {table!r}", "rename the column", where=where)
    graph = made.graph
    nodes = [helper.make_node("Concat", list(names), [table], name="join_features", axis=1), *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.input[:]
    graph.input.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in names)


def tidy(made: Any) -> None:
    """Leave out what says nothing and order what has no order, so that equal models have equal bytes."""
    made.doc_string = made.graph.doc_string = ""
    opsets = sorted(made.opset_import, key=lambda opset: opset.domain)
    del made.opset_import[:]
    made.opset_import.extend(opsets)
