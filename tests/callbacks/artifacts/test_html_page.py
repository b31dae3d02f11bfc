from metaug.callbacks.artifacts.html_page import render


def test_text_is_escaped():
    page = render(
        "<b>",
        "a & b",
        scores=(["a"], [["<"]]),
        metrics={},
        figures=[],
        config="<i>",
        command="x > y",
        versions={"<p>": "1 & 2"},
    )
    assert "<title>&lt;b&gt;</title>" in page
    assert "a &amp; b" in page
    assert "&lt;i&gt;" in page
    assert "x &gt; y" in page
    assert "<td>&lt;</td>" in page
    assert '<td>&lt;p&gt;</td><td class="number">1 &amp; 2</td>' in page
