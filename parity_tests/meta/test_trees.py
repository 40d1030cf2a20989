"""Containers to paths and back."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.trees import flatten, map_leaves

Point = namedtuple("Point", "x y")


@dataclass(frozen=True)
class Pair:
    left: Any
    right: Any = field(default=None)


TREES = st.recursive(
    st.integers(),
    lambda children: st.one_of(
        st.lists(children, max_size=3),
        st.lists(children, max_size=3).map(tuple),
        st.dictionaries(st.text("abc", min_size=1, max_size=2), children, max_size=3),
        st.builds(Point, children, children),
        st.builds(Pair, children, children),
        st.none(),
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("tree", "leaves"),
    [
        (1, {"": 1}),
        ([1, (2, 3)], {"0": 1, "1/0": 2, "1/1": 3}),
        ({"a": {"b": 1}, "c": None}, {"a/b": 1}),
        (Point(1, [2]), {"x": 1, "y/0": 2}),
        (Pair(Point(1, 2), 3), {"left/x": 1, "left/y": 2, "right": 3}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        ("text", {"": "text"}),
        (Pair, {"": Pair}),  # a class is a leaf; only its instances are containers
        ([], {}),
        (None, {}),
    ],
    ids=repr,
)
def test_leaves_by_path(tree, leaves):
    assert flatten(tree) == leaves


def test_the_root_is_the_first_part_of_every_path():
    assert flatten([1, {"a": 2}], "output") == {"output/0": 1, "output/1/a": 2}
    assert flatten(1, "output") == {"output": 1}


def test_fields_by_position_on_request():
    assert flatten(Pair(Point(1, 2), {"a": 3}), names=False) == {"0/0": 1, "0/1": 2, "1/a": 3}


def test_an_array_is_a_leaf():
    array = np.ones((2, 3))
    assert flatten({"a": array})["a"] is array


@given(TREES)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_mapping_the_identity_gives_the_tree_back(tree):
    assert map_leaves(lambda _, leaf: leaf, tree) == tree


@given(TREES)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_mapping_sees_the_leaves_and_paths_of_flatten(tree):
    seen = {}
    map_leaves(seen.__setitem__, tree, "root")
    assert seen == flatten(tree, "root")


@given(TREES)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_mapping_leaves_the_tree_as_it_was(tree):
    before = repr(tree)
    map_leaves(lambda path, _: path, tree)
    assert repr(tree) == before


@pytest.mark.parametrize("tree", [Point(1, 2), Pair(1, 2), [1, 2], (1, 2), {"a": 1}], ids=repr)
def test_mapping_keeps_the_kind_of_container(tree):
    assert type(map_leaves(lambda _, leaf: leaf + 1, tree)) is type(tree)


def test_mapping_keeps_the_order_of_keys():
    assert list(map_leaves(lambda _, leaf: leaf, OrderedDict(b=1, a=2))) == ["b", "a"]
