"""Chapter 1's tables: the true figures of the SMS collection, and what any reader's own table may do."""

import csv
from collections import Counter

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmclf import data
from llmclf.console import LlmclfError
from llmclf.data import DataError, Splits

quickly = settings(max_examples=60)
# Any text that UTF-8 can hold.
texts = st.text(st.characters(codec="utf-8") | st.sampled_from('"\n\r\t,; '), max_size=12)


def experiment_table(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["label", "text"])


def labelled(labels: list) -> pd.DataFrame:
    """A row for each label; its text is its place."""
    return pd.DataFrame({"label": labels, "text": [str(place) for place in range(len(labels))]})


def write(folder, content: str | bytes, name: str = "table.csv"):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_of(table: pd.DataFrame) -> list[list]:
    assert list(table.index) == list(range(len(table)))
    return table.to_numpy().tolist()


# The SMS collection ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sms(sms_path):
    return data.read_sms(sms_path)


@pytest.fixture(scope="module")
def sms_splits(sms):
    return data.split(data.encode_labels(data.undersample(sms), data.SMS_LABELS))


def test_the_source_reads_5572_messages(sms):
    assert len(sms) == 5572
    assert sms["label"].value_counts().to_dict() == {"ham": 4825, "spam": 747}


def test_without_quoting_there_are_5574_messages(sms_path):
    table = data.read_sms(sms_path, every_row=True)
    assert len(table) == 5574
    assert table["label"].value_counts().to_dict() == {"ham": 4827, "spam": 747}


def test_the_two_swallowed_lines_are_ham(sms, sms_path):
    assert sms.index[sms["text"].str.contains("\n")].tolist() == [5081]  # lines 5,082 to 5,084 of the file
    lines = sms_path.read_text(encoding="utf-8").split("\n")
    assert [lines[number - 1].split("\t")[0] for number in (5083, 5084)] == ["ham", "ham"]
    assert not data.read_sms(sms_path, every_row=True)["text"].str.contains("\n").any()


def test_the_collection_holds_403_extra_exact_copies(sms):
    assert sms["text"].duplicated().sum() == 403


def test_the_balanced_set_is_the_source_s_row_for_row(sms):
    balanced = data.undersample(sms)
    assert balanced["label"].value_counts().to_dict() == {"ham": 747, "spam": 747}
    assert list(balanced.index[:5]) == [4307, 4138, 4831, 4461, 5440]
    assert list(balanced.index[-5:]) == [5537, 5540, 5547, 5566, 5567]


def test_the_split_has_1045_149_and_300_messages(sms_splits):
    assert [len(part) for part in sms_splits] == [1045, 149, 300]
    assert (sms_splits.test["label"] == 1).sum() == 151


@pytest.mark.parametrize(("ignore_details", "messages", "spams"), [(False, 37, 33), (True, 51, 47)])
def test_the_test_set_leaks(sms_splits, ignore_details, messages, spams):
    leaked = data.find_leakage(sms_splits.train, sms_splits.test, ignore_details=ignore_details)
    assert (len(leaked), (leaked["label"] == 1).sum()) == (messages, spams)


@pytest.mark.parametrize(("ignore_details", "messages"), [(False, 13), (True, 17)])
def test_the_validation_set_leaks(sms_splits, ignore_details, messages):
    assert len(data.find_leakage(sms_splits.train, sms_splits.validation, ignore_details=ignore_details)) == messages


def test_prepare_sms_is_the_whole_chapter(sms_splits):
    for part, expected in zip(data.prepare_sms(), sms_splits, strict=True):
        pd.testing.assert_frame_equal(part, expected)


def test_prepare_sms_is_short_when_asked(sms_path, monkeypatch):
    monkeypatch.setenv("LLMCLF_FAST", "1")
    splits = data.prepare_sms()
    assert [len(part) for part in splits] == list(data.FAST_SIZES)
    assert all(set(part["label"]) == {0, 1} for part in splits)


def test_the_reduced_copy_has_4862_messages(reduced_sms_path):
    table = data.read_sms(reduced_sms_path)
    assert len(table) == 4862
    assert table["label"].value_counts().to_dict() == {"ham": 4220, "spam": 642}


