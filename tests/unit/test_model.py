"""Hierarchical models: notation, closure, neighbors, parameters."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from mse.errors import ModelError
from mse.models.terms import HierarchicalModel, parse_model

FOUR = ["police", "care", "border", "other"]
THREE = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[12,13,4]", "[12,13,4]"),
        (" [4, 31,21 ] ", "[12,13,4]"),
        ("[12][13][4]", "[12,13,4]"),
        ("[1,2,3,4]", "[1,2,3,4]"),
        ("[12,1,3,4,21]", "[12,3,4]"),
        ("[4,3,2,1,134]", "[134,2]"),
        ("police*care + border*police + other", "[12,13,4]"),
        ("police:care+other+border", "[12,3,4]"),
        ("main", "[1,2,3,4]"),
        ("Main", "[1,2,3,4]"),
        ("all one-way", None),
        ("all two-way", "[12,13,14,23,24,34]"),
        ("all pairwise", "[12,13,14,23,24,34]"),
        ("All  2-way", "[12,13,14,23,24,34]"),
        ("all three way", "[123,124,134,234]"),
        ("all four-way", "[1234]"),
        ("main + care*other", "[24,1,3]"),
        ("all two-way + police*care*border", "[123,14,24,34]"),
    ],
)
def test_parse_writes_canonical_form(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ModelError, match="asks for interactions of one"):
            parse_model(text, FOUR)
    else:
        assert str(parse_model(text, FOUR)) == expected


def test_names_take_over_beyond_nine_lists_and_with_covariates() -> None:
    many = [f"list {i}" for i in range(10)]
    model = parse_model("main + list 9*list 0", many)
    assert model.notation().startswith("list 0*list 9 + list 1 + ")
    assert parse_model(model.notation(), many) == model
    assert str(parse_model("year*a + b", ["a", "b"], ["year"])) == "a*year + b"


def test_keywords_cover_the_covariates() -> None:
    axes = (["a", "b"], ["year"])
    assert str(parse_model("main", *axes)) == "a + b + year"
    assert str(parse_model("all two-way", *axes)) == "a*b + a*year + b*year"


def test_a_list_may_be_called_like_a_keyword() -> None:
    assert str(parse_model("main*b + c", ["main", "b", "c"])) == "[12,3]"
    assert str(parse_model("main + b*c", ["main", "b", "c"])) == "[23,1]"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[12,13]", ["does not mention other", "'[12,13,4]'", "drop_lists"]),
        ("police*care", ["does not mention border, other", "'police*care + border + other'"]),
        ("[12,15,34]", ["out of range in term '15'", "4 lists: 1 police, 2 care"]),
        ("[0,1,2,3,4]", ["out of range in term '0'"]),
        ("[12,1a,34]", ["term '1a'", "'police*care'"]),
        ("[police,care]", ["term 'police'", "'police*care'"]),
        ("[12,,34]", ["an empty term"]),
        ("[]", ["an empty term"]),
        ("[12,34", ["one pair of brackets"]),
        ("[12,34]]", ["one pair of brackets"]),
        ("[112,34]", ["names a list twice in term '112'"]),
        ("12,13,4", ["did you mean the positions '[12,13,4]'"]),
        ("polise*care + Bordr + other", ["'polise' (did you mean 'police'?)", "'border'"]),
        ("police*zzz", ["'zzz'. The table has police, care, border, other"]),
        ("all twoway", ["did you mean 'all two-way'"]),
        ("police*care + + border", ["empty term or name", "'[12,13,4]'"]),
        ("police** + care", ["empty term or name"]),
        ("", ["empty term or name", "'main'"]),
        ("police*police + care", ["'police*police' repeats a name"]),
        ("all five-way", ["interactions of five axes", "the table has 4", "'all 4-way'"]),
        ("all odd-way", ["interactions of odd axes"]),
    ],
)
def test_errors_say_what_to_mend(text: str, parts: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        parse_model(text, FOUR)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("text", ["[12,34]", "police*care + border*other"])
def test_model_of_lists_on_a_table_with_covariates_names_the_ways_out(text: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_model(text, FOUR, ["year", "sex"])
    for part in ["year, sex", "table.by('year')", "table.collapse('year', 'sex')", "'+ year'"]:
        assert part in str(caught.value)


def test_a_missing_covariate_is_named() -> None:
    with pytest.raises(ModelError, match=r"covariates of the table \(sex\)"):
        parse_model("a*year + b", ["a", "b"], ["year", "sex"])


def test_positions_need_single_digits() -> None:
    with pytest.raises(ModelError, match=r"has 10 lists.*'l0\*l1'"):
        parse_model("[12]", [f"l{i}" for i in range(10)])


def test_something_else_than_a_text_is_refused() -> None:
    with pytest.raises(ModelError, match="given as int"):
        parse_model(3, FOUR)  # type: ignore[arg-type]


def test_a_model_is_read_by_the_names_of_its_axes() -> None:
    model = parse_model("[12,13,4]", FOUR)
    assert parse_model(model, FOUR) == model
    assert str(parse_model(model, FOUR[::-1])) == "[24,34,1]"
    with pytest.raises(ModelError, match="'other'"):
        parse_model(model, FOUR[:3])
    with pytest.raises(ModelError, match=r"does not mention new.*'\[12,13,4,5\]'"):
        parse_model(model, [*FOUR, "new"])


def test_terms_are_closed_and_ordered() -> None:
    model = parse_model("[123,34]", FOUR)
    assert model.terms == (
        *((), (0,), (1,), (2,), (3,)),
        *((0, 1), (0, 2), (1, 2), (2, 3)),
        (0, 1, 2),
    )
    assert (2, 0) in model
    assert () in model
    assert (0, 3) not in model


def test_nesting() -> None:
    small, large = parse_model("[12,3]", THREE), parse_model("[12,23]", THREE)
    assert small <= large
    assert large >= small
    assert not large <= small
    assert not small.issubset(parse_model("[12,3]", ["a", "b", "x"]))


def test_term_names() -> None:
    model = parse_model("main", FOUR)
    assert model.term_name((1, 0)) == "police:care"
    assert model.term_name(()) == "constant"


def test_additions_respect_order_and_scope() -> None:
    model = parse_model("[12,13,23,4]", FOUR)
    assert model.additions() == ((0, 3), (1, 3), (2, 3), (0, 1, 2))
    assert model.additions(max_order=2) == ((0, 3), (1, 3), (2, 3))
    assert model.additions(scope=parse_model("[123,34]", FOUR)) == ((2, 3), (0, 1, 2))
    assert parse_model("all four-way", FOUR).additions() == ()


def test_deletions_keep_main_effects() -> None:
    model = parse_model("[123,34]", FOUR)
    assert model.deletions() == ((2, 3), (0, 1, 2))
    assert parse_model("main", FOUR).deletions() == ()
    assert str(model.without_term((1, 0))) == "[13,23,34]"
    assert str(model.with_term((3, 0, 2))) == "[123,134]"
    for term in [(0,), ()]:
        with pytest.raises(ModelError, match="keeps its main effect"):
            model.without_term(term)


def test_parameters_of_lists_are_cells() -> None:
    model = parse_model("[12,3]", THREE)
    cells = model.parameters((2, 2, 2))
    assert cells.dtype == np.int64
    assert cells.tolist() == [0b000, 0b100, 0b010, 0b001, 0b110]
    assert model.n_parameters((2, 2, 2)) == 5
    assert model.degrees_of_freedom((2, 2, 2)) == 2


def test_parameters_with_levels() -> None:
    model = parse_model("a*year + b", ["a", "b"], ["year"])
    # Cells of a (2, 2, 3) tensor: 6 a + 3 b + year.
    assert model.parameters((2, 2, 3)).tolist() == [0, 6, 3, 1, 2, 7, 8]
    assert model.n_parameters((2, 2, 3)) == 7
    assert model.degrees_of_freedom((2, 2, 3)) == 2


def test_a_covariate_with_one_level_has_no_parameters() -> None:
    model = parse_model("all two-way", ["a", "b"], ["year"])
    assert model.parameters((2, 2, 1)).tolist() == [0, 2, 1, 3]
    assert model.n_parameters((2, 2, 1)) == 4


@pytest.mark.parametrize("shape", [(2, 2), (2, 3, 2), (2, 2, 0), (2, 2, 2, 2)])
def test_a_shape_that_does_not_fit_is_refused(shape: tuple[int, ...]) -> None:
    model = parse_model("main", ["a", "b"], ["year"])
    with pytest.raises(ModelError, match="does not fit"):
        model.parameters(shape)


@pytest.mark.parametrize(
    ("axes", "n_lists", "generators", "message"),
    [
        (("a", "b"), 2, ((0,),), "no term with b"),
        (("a", "b"), 2, ((0,), (1, 2)), "axis position 2"),
        (("a", "b"), 2, ((0,), (-1,)), "axis position -1"),
        (("a", "b"), 2, (), "no term with a, b"),
        (("a", "a"), 2, ((0,), (1,)), "different names"),
        (("a", "b"), 3, ((0,), (1,)), "3 lists"),
        (tuple(map(str, range(21))), 21, (tuple(range(21)),), "at most 20"),
    ],
)
def test_fields_are_checked(
    axes: tuple[str, ...], n_lists: int, generators: tuple[tuple[int, ...], ...], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        HierarchicalModel(axes, n_lists, generators)


def test_models_are_values() -> None:
    one, other = parse_model("[12,3]", THREE), parse_model("[3,21,1]", THREE)
    assert one == other
    assert hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301
    with pytest.raises(AttributeError):
        one.n_lists = 2  # type: ignore[misc]
