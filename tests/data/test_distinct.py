from lstm_jax.data import Distinct
from tests.data.sources import LabelledDocuments


def test_texts_that_are_held_out_are_no_training_texts():
    source = LabelledDocuments(
        train=(("One!", "a"), ("two", "a"), ("three", None), ("four", "b")),
        validation=(("one", "a"),),
        test=(("THREE ...", "b"),),
    )
    distinct = Distinct(source)
    assert [one.text for one in distinct.examples("train")] == ["two", "four"]
    assert list(distinct.documents("train")) == ["two", "four"]
    for split in ("validation", "test"):
        assert list(distinct.examples(split)) == list(source.examples(split))
    assert distinct.class_names() == source.class_names()