def test_either_copy_can_be_prepared(any_sms_path):
    table = data.read_sms(any_sms_path)
    splits = data.split(data.encode_labels(data.undersample(table), data.SMS_LABELS))
    spams = (table["label"] == "spam").sum()
    assert sum(len(part) for part in splits) == 2 * spams
    assert sum(part["label"].sum() for part in splits) == spams


@quickly
@given(counts=st.lists(st.integers(3, 60), min_size=2, max_size=4), seed=st.integers(0, 5))
def test_a_stratified_split_has_every_label_in_every_part_and_every_row_once(counts, seed):
    table = labelled([name for name, count in zip("abcd", counts, strict=False) for _ in range(count)])
    table["text"] = [f"text {row}" for row in range(len(table))]
    splits = data.split(table, seed=seed, stratify=True)
    assert sorted(pd.concat(splits)["text"]) == sorted(table["text"])
    for name, count in table["label"].value_counts().items():
        each = [(part["label"] == name).sum() for part in splits]
        assert each[1] == max(1, round(count * 0.1))
        assert abs(each[2] - count * 0.2) < 1
        assert each[0] >= 1


def test_a_label_too_small_for_every_part_is_named():
    with pytest.raises(DataError, match="label 'rare': 2 texts are too few for a part to learn from"):
        data.split(labelled(["ham"] * 20 + ["rare"] * 2), stratify=True)


def test_read_sms_keeps_words_that_look_like_missing_values(tmp_path):
    path = write(tmp_path, "ham\tNA\nspam\tnull\nham\t\nham\t12\n")
    assert rows_of(data.read_sms(path)) == [["ham", "NA"], ["spam", "null"], ["ham", ""], ["ham", "12"]]


def test_read_sms_keeps_numbers_as_they_are_written(tmp_path):
    assert rows_of(data.read_sms(write(tmp_path, "1\t007\n0\t1e3\n"))) == [["1", "007"], ["0", "1e3"]]


def test_every_row_takes_quotation_marks_as_plain_characters(tmp_path):
    path = write(tmp_path, 'ham\t"so\nspam\tb\nham\tc"\nham\td\n')
    assert rows_of(data.read_sms(path)) == [["ham", "so\nspam\tb\nham\tc"], ["ham", "d"]]
    assert rows_of(data.read_sms(path, every_row=True)) == [["ham", '"so'], ["spam", "b"], ["ham", 'c"'], ["ham", "d"]]


# Any table ------------------------------------------------------------------------------------------------------------


READABLE = {
    "plain": ("label,text\nham,hi\nspam,win\n", [["ham", "hi"], ["spam", "win"]]),
    "no last line break": ("label,text\nham,hi", [["ham", "hi"]]),
    "extra column": ("text,id,label\nhi,1,ham\n", [["ham", "hi"]]),
    "quoted": ('label,text\nham,"a\nb, ""c"""\n', [["ham", 'a\nb, "c"']]),
    "quotation mark inside": ('label,text\nham,say "hi"\n', [["ham", 'say "hi"']]),
    "NA": ("label,text\nNA,null\nnan,NA\n", [["NA", "null"], ["nan", "NA"]]),
    "blanks around names and labels": ("label , text\n ham,a\nham ,b\n", [["ham", "a"], ["ham", "b"]]),
    "row of separators": ("label,text,url\nham,hello,\n,,\n", [["ham", "hello"]]),
    "empty text": ("label,text\nham,\nham, \n", [["ham", ""], ["ham", " "]]),
    "numbers": ("label,text\n1,007\n", [["1", "007"]]),
    "blank lines": ("\nlabel,text\n\nham,hi\n\n", [["ham", "hi"]]),
    "byte order mark": ("\ufefflabel,text\nham,hi\n", [["ham", "hi"]]),
    "byte order mark and quotes": ('\ufeff"label","text"\nham,hi\n', [["ham", "hi"]]),
    "Windows lines": ('label,text\r\nham,"a\r\nb"\r\nspam,c\r\n', [["ham", "a\r\nb"], ["spam", "c"]]),
    "old Mac lines": ("label,text\rham,a\rspam,b\r", [["ham", "a"], ["spam", "b"]]),
    "numbered column": ("label,text,text.1\nham,a,b\n", [["ham", "a"]]),
}


@pytest.mark.parametrize(("content", "rows"), READABLE.values(), ids=READABLE)
def test_read_table_takes(tmp_path, content, rows):
    assert rows_of(data.read_table(write(tmp_path, content))) == rows


@pytest.mark.parametrize("name", ["table.tsv", "table.TSV"])
def test_a_name_in_tsv_means_tabs(tmp_path, name):
    path = write(tmp_path, 'label\ttext\nham\ta, b\nspam\t"c\td"\n', name)
    assert rows_of(data.read_table(path)) == [["ham", "a, b"], ["spam", "c\td"]]


def test_columns_may_have_any_name(tmp_path):
    path = write(tmp_path, "class of it,label,Ü\nx,7,a\n")
    table = data.read_table(path, text_column="Ü", label_column="class of it")
    assert list(table.columns) == ["label", "text"]
    assert rows_of(table) == [["x", "a"]]


def test_without_labels_a_row_is_a_message_even_without_text(tmp_path):
    path = write(tmp_path, 'label,text\nham,a\n,\nspam,""\n,b\n')
    table = data.read_table(path, label_column=None)
    assert list(table.columns) == ["text"]
    assert rows_of(table) == [["a"], [""], ["b"]]  # the second row has nothing in any field


def test_in_a_table_of_one_column_a_blank_line_is_no_message(tmp_path):
    path = write(tmp_path, 'text\na\n\n""\nb\n')
    assert rows_of(data.read_table(path, label_column=None)) == [["a"], [""], ["b"]]


def test_a_text_may_be_longer_than_python_s_reader_likes(tmp_path):
    csv.field_size_limit(131_072)
    long = "long, " * 30_000
    assert rows_of(data.read_table(write(tmp_path, f'label,text\nham,"{long}"\n'))) == [["ham", long]]


