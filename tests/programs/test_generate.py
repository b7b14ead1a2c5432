import lstm_jax


def test_the_same_seed_writes_the_same_text(program, trained):
    def generate(*flags):
        code, out, err = program(
            "generate", f"--workdir={trained}", "--prompt=so we ", "--length=30", *flags
        )
        assert (code, err) == (0, "")
        assert out.startswith("so we ")
        return out.removesuffix("\n")

    text = generate("--seed=3")
    assert len(text) == len("so we ") + 30
    assert generate("--seed=3") == text
    assert generate("--seed=4") != text
    run = lstm_jax.load(trained)
    assert text == run.generate("so we ", length=30, seed=3)
    cold = generate("--temperature=0.5", "--top_k=4")
    assert cold == run.generate("so we ", length=30, temperature=0.5, top_k=4)
    greedy = generate("--temperature=0", "--seed=1")
    assert greedy == generate("--top_k=1", "--seed=2")
    early = generate("--step=10", "--temperature=0")
    assert early == lstm_jax.load(trained, 10).generate("so we ", length=30, temperature=0.0)


def test_a_prompt_is_not_needed(program, trained):
    code, out, _ = program("generate", f"--workdir={trained}", "--length=5")
    assert code == 0
    assert len(out) == 5 + 1


def test_mistakes_are_named_in_one_line(mistake, trained):
    workdir = f"--workdir={trained}"
    assert mistake("generate") == "--workdir is missing: give the directory of a run"
    assert "no such directory" in mistake("generate", f"--workdir={trained}s")
    refused = "--config.task.dropout: a trained model cannot be changed"
    assert mistake("generate", workdir, "--config.task.dropout=0") == refused
    assert "length must not be negative" in mistake("generate", workdir, "--length=-1")
    assert "top_k must be at least 1" in mistake("generate", workdir, "--top_k=0")
    assert "temperature must not be negative" in mistake("generate", workdir, "--temperature=-1")
    assert "flag --seed=one" in mistake("generate", workdir, "--seed=one")
    assert "has no checkpoint of step 99" in mistake("generate", workdir, "--step=99")
