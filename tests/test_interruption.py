import pytest
from hypothesis import given
from hypothesis import strategies as st

from nftwave.interruption import Interruption, read

TARGET = "10.96.0.1:443"


def told(text):
    return read(text, mark="@@m", target=TARGET)


def test_what_the_script_says_is_read_in_milliseconds():
    found = told("greeting\n@@m tally 300 84 912 5000 5010\n@@m connections 3 1\n")
    assert found == Interruption(TARGET, 300, 84, 9120, established=3, alive=1)
    assert found.cut == 2
    assert found.words() == (
        "longest gap 9,120 ms, 84 of 300 connections to 10.96.0.1:443 failed;"
        " 2 of 3 established through ipvs cut"
    )


def test_a_gap_that_lasts_to_the_end_counts():
    assert told("@@m tally 30 20 15 1000 3000\n@@m connections - -\n").longest_gap == 20_000


@pytest.mark.parametrize(
    ("connections", "words"),
    [
        ("- -", "how many established connections were cut is unknown"),
        ("7 -", "7 were established through ipvs; their end is unknown"),
        ("0 0", "0 of 0 established through ipvs cut"),
    ],
)
def test_what_is_not_known_of_connections_is_said(connections, words):
    assert words in told(f"@@m tally 30 0 11 1000 1010\n@@m connections {connections}").words()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@@m none\n", "not measured: none of bash, nc, curl and python3"),
        ("", "not measured: the node did not tell"),
        ("@@m tally 1 2 x 4 5", "not measured: the node did not tell"),
        ("@@m tally 1 2", "not measured: the node did not tell"),
        ("@@other tally 1 2 3 4 5", "not measured: the node did not tell"),
        ("@@m tally 30 0 11 1000 1010", "the connection to the node was lost before the end"),
    ],
)
def test_no_measurement_says_why(text, words):
    assert words in told(text).words()


LINES = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.builds(
            lambda words: " ".join(["@@m", *words]),
            st.lists(
                st.one_of(
                    st.sampled_from(["tally", "connections", "none", "-", "٣", "9" * 30]),
                    st.integers().map(str),
                ),
                max_size=7,
            ),
        ),
    )
)


@given(LINES)
def test_nothing_that_a_node_prints_raises(lines):
    assert told("\n".join(lines)).words()