@quickly
@given(
    rows=st.lists(st.tuples(texts.filter(str.strip), texts, texts), min_size=1, max_size=5),
    suffix=st.sampled_from([".csv", ".tsv"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
)
def test_what_other_programs_write_is_read_back(tmp_path_factory, rows, suffix, line_end, encoding):
    path = tmp_path_factory.mktemp("table") / f"table{suffix}"
    separator = "\t" if suffix == ".tsv" else ","
    frame = pd.DataFrame(rows, columns=["label", "note", "text"])
    frame.to_csv(path, sep=separator, index=False, encoding=encoding, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    assert rows_of(data.read_table(path)) == [[label.strip(), text] for label, _, text in rows]


UNREADABLE = {
    "empty": ("", "the file is empty; expected a header line and rows"),
    "only blank lines": ("\n\n", "the file is empty"),
    "only a byte order mark": ("\ufeff", "the file is empty"),
    "header": ("label,text", "a header but no rows"),
    "header and blank lines": ("label,text\n\n\n", "a header but no rows"),
    "no text": ("label,message\nham,a\n", "line 1: expected one column 'text', found 'label', 'message'"),
    "no label": ("class,text\nham,a\n", "line 1: expected one column 'label', found 'class', 'text'"),
    "header in line 3": ("\n\nlabel\nham\n", "line 3: expected one column 'text', found 'label'"),
    "doubled column": (
        "label,text,text\nham,a,b\n",
        "line 1: expected one column 'text', found 'label', 'text', 'text'",
    ),
    "too many": (
        "label,text\nham,a\nspam,b,c\n",
        "line 3: expected 2 fields as in the header, found 3; .* quotation marks",
    ),
    "too many in the first row": (
        "label,text\nham,a,c\nspam,b,c\n",
        "line 2: expected 2 fields as in the header, found 3",
    ),
    "too many after line breaks": (
        'label,text\nham,"a\nb"\n\nspam,b,c\n',
        "line 5: expected 2 fields as in the header, found 3",
    ),
    "too few": ("label,text\nham,a\nspam\n", "line 3: expected 2 fields as in the header, found 1"),
    "white label": ("label,text\nham,a\n ,b\n", "line 3: no label in column 'label'; fill it in, or add --drop-inc"),
    "only separators": ("label,text\n,\n", "a header but no rows"),
    "empty label after line breaks": (
        'label,text\r\n\r\nham,"a\r\nb"\r\n"",b\r\n',
        "line 5: no label in column 'label'",
    ),
    "open quote": ('label,text\nham,a\nspam,"b\nham,c\n', "line 3: broken quoting .*written twice"),
    "text after quote": ('label,text\nham,"a" b\n', "line 2: broken quoting .*written twice"),
    "UTF-16 without mark": (
        "label,text\nham,a\n".encode("utf-16-le"),
        "line 1: expected one column 'label', found 'l.x00a.*; add --encoding utf-16-le",
    ),
    "UTF-16": ("label,text\nham,a\n".encode("utf-16"), "line 1: not UTF-8 .*probably utf-16: add --encoding utf-16"),
    "Latin-1": (
        "label,text\nham,a\nham,café\n".encode("latin-1"),
        "line 3: not UTF-8 .*probably latin-1: add --encoding latin-1",
    ),
    "Windows-1252": ("label,text\nham,“a”\n".encode("windows-1252"), "line 2: not UTF-8 .*probably windows-1252"),
}


@pytest.mark.parametrize(("content", "complaint"), UNREADABLE.values(), ids=UNREADABLE)
def test_read_table_names_file_and_line_of(tmp_path, content, complaint):
    path = write(tmp_path, content, "mine.csv")
    with pytest.raises(DataError, match=rf"mine\.csv: {complaint}"):
        data.read_table(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file"):
        data.read_table(tmp_path / "nowhere.csv")


def test_a_folder_is_not_a_table(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path.name}: cannot be read"):
        data.read_table(tmp_path)


def test_a_missing_label_names_the_reader_s_own_column(tmp_path):
    with pytest.raises(DataError, match="line 2: no label in column 'class'"):
        data.read_table(write(tmp_path, "class,text\n,a\n"), label_column="class")


@quickly
@given(lines=st.lists(st.just("\n") | st.lists(st.sampled_from(["a", "\n", ","])).map(lambda t: f'x,"{"".join(t)}"\n')))
def test_the_line_is_right_whatever_stands_before_it(tmp_path_factory, lines):
    before = "".join(["label,text\n", *lines])
    path = write(tmp_path_factory.mktemp("table"), before + ",b\nham,c\n")
    with pytest.raises(DataError, match=rf"line {before.count(chr(10)) + 1}: no label"):
        data.read_table(path)


FORMS = {
    "Latin-1": ("label,text\nham,café at 8?\n".encode("latin-1"), {"encoding": "latin-1"}, [["ham", "café at 8?"]]),
    "UTF-16": ("label,text\nham,a\n".encode("utf-16"), {"encoding": "utf-16"}, [["ham", "a"]]),
    "UTF-16 without mark": ("label,text\nham,a\n".encode("utf-16-le"), {"encoding": "utf-16-le"}, [["ham", "a"]]),
    "semicolon": ("label;text\nham;a, b\n", {"separator": ";"}, [["ham", "a, b"]]),
    "tab": ("label\ttext\nham\ta, b\n", {"separator": "tab"}, [["ham", "a, b"]]),
    "plain marks": ('label,text\nham,"a\nspam,b" c\n', {"quoting": "none"}, [["ham", '"a'], ["spam", 'b" c']]),
    "no header": (
        "ham,7,a\nspam,8,b\n",
        {"header": False, "label_column": "1", "text_column": "3"},
        [["ham", "a"], ["spam", "b"]],
    ),
    "incomplete": ("label,text\nham,a\n,b\n", {"drop_incomplete": True}, [["ham", "a"]]),
}


@pytest.mark.parametrize(("content", "form", "rows"), FORMS.values(), ids=FORMS)
def test_read_table_is_told_of_other_forms(tmp_path, content, form, rows):
    assert rows_of(data.read_table(write(tmp_path, content), **form)) == rows


def test_rows_that_are_left_out_are_counted(tmp_path, capsys):
    path = write(tmp_path, "label,text\nham,a\n,b\n ,c\n", "mine.csv")
    data.read_table(path, drop_incomplete=True)
    assert "mine.csv: 2 rows without a label or a text were left out" in capsys.readouterr().err
    with pytest.raises(DataError, match="no complete row"):
        data.read_table(write(tmp_path, "label,text\n,b\n"), drop_incomplete=True)


WRONG_FORMS = {
    "separator in the header": ("label;text\nham;a\n", {}, 'line 1: expected .*; if ";" parts the columns, add --sep'),
    "tab in the header": ("kind\tbody\nham\ta\n", {}, "if tab parts the columns, add --separator tab"),
    "plain marks": ('label,text\nham,"a" b\n', {}, "where they are plain characters, add --quoting none"),
    "columns by number": ("ham,a\n", {"header": False}, "line 1: expected one column 'label', found '1', '2'"),
    "width without header": (
        "ham,a\nham\n",
        {"header": False, "label_column": "1", "text_column": "2"},
        "line 2: expected 2 fields as in the first row, found 1",
    ),
    "two characters": ("label,text\n", {"separator": ";;"}, "separator must be one character, or \"tab\", got ';;'"),
    "encoding": ("label,text\n", {"encoding": "klingon"}, "unknown encoding 'klingon'"),
    "quoting": ("label,text\n", {"quoting": "some"}, "quoting must be one of standard, none, got 'some'"),
    "no text encoding": ("label,text\n", {"encoding": "hex"}, "unknown encoding 'hex'"),
    "UTF-8 read as UTF-16": (
        b"label,text\nham,caf\xc3\xa9\n",
        {"encoding": "utf-16"},
        "probably utf-8: add --encoding utf-8",
    ),
    "half a character": ('{"label": "ham", "text": "hi \\ud83d"}', {"suffix": ".jsonl"}, "line 1: half a character in"),
    "other bytes": (b"label,text\nham,\xff\n", {"encoding": "ascii"}, "line 2: not ASCII"),
}


@pytest.mark.parametrize(("content", "form", "complaint"), WRONG_FORMS.values(), ids=WRONG_FORMS)
def test_read_table_proposes_the_form_that_fits(tmp_path, content, form, complaint):
    options = dict(form)
    path = write(tmp_path, content, f"table{options.pop('suffix', '.csv')}")
    with pytest.raises(LlmclfError, match=complaint):
        data.read_table(path, **options)


def test_json_lines_parquet_and_frames_are_tables_too(tmp_path):
    frame = pd.DataFrame({"id": [1, 2], "label": [" 1", 0], "text": ["a\nb", ""]}, dtype=object)
    frame.astype({"label": str}).to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    frame.astype({"label": str}).to_parquet(tmp_path / "a.parquet")
    for source in (tmp_path / "a.jsonl", tmp_path / "a.parquet", frame):
        assert rows_of(data.read_table(source)) == [["1", "a\nb"], ["0", ""]]


def test_whole_numbers_stay_whole_beside_a_missing_label():
    frame = pd.DataFrame({"label": [1, None, 2], "text": ["a", "b", "c"]})
    assert rows_of(data.read_table(frame, drop_incomplete=True)) == [["1", "a"], ["2", "c"]]


OTHER_KINDS = {
    "object without label": (".jsonl", '{"text": "a", "label": 1}\n\n{"text": "b"}\n', "line 3: no label in column"),
    "null": (".jsonl", '{"text": null, "label": 1}\n', "line 1: no text in column 'text'; fill it in, or add --drop"),
    "number as text": (
        ".jsonl",
        '{"text": 5, "label": 1}\n',
        "line 1: expected a string in column 'text', found a int",
    ),
    "other names": (".jsonl", '{"body": "a", "label": 1}\n', "no object has 'text'; the first has 'body', 'label'"),
    "list": (".jsonl", "[1]\n", "line 1: a JSON list; expected an object"),
    "no JSON": (".jsonl", "label,text\n", "line 1: not a JSON object in UTF-8"),
    "no rows": (".jsonl", "\n", "a header but no rows"),
    "no Parquet": (".parquet", "label,text\n", "damaged, or not a Parquet file"),
}


@pytest.mark.parametrize(("suffix", "content", "complaint"), OTHER_KINDS.values(), ids=OTHER_KINDS)
def test_faults_of_other_kinds_of_tables_are_named(tmp_path, suffix, content, complaint):
    path = write(tmp_path, content, f"mine{suffix}")
    with pytest.raises(DataError, match=rf"mine{suffix}: {complaint}"):
        data.read_table(path)


def test_a_form_of_csv_files_is_refused_for_others(tmp_path):
    with pytest.raises(DataError, match="of CSV files only; leave them out"):
        data.read_table(write(tmp_path, "", "mine.jsonl"), separator=";")
    for suffix in (".jsonl", ".parquet"):
        with pytest.raises(DataError, match=f"nowhere{suffix}: no such file"):
            data.read_table(tmp_path / f"nowhere{suffix}")


def test_a_frame_without_the_column_or_with_a_missing_text_is_refused():
    frame = pd.DataFrame({"label": ["x", "y"], "body": ["a", None]})
    with pytest.raises(DataError, match="the table: expected one column 'text', found 'label', 'body'"):
        data.read_table(frame)
    with pytest.raises(DataError, match="the table: row 2: no text in column 'body'"):
        data.read_table(frame, text_column="body")


# Labels ---------------------------------------------------------------------------------------------------------------


def test_label_names_are_in_alphabetical_order():
    assert data.label_names(labelled(["spam", "offer", "ham", "spam"])) == ["ham", "offer", "spam"]


def test_labels_that_differ_in_case_or_blanks_are_listed_with_counts_or_merged():
    table = labelled(["ham", "Ham", "spam", "ham", "very  rude", "Very rude", "Very rude"])
    with pytest.raises(DataError, match=r"blanks: 'ham' \(2\), 'Ham' \(1\); add --merge-labels"):
        data.label_names(table)
    merged = data.merge_labels(table)
    assert merged["label"].tolist() == ["ham", "ham", "spam", "ham", *["Very rude"] * 3]
    assert data.label_names(merged) == ["Very rude", "ham", "spam"]


def test_label_names_are_strings_even_of_numbers():
    assert data.label_names(labelled([5, 1, 5])) == ["1", "5"]


@pytest.mark.parametrize("labels", [["ham", "ham"], []])
def test_one_label_is_too_few(labels):
    with pytest.raises(DataError, match="at least two different labels, found only"):
        data.label_names(labelled(labels))


NUMBERED = {
    "names": (["spam", "ham"], ["ham", "spam"], [1, 0]),
    "three names": (["c", "a", "b"], ["a", "b", "c"], [2, 0, 1]),
    "numbers as text": (["1", "0"], ["ham", "spam"], [1, 0]),
    "numbers": ([1, 0], ["ham", "spam"], [1, 0]),
    "names of digits": (["1", "3"], ["1", "2", "3"], [0, 2]),
    "names of digits that could be numbers": (["2", "1"], ["1", "2", "3"], [1, 0]),
    "numbers for names of digits": (["0", "1"], ["1", "2"], [0, 1]),
    "stars": ([2, 1], ["1", "2"], [1, 0]),
}


@pytest.mark.parametrize(("labels", "names", "numbers"), NUMBERED.values(), ids=NUMBERED)
def test_number_labels_counts_from_0_in_the_order_of_the_names(labels, names, numbers):
    numbered = data.encode_labels(labelled(labels), names)
    assert numbered["label"].tolist() == numbers
    assert numbered["label"].dtype == "int64"
    assert numbered["text"].tolist() == [str(place) for place in range(len(labels))]


@pytest.mark.parametrize(
    ("labels", "unknown", "row"), [(["ham", "eggs"], "eggs", 2), (["2", "0"], "2", 1), (["ham", "1"], "1", 2)]
)
def test_an_unknown_label_is_named_with_its_row(labels, unknown, row):
    with pytest.raises(DataError, match=f"row {row}: unknown label '{unknown}'; expected one of ham, spam"):
        data.encode_labels(labelled(labels), ["ham", "spam"])


def test_number_labels_keeps_the_table_it_was_given():
    table = labelled(["spam", "ham"])
    data.encode_labels(table, ["ham", "spam"])
    assert table["label"].tolist() == ["spam", "ham"]


# Balancing, splitting, truncating -------------------------------------------------------------------------------------

any_labels = st.lists(st.sampled_from("abc"), min_size=10, max_size=60)


@quickly
@given(labels=any_labels.filter(lambda labels: len(set(labels)) > 1), seed=st.integers(0, 2**32 - 1))
def test_balanced_labels_are_equally_common_and_no_row_is_doubled(labels, seed):
    table = labelled(labels)
    balanced = data.undersample(table, seed=seed)
    counts, smallest = Counter(balanced["label"]), min(Counter(labels).values())
    assert set(counts) == set(labels)
    assert set(counts.values()) == {smallest}
    assert balanced.index.is_unique
    assert balanced.equals(table.loc[balanced.index])
    assert balanced["label"].is_monotonic_increasing  # one label after the other
    rarest = min(set(labels), key=labels.count)
    kept = table[table["label"] == rarest]
    assert balanced[balanced["label"] == rarest].equals(kept)


def test_balance_takes_numbers_as_well():
    balanced = data.undersample(labelled([1, 0, 0, 0, 2, 2]))
    assert sorted(balanced["label"]) == [0, 1, 2]


def test_another_seed_draws_other_rows():
    table = labelled(["a"] * 50 + ["b"] * 5)
    assert not data.undersample(table, seed=1).equals(data.undersample(table, seed=2))
    assert data.undersample(table, seed=1).equals(data.undersample(table, seed=1))


def test_one_label_cannot_be_balanced():
    with pytest.raises(DataError, match="at least two different labels"):
        data.undersample(labelled(["ham"] * 3))


@quickly
@given(
    labels=any_labels,
    train_share=st.floats(0.2, 0.6),
    validation_share=st.floats(0.1, 0.3),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_split_neither_loses_nor_doubles_a_row(labels, train_share, validation_share, seed):
    table = labelled(labels)
    splits = data.split(table, train_share=train_share, validation_share=validation_share, seed=seed)
    rows = [tuple(row) for part in splits for row in part.to_numpy()]
    assert Counter(rows) == Counter(tuple(row) for row in table.to_numpy())
    assert 0 <= len(labels) * train_share - len(splits.train) < 1
    assert 0 <= len(labels) * validation_share - len(splits.validation) < 1


def test_a_split_is_shuffled_by_its_seed():
    table = labelled(list("ab") * 20)
    first, again, other = (data.split(table, seed=seed).train["text"].tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert sorted(first) != first


@pytest.mark.parametrize(("train_share", "validation_share"), [(0, 0.1), (0.7, 0), (-1, 0.5), (0.7, 0.3), (0.9, 0.9)])
def test_shares_must_leave_something_for_each_part(train_share, validation_share):
    with pytest.raises(DataError, match="shares must be positive and leave some for the test"):
        data.split(labelled(list("ab") * 20), train_share=train_share, validation_share=validation_share)


@pytest.mark.parametrize(("rows", "part"), [(0, "train"), (1, "train"), (9, "validation")])
def test_too_few_rows_to_split_are_reported(rows, part):
    with pytest.raises(DataError, match=f"{rows} rows are too few: nothing is left for {part}"):
        data.split(labelled(["a"] * rows))


@quickly
@given(labels=any_labels, size=st.integers(1, 70), seed=st.integers(0, 2**32 - 1), order=st.randoms())
def test_truncated_labels_keep_order_and_share(labels, size, seed, order):
    table = labelled(labels)
    order.shuffle(numbers := [place % 7 for place in range(len(labels))])  # an index may be in any order, even doubled
    short = data.stratified_sample(table.set_axis(numbers), size, seed=seed)
    places = [int(text) for text in short["text"]]
    assert places == sorted(set(places))
    assert short.reset_index(drop=True).equals(table.iloc[places].reset_index(drop=True))
    kept = Counter(short["label"])
    for label, count in Counter(labels).items():
        exact = count * min(1, size / len(labels))
        assert kept[label] == 1 if exact < 0.5 else abs(kept[label] - exact) <= 0.5


def test_truncate_leaves_a_short_table_alone():
    table = labelled(list("abab"))
    assert data.stratified_sample(table, 4).equals(table)
    assert data.stratified_sample(table, 100).equals(table)


@pytest.mark.parametrize(("value", "fast"), [(None, False), ("", False), ("0", False), ("1", True), ("yes", True)])
def test_fast_runs_are_asked_for_by_llmclf_fast(monkeypatch, value, fast):
    if value is not None:
        monkeypatch.setenv("LLMCLF_FAST", value)
    splits = Splits(*(labelled([0, 1] * half) for half in (200, 100, 100)))
    assert data.is_fast() == fast
    assert [len(part) for part in data.shorten_if_fast(splits)] == (list(data.FAST_SIZES) if fast else [400, 200, 200])


# Files ----------------------------------------------------------------------------------------------------------------

parts = st.lists(st.tuples(st.integers(0, 12), texts), min_size=1, max_size=4)


@quickly
@given(splits=st.tuples(parts, parts, parts))
@example(splits=([(0, "a\rb")], [(1, "nan"), (0, ""), (0, "NULL")], [(2, ' "x",\r\n\ty ')]))
def test_saved_splits_come_back_letter_by_letter(tmp_path_factory, splits):
    folder = tmp_path_factory.mktemp("splits") / "new"
    data.save_splits(Splits(*(experiment_table(*rows) for rows in splits)), folder)
    assert sorted(path.name for path in folder.iterdir()) == ["test.csv", "train.csv", "validation.csv"]
    for part, rows in zip(data.load_splits(folder), splits, strict=True):
        assert rows_of(part) == [list(row) for row in rows]
        assert part["label"].dtype == "int64"


def test_a_split_file_is_plain_csv_of_two_columns(tmp_path):
    table = experiment_table((0, 'say "hi", you'), (1, ""))
    data.save_splits(Splits(table, table, table), tmp_path)
    lines = (tmp_path / "train.csv").read_text(encoding="utf-8").splitlines()
    assert lines == ['"label","text"', '0,"say ""hi"", you"', '1,""']


def test_the_sms_splits_come_back_unchanged(sms_splits, tmp_path):
    data.save_splits(sms_splits, tmp_path)
    for part, expected in zip(data.load_splits(tmp_path), sms_splits, strict=True):
        pd.testing.assert_frame_equal(part, expected.reset_index(drop=True))


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_splits_that_cannot_be_written_leave_all_old_files(tmp_path, failing):
    old, new = experiment_table((0, "old"), (1, "old")), experiment_table((0, "new"), (1, "new"))
    data.save_splits(Splits(old, old, old), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    parts = [new, new, new]
    parts[failing] = new.assign(text=pd.Series(["half a character", "\ud83d"], dtype=object))
    with pytest.raises(UnicodeEncodeError):
        data.save_splits(Splits(*parts), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_split_files_hold_numbers(tmp_path):
    table = experiment_table(("0", "a"), ("ham", "b"))
    data.save_splits(Splits(table, table, table), tmp_path)
    with pytest.raises(DataError, match=r"train\.csv: expected label numbers, .*found 'ham'"):
        data.load_splits(tmp_path)


def test_a_missing_split_file_is_named(tmp_path):
    table = labelled([0, 1])
    data.save_splits(Splits(table, table, table), tmp_path)
    (tmp_path / "validation.csv").unlink()
    with pytest.raises(DataError, match=r"validation\.csv: no such file"):
        data.load_splits(tmp_path)


# Leakage --------------------------------------------------------------------------------------------------------------

SEEN = experiment_table((1, "WIN £100 now! Call 0800-123"), (0, "See you"), (0, "so long"))


@pytest.mark.parametrize(
    ("text", "exactly", "roughly"),
    [
        ("See you", True, True),
        ("see  you!", False, True),
        ("win £250 NOW, call 0900 7", False, True),
        ("win now call me", False, False),
        ("seeyou", False, False),
        ("See", False, False),
        ("Solong", False, False),
    ],
)
def test_leakage_is_exact_or_ignores_digits_case_and_punctuation(text, exactly, roughly):
    other = experiment_table((0, "unrelated"), (0, text))
    assert list(data.find_leakage(SEEN, other).index) == [1] * exactly
    assert list(data.find_leakage(SEEN, other, ignore_details=True).index) == [1] * roughly


def test_leakage_counts_every_copy_and_keeps_their_rows():
    other = experiment_table((0, "See you"), (1, "new"), (1, "See you"))
    assert data.find_leakage(SEEN, other).equals(other.iloc[[0, 2]])
