"""YAML as people write it, read safely: the one reader and writer of kerasopt.

Floats are those of YAML 1.2 (``1e-3`` is a number; in YAML 1.1 it is a text), and
dates stay texts. Keys that stand twice, nodes that hold themselves, and aliases that
multiply to a size that nobody means are refused.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

__all__ = ["dump", "parse"]

MOST_NODES = 100_000
"""Most values of a document with aliases, each counted as often as it is used."""

_FLOAT = re.compile(
    r"""([-+]?(\d[\d_]*\.[\d_]*([eE][-+]?\d+)?
             |\.\d[\d_]*([eE][-+]?\d+)?
             |\d[\d_]*[eE][-+]?\d+
             |\.(inf|Inf|INF))
        |\.(nan|NaN|NAN))$""",
    re.VERBOSE,
)


_TAG = "tag:yaml.org,2002:"


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return what unquoted texts mean; the dumper quotes by the same rules."""
    others = {
        first: [
            (tag, rule)
            for tag, rule in rules
            if tag not in (f"{_TAG}float", f"{_TAG}timestamp")
        ]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    floats = {first: [(f"{_TAG}float", _FLOAT)] for first in "-+.0123456789"}
    return {
        first: [*others.get(first, []), *floats.get(first, [])]
        for first in others.keys() | floats.keys()
    }


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = _resolvers()

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        """Refuse duplicate keys; YAML would keep the last one."""
        seen = set()
        for key, _ in node.value:
            name = (key.tag, str(key.value))
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = _resolvers()


def parse(text: str) -> Any:
    """Return the value of some YAML.

    Args:
        text: A recipe, or one value of it.

    Raises:
        yaml.YAMLError: if it isn't YAML, or something in it can't be meant.

    Example:
        >>> parse("{name: sgd, learning_rate: 1e-3, note: '1e-3'}")
        {'name': 'sgd', 'learning_rate': 0.001, 'note': '1e-3'}
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check_size(node)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except RecursionError:
        raise yaml.YAMLError("its values are nested too deeply") from None
    except (ValueError, OverflowError) as error:
        raise yaml.YAMLError(f"a value can't be read ({error})") from None


def dump(content: Any) -> str:
    r"""Return the YAML of plain values, which `parse` reads as they were.

    Args:
        content: Mappings, lists, texts, numbers, booleans and None.

    Example:
        >>> dump({"rate": 0.001, "note": "1e-3"})
        "rate: 0.001\nnote: '1e-3'\n"
    """
    return str(yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def _check_size(root: yaml.Node) -> None:
    """Refuse nodes that hold themselves or that aliases multiply beyond all use."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in open_nodes:
            raise yaml.YAMLError(
                f"the alias in line {node.start_mark.line + 1} stands for a value that "
                "holds the alias itself"
            )
        if id(node) not in sizes:
            open_nodes.add(id(node))
            sizes[id(node)] = 1 + sum(map(size, _children(node)))
            open_nodes.discard(id(node))
        return sizes[id(node)]

    total = size(root)
    if total > max(MOST_NODES, len(sizes)):
        raise yaml.YAMLError(
            f"its aliases make {total:.1e} values of {len(sizes)}; at most "
            f"{MOST_NODES:,} are accepted. Write the values out"
        )


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []
