"""The table of users' data has every side and every failure, and finds its place on a page."""

import csv

import numpy as np
import pytest
from assertions import exactly
from repository import ROOT, benchmark

pytest.importorskip("sklearn")
users = benchmark("users")

SMALL = ["iris, 5 samples", "diabetes"]  # classes and regression
PAGE = "Before\n<!-- users -->\nold\n<!-- end -->\nafter\n"


def test_the_table_has_every_side_of_small_sets(monkeypatch, tmp_path, capsys):
    file, page = tmp_path / "rows.csv", tmp_path / "page.md"
    page.write_text(PAGE)
    monkeypatch.setattr(users, "LEAST", 2)
    given = ["--only", *SMALL, "--rows", "1", "--csv", str(file), "--write", str(page)]
    rows = users.main(given)
    wanted = [(data, side, number) for data in SMALL for number in (0, 1) for side in users.SIDES]
    assert [row[:3] for row in rows] == wanted
    for row in rows:
        assert (row.score is None) == bool(row.failure) == bool(row.error), row
    with file.open(newline="", encoding="utf-8") as stored:
        assert [(row["data"], row["side"]) for row in csv.DictReader(stored)] == [row[:2] for row in rows]
    printed = capsys.readouterr().out
    head, _, *lines, ranks = printed.splitlines()
    assert ranks.startswith("| mean rank, 1 is best | | | ")
    assert head.split(" | ")[3:] == [*list(users.SIDES)[:-1], "`pycopi train` |"]
    assert [line.split(" | ")[0] for line in lines] == [f"| {name}" for name in SMALL]
    before, _, rest = page.read_text().partition("<!-- users -->\n")
    content, _, after = rest.partition("<!-- end -->")
    assert (before, after) == ("Before\n", "\nafter\n")
    assert content.startswith(f"\n{printed}")
    assert users.COMMAND in content
    monkeypatch.setattr(users, "measure", None)  # nothing is left to measure
    assert users.main(given) == rows


def fail(split, seed):
    if seed:
        msg = "no\nway"
        raise ZeroDivisionError(msg)
    return np.full(len(split.y_test), np.nan)


def test_failures_are_counted_and_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(users, "SIDES", {"constant": users.SIDES["constant"], "bad": fail})
    rows = users.main(["--only", "two moons", "--rows", "1000", "--csv", str(tmp_path / "rows.csv")])
    assert [row.error for row in rows] == ["", "predictions not finite", "", "no way", "", "no way"]
    line, ranks = capsys.readouterr().out.splitlines()[-2:]
    assert ranks == "| mean rank, 1 is best | | | 1.00 | 2.00 |"
    wanted = "| 0.500 | **3 of 3: ZeroDivisionError, predictions not finite** |"
    assert line == f"| two moons | 350, 2, 3 | accuracy {wanted}"


def test_equal_scores_share_their_ranks(monkeypatch):
    monkeypatch.setattr(users, "SIDES", dict.fromkeys("abc"))
    scores = {"a": 0.5, "b": 0.50001, "c": 0.7}
    rows = [users.Row("data", side, 0, score, "", "", 0.0) for side, score in scores.items()]
    assert users.mean_ranks(rows, ["data"]) == [2.5, 2.5, 1.0]


def test_few_rows_are_split_more_often():
    split = users.SETS["iris"](0)
    assert [len(users.numbers(split._replace(x=np.zeros((n, 1))), 1000)) for n in (5, 105, 250, 2000)] == [
        100,
        10,
        4,
        3,
    ]


def test_what_is_behind_is_named_with_its_standard_error(monkeypatch):
    monkeypatch.setattr(users, "SIDES", dict.fromkeys([*users.NETWORKS, "own"]))
    scores = {"good": (0.5, 0.9, 0.895), "bad": (0.5, 0.9, 0.7)}
    rows = [
        users.Row(data, side, number, score + 0.01 * number * (side == "own"), "", "", 0.0)
        for data, row in scores.items()
        for number in range(3)
        for side, score in zip(users.SIDES, row, strict=True)
    ]
    where = "bad (-0.190 ± 0.006)"
    message = f"own is more than 0.01 below the better of scikit-learn's networks on {where}."
    assert users.behind(rows, list(scores)) == message


def test_an_error_of_the_command_is_a_failure_with_its_message():
    x = np.full((40, 2), 1e30)
    split = users.Split(x, x[:, 0], np.full((2, 2), np.nan), x[:2, 0])  # cannot be evaluated on
    row = users.measure("bad", split, "`pycopi train`", 0)
    assert row.score is None
    assert row.failure == "train ended with status 2"
    assert "NaN" in row.error or "finite" in row.error


def test_every_number_is_one_split_of_finite_numbers():
    for name, make in users.SETS.items():
        split, again, other = make(0), make(0), make(1)
        for key, array in split.arrays().items():
            assert np.all(np.isfinite(array)), (name, key)
            assert np.array_equal(array, again.arrays()[key]), (name, key)
        assert split.x.shape[1:] == split.x_test.shape[1:], name
        assert split.x.shape == other.x.shape, name
        assert not np.array_equal(split.x, other.x), name


def test_the_page_of_the_documentation_has_a_place(tmp_path):
    page = tmp_path / "page.md"
    page.write_text((ROOT / "docs" / "users.md").read_text(encoding="utf-8"), encoding="utf-8")
    users.write_page(page, "the table")
    assert "<!-- users -->\n\nthe table\n\n<!-- end -->" in page.read_text(encoding="utf-8")


def test_a_page_without_a_place_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    message = f"{page} has no place for the table; expected the comments <!-- users --> and <!-- end -->"
    with pytest.raises(ValueError, match=exactly(message)):
        users.write_page(page, "text")
