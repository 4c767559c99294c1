"""YAML with line numbers, and without the trap that the last of two equal keys silently wins."""

from dataclasses import dataclass
from typing import Any

import yaml

from include.partitioning.errors import PolicyError, Problem

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """A parsed file: its plain values, and for each path of keys and indexes the line it stands on, from 1."""

    data: Any
    lines: dict[KeyPath, int]

    def line_of(self, path: KeyPath) -> int:
        """The line of the deepest part of `path` that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(text: str, file: str) -> YamlDocument:
    """Parse one YAML document with the safe constructors only.

    :raises PolicyError: not YAML, or a key that occurs twice in one mapping.
    """
    try:
        return _read(text, file)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PolicyError((Problem("yaml", f"not valid YAML: {error.problem}", file=file, line=line),)) from error
    except RecursionError as error:
        raise PolicyError((Problem("yaml", "an alias contains itself", file=file, line=1),)) from error
    except (yaml.YAMLError, ValueError) as error:  # such as 2024-02-30, which YAML takes for a date
        raise PolicyError((Problem("yaml", f"not valid YAML: {error}", file=file, line=1),)) from error


def _read(text: str, file: str) -> YamlDocument:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        lines: dict[KeyPath, int] = {}
        problems = _walk(node, (), lines, file) if node else []
        if problems:
            raise PolicyError(tuple(problems))
        return YamlDocument(loader.construct_document(node) if node else None, lines)
    finally:
        loader.dispose()


def _walk(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], file: str) -> list[Problem]:
    problems: list[Problem] = []
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            problems += _walk(child, (*path, index), lines, file)
    elif isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            here = (*path, str(key.value))
            if here in lines:
                problems.append(
                    Problem(str(key.value), f"occurs twice, first on line {lines[here]}", file=file, line=key.start_mark.line + 1)
                )
            lines[here] = key.start_mark.line + 1
            problems += _walk(child, here, lines, file)
    return problems
