import pytest

from metaug.shipped_configs import find_config, purpose, shipped_configs


def test_own_file_wins_over_a_shipped_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config("digits.yaml") == shipped_configs()["digits.yaml"]
    (tmp_path / "digits.yaml").write_text("trainer: {max_epochs: 1}")
    assert find_config("digits.yaml").resolve() == tmp_path / "digits.yaml"


@pytest.mark.parametrize("name", ["digits", "digits.yaml"])
def test_suffix_may_be_left_out(name):
    assert find_config(name) == shipped_configs()["digits.yaml"]


@pytest.mark.parametrize(
    "name", ["simclr", "simclr.yaml", "overlays/simclr", "overlays/simclr.yaml"]
)
def test_subfolder_may_be_left_out(name):
    assert find_config(name) == shipped_configs()["overlays/simclr.yaml"]


@pytest.mark.parametrize("name", ["papers_form", "papers_form.yaml", "overlays/papers_form.yaml"])
def test_old_name_still_finds_a_renamed_config(name):
    with pytest.warns(UserWarning, match=r"papers_form\.yaml is called paper_form\.yaml now"):
        assert find_config(name) == shipped_configs()["overlays/paper_form.yaml"]


@pytest.mark.parametrize("name", ["sweeps/simclr", "overlays/digits.yaml"])
def test_wrong_subfolder_is_an_error(name):
    with pytest.raises(FileNotFoundError, match="none of that name is shipped"):
        find_config(name)


def test_unknown_name_lists_what_there_is():
    with pytest.raises(
        FileNotFoundError, match=r"'digit\.yaml' in .*cifar10\.yaml, .*digits\.yaml"
    ):
        find_config("digit.yaml")


def test_file_names_are_unique_so_that_subfolders_may_be_left_out():
    names = [path.name for path in shipped_configs().values()]
    assert sorted(names) == sorted(set(names))


def test_every_config_says_its_purpose_in_its_first_line():
    assert "digits.yaml" in shipped_configs()
    for name, path in shipped_configs().items():
        assert 20 < len(purpose(path)) <= 100, name
