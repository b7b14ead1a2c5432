from lstm_jax.data import Distinct
from lstm_jax.data.text.documents import texts_of
from tests.data.sources import LabelledDocuments


def test_texts_that_are_held_out_are_no_training_texts():
    source = LabelledDocuments(
        train=(("One!", "a"), ("two", "a"), ("three", None), ("four", "b")),
        validation=(("one", "a"),),
        test=(("THREE ...", "b"),),
    )
    distinct = Distinct(source)
    assert [one.inputs for one in distinct.examples("train")] == ["two", "four"]
    assert list(texts_of(distinct, "train")) == ["two", "four"]
    for split in ("validation", "test"):
        assert list(distinct.examples(split)) == list(source.examples(split))
    assert distinct.class_names() == source.class_names()


def test_only_equal_texts_are_left_out_and_it_is_said():
    train = [":(", "😀", "🎉", "C++ rocks", "C# rocks", "कि", "की", "Great film!", "..."]
    source = LabelledDocuments(
        train=tuple((text, "a") for text in train),
        validation=((":)", "a"), ("👍", "b"), ("c rocks", "a"), ("का", "a")),
        test=(("great film", "a"), ("🎉", "b")),
    )
    distinct = Distinct(source)
    assert [one.inputs for one in distinct.examples("train")] == [
        text for text in train if text not in ("🎉", "Great film!")
    ]
    assert distinct.left_out("train") == ("2 texts that validation or test hold as well",)
    assert distinct.left_out("test") == Distinct(LabelledDocuments()).left_out("train") == ()


def test_words_alone_can_be_compared():
    source = LabelledDocuments(
        train=(("well-made!", "a"), ("C# rocks", "a"), ("dull", "b")),
        test=(("well made", "a"), ("C++ rocks", "a")),
    )
    assert [one.inputs for one in Distinct(source, "words").examples("train")] == ["dull"]
    assert len(list(Distinct(source).examples("train"))) == 3
