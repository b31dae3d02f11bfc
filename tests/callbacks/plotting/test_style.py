import matplotlib
from metaug.callbacks.plotting.style import class_colors, style


def test_every_class_has_a_color_of_its_own():
    for count in (2, 10, 37):
        assert len(set(class_colors(count))) == count


def test_the_users_matplotlib_settings_come_back():
    before = matplotlib.rcParams["axes.grid"], matplotlib.get_backend()
    with style():
        assert matplotlib.rcParams["axes.grid"]
    assert before == (matplotlib.rcParams["axes.grid"], matplotlib.get_backend())
