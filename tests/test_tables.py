"""CSV files: what becomes of them, and the errors that name line and column."""

import json
from pathlib import Path

import numpy as np
import pytest
from assertions import exactly
from command import assert_error, call

import pycopi
from pycopi.data import load_dataset

ANIMALS = "legs,weight,animal\n6,0.1,bee\n2,60,ape\n\n2, 70 ,ape\n"


def csv(folder: Path, text: str | bytes, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def flowers(folder: Path, *columns: str) -> Path:
    """Write a table of three kinds that are easily told apart."""
    rng, lines = np.random.default_rng(0), [",".join(columns)]
    for row in range(60):
        values = {"kind": "xyz"[row % 3], "a": row % 3 + rng.normal() / 9, "b": rng.normal()}
        lines.append(",".join(str(values[name]) for name in columns))
    return csv(folder, "\n".join(lines), "flowers.csv")


def test_text_targets_are_classes(tmp_path):
    data = load_dataset(csv(tmp_path, ANIMALS))
    assert (data.name, data.target, data.classes) == ("mine", "animal", ("ape", "bee"))
    assert data.x_train.tolist() == [[6.0, 0.1], [2.0, 60.0], [2.0, 70.0]]
    assert data.x_train.dtype == np.float64
    assert data.y_train.tolist() == [1, 0, 0]
    assert data.x_test is data.y_test is None


@pytest.mark.parametrize(
    ("target", "task", "values", "classes"),
    [
        ("legs", None, [6.0, 2.0, 2.0], None),  # 2 different of 3
        ("legs", "classes", [1, 0, 0], (2, 6)),
        ("weight", None, [0.1, 60.0, 70.0], None),
        ("weight", "classes", [0, 1, 2], (0.1, 60, 70)),
    ],
)
def test_any_column_can_be_the_target(tmp_path, target, task, values, classes):
    numbers = ANIMALS.replace("bee", "1").replace("ape", "2")
    data = load_dataset(csv(tmp_path, numbers), target=target, task=task)
    assert (data.y_train.tolist(), data.classes, data.target) == (values, classes, target)
    assert data.x_train.shape == (3, 2)


@pytest.mark.parametrize("task", [None, "classes", "regression"])
def test_a_table_is_the_set_that_an_npz_file_of_its_columns_is(tmp_path, task):
    """Both go through one door: the rule for whole floats of few values is the same."""
    x, y = np.random.default_rng(1).normal(size=(12, 2)), np.arange(12.0) % 3
    np.savez(tmp_path / "a.npz", x=x, y=y)
    np.savetxt(
        tmp_path / "a.csv", np.column_stack([x, y]), fmt="%.17g", delimiter=",", header="a,b,c", comments=""
    )
    one, other = (load_dataset(tmp_path / f"a.{end}", task=task) for end in ("npz", "csv"))
    assert one.classes == other.classes
    for name in ("x_train", "y_train"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_what_spreadsheets_write_is_read(tmp_path):
    """A mark at the start of the file, quotes, Windows line ends."""
    text = b'\xef\xbb\xbf"legs, all","kind"\r\n"6","a ""bee"""\r\n2,ape\r\n'
    data = load_dataset(csv(tmp_path, text), task="classes")
    assert data.classes == ('a "bee"', "ape")
    assert load_dataset(csv(tmp_path, text), target="kind").x_train.tolist() == [[6.0], [2.0]]


NUMBER = "expected a finite number, got"
ENCODE = "write numbers for text, such as a column of 0 and 1 for each value, or remove the column"
VALUES = "line 1: expected the names of the columns, got values"
FILL = "write a number there, or remove the line or the column"


@pytest.mark.parametrize(
    ("text", "keywords", "message"),
    [
        ("a,b,c\n1,2,x\n1,tall,y\n", {}, f"line 3, column 'b': {NUMBER} 'tall'; {ENCODE}"),
        ("a,b,c\n1,2,x\n,2,y\n", {}, f"line 3, column 'a': {NUMBER} an empty cell; {FILL}"),
        ("a,b,c\n\n1,nan,x\n", {}, f"line 3, column 'b': {NUMBER} 'nan'; {FILL}"),
        ("a,b\n1,2\n1,n/a\n", {}, "line 3, column 'b': expected a number, got 'n/a'; write a number there, .*"),
        ("a,b\n1,x\n1,y\n", {"task": "regression"}, "line 2, column 'b': expected a number, got 'x'; .*"),
        ("a,b\n1,x\n1,\n", {}, "line 3, column 'b': expected a target, got an empty cell; .*"),
        ("a,b,c\n1,2\n", {}, "line 2: expected 3 values, one for each name in line 1, got 2; .*"),
        ("a;b\n1;2\n", {}, "line 1: expected the names of two columns or more, .* got 'a;b'; .*"),
        ("", {}, "line 1: expected the names of two columns or more, .* got ''; .*"),
        ("3,4\n1,2\n", {}, rf"{VALUES} \(3, 4\); write a line of names above them"),
        ("5.1,3.5,x\n4.9,3.0,y\n", {}, rf"{VALUES} \(5.1, 3.5, x\); write a line of names above them"),
        ("x,1,-2\ny,1,3\n", {"target": "x"}, rf"{VALUES} \(x, 1, -2\); .*"),
        ("1,0,1,x\n1,1,0,y\n", {}, rf"{VALUES} \(1, 0, 1, x\); .*"),
        ("5,3,1,x\n1,1,0,y\n", {}, rf"{VALUES} \(5, 3, 1, x\); .*"),
        ("0,1\n1,2\n", {}, rf"{VALUES} \(0, 1\); .*"),
        ("nan,1,x\n1,2,y\n", {}, rf"{VALUES} \(nan, 1, x\); .*"),
        (
            ",a,b\n0,1,2\n",
            {},
            r"line 1: expected a name for each column, got none for column 1; .*index=False\)\)",
        ),
        ("a,b\n", {}, "expected a line of values for each sample after line 1, got none; .*"),
        ("a,b\n1,2\n", {"target": "d"}, "line 1: no column of the name 'd' among a, b; .*"),
        ("a,a\n1,2\n", {"target": "a"}, "line 1: 2 columns of the name 'a' among a, a; .*"),
        ('a,b\n1,"x\n', {}, r"line 2: expected values with commas between \(unexpected end of data\); .*"),
        (b"a,b\n1,\xff\n", {}, "expected text in UTF-8, got other bytes; .*"),
    ],
)
def test_errors_name_the_line_and_the_column(tmp_path, text, keywords, message):
    path = csv(tmp_path, text)
    with pytest.raises(ValueError, match=rf"^{path}: {message}$"):
        load_dataset(path, **keywords)


@pytest.mark.parametrize("names", ["0,1,y", "2019,2020,price", "a,0.5,b"])
def test_columns_may_be_named_by_numbers(tmp_path, names):
    data = load_dataset(csv(tmp_path, f"{names}\n1,2,3\n4,5,6\n"), task="regression")
    assert data.columns == tuple(names.split(",")[:2])
    assert data.x_train.tolist() == [[1.0, 2.0], [4.0, 5.0]]


def test_a_file_that_is_not_there_and_a_target_that_has_no_meaning(tmp_path):
    missing = f"{tmp_path / 'no.csv'}: there is no such file; expected a CSV file with a line of names"
    with pytest.raises(FileNotFoundError, match=exactly(missing)):
        load_dataset(tmp_path / "no.csv")
    message = "target is 'b', but digits is no CSV file, whose columns have names; leave target out"
    with pytest.raises(ValueError, match=exactly(message)):
        load_dataset("digits", target="b")


def test_train_and_evaluate_take_a_table(tmp_path):
    path, output = flowers(tmp_path, "a", "b", "kind"), ("--output", tmp_path / "run")
    text = call("train", path, "--epochs", 30, *output)
    assert text.startswith("targets: column kind, labels of 3 classes: x, y, z\n")
    assert "samples   60" in call("evaluate", tmp_path / "run", path, "--split", "train")
    no_test = r"flowers has no test samples \(as no table has\); take all its rows with --split train"
    assert_error(no_test, "evaluate", tmp_path / "run", path)
    call("train", path, "--epochs", 31, "--resume", "--quiet", *output)


def test_a_model_knows_the_column_that_it_predicts(tmp_path):
    path = flowers(tmp_path, "kind", "a", "b")
    flags = ("--target", "kind", "--epochs", 30, "--quiet", "--output", tmp_path / "run")
    call("train", path, *flags)
    saved = pycopi.load(tmp_path / "run" / "model.safetensors")
    assert saved.details["settings"]["target"] == "kind"
    text = call("evaluate", tmp_path / "run", path, "--split", "train")
    assert float(text.splitlines()[1].split()[1]) > 0.95


def test_a_model_finds_its_columns_in_another_order(tmp_path):
    output = tmp_path / "run"
    call("train", flowers(tmp_path, "a", "b", "kind"), "--epochs", 30, "--quiet", "--output", output)
    assert pycopi.load(output / "model.safetensors").details["columns"] == ["a", "b"]
    asked = "evaluate", output, flowers(tmp_path, "b", "a", "kind"), "--split", "train", "--json"
    assert json.loads(call(*asked))["accuracy"] > 0.95


def test_other_columns_than_a_model_has_learned_are_an_error(tmp_path):
    output = tmp_path / "run"
    call("train", flowers(tmp_path, "a", "b", "kind"), "--epochs", 2, "--quiet", "--output", output)
    path = csv(tmp_path, "a,c,kind\n1,2,x\n2,3,y\n", "other.csv")
    wanted = "other has the columns a, c, but the model has learned a, b; give the table these columns"
    assert_error(wanted, "evaluate", output, path, "--split", "train")


def test_fixed_point_takes_the_columns_of_the_model_in_any_order(tmp_path):
    output, made = tmp_path / "run", []
    first = flowers(tmp_path, "kind", "a", "b")
    flags = ("--target", "kind", "--epochs", 2, "--quiet", "--output", output)
    call("train", first, *flags)
    for columns in (("kind", "a", "b"), ("b", "a", "kind")):
        header = tmp_path / "model.h"
        call("export", output, "--to", "c", "--fixed-point", flowers(tmp_path, *columns), "--output", header)
        made.append(header.read_text())
    assert made[0] == made[1]


def test_a_target_that_nobody_named_is_found_where_another_table_has_it(tmp_path):
    output, found = tmp_path / "run", []
    call("train", flowers(tmp_path, "a", "b", "kind"), "--epochs", 2, "--quiet", "--output", output)
    for columns in (("a", "b", "kind"), ("kind", "b", "a")):
        found.append(call("evaluate", output, flowers(tmp_path, *columns), "--split", "train", "--json"))
    assert found[0] == found[1]


@pytest.mark.parametrize("names", ["a,a,b", "a,b,b"])
def test_a_table_of_two_columns_of_one_name_is_refused(tmp_path, names):
    """No later table could say which is which."""
    message = f"line 1: expected a name of its own for each column, got '{names[2]}' 2 times; rename or remove"
    with pytest.raises(ValueError, match=message):
        load_dataset(csv(tmp_path, f"{names}\n1,0,1\n2,1,0\n"))


def test_a_number_with_an_underscore_is_text(tmp_path):
    data = load_dataset(csv(tmp_path, "a,b\n1,1_1\n2,11\n3,1_1\n"), task="classes")
    assert data.classes == ("11", "1_1")
    with pytest.raises(ValueError, match=r"line 2, column 'a': expected a finite number, got '1_000'"):
        load_dataset(csv(tmp_path, "a,b\n1_000,1\n2,0\n"))


def test_a_column_that_is_neither_classes_nor_the_target_says_how_to_name_another(tmp_path):
    lines = "\n".join(f"{row},{row % 2},name{row}" for row in range(60))
    path, output = csv(tmp_path, f"a,kind,who\n{lines}\n"), ("--output", tmp_path / "run")
    advice = "if they are no labels, name the column of the targets with --target"
    assert_error(f"mine has 60 different labels on 60 samples; .* {advice}", "train", path, *output)
    without = csv(tmp_path, "a,kind\n" + "\n".join(f"{row},{row % 2}" for row in range(60)), "less.csv")
    call("train", without, "--target", "kind", "--epochs", 1, "--quiet", *output)


def test_real_targets_have_no_binary_cross_entropy(tmp_path):
    path = csv(tmp_path, "a,b\n1,0.5\n2,-1.5\n3,2.5\n4,3.25\n")
    message = f"--loss binary_cross_entropy needs classes, but the targets of {path} are real numbers; use .*"
    train = ("train", path, "--output", tmp_path / "run", "--epochs", 1, "--quiet")
    assert_error(message, *train, "--loss", "binary_cross_entropy")
    call(*train, "--loss", "squared_error")
