"""The notebook: its cells from `examples/notebook.py`, its page in this site (a hook of mkdocs).

python docs/notebook_page.py      # runs the script's cells, and writes examples/metaug.ipynb
"""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPT, NOTEBOOK = EXAMPLES / "notebook.py", EXAMPLES / "metaug.ipynb"
WIDEST = 720
"""Pixels of a committed figure."""


def cells(script: str) -> list[tuple[str, str]]:
    """Kind (`markdown` or `code`) and source of each cell of a script in the percent format."""
    found = []
    for block in re.split(r"^# %%", script, flags=re.M)[1:]:
        head, _, body = block.partition("\n")
        markdown = "[markdown]" in head
        lines = body.strip("\n").split("\n")
        text = "\n".join(re.sub(r"^# ?", "", line) for line in lines) if markdown else body
        found.append(("markdown" if markdown else "code", text.strip("\n")))
    return found


def smaller(png: bytes) -> bytes:
    """A figure in few pixels and colors."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((WIDEST, WIDEST))
    stream = io.BytesIO()
    picture.quantize(96).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def executed(folder: Path) -> Any:
    """The notebook with what its cells print and show, run in `folder`."""
    import nbformat
    from nbclient import NotebookClient

    make = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    notebook = nbformat.v4.new_notebook()
    for number, (kind, source) in enumerate(cells(SCRIPT.read_text(encoding="utf-8"))):
        notebook.cells.append(make[kind](source, id=f"cell-{number}"))
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        cell.metadata = {}  # when it ran
        if cell.cell_type == "code":
            cell.outputs = joined([kept(output) for output in cell.outputs if keeps(output)])
    return notebook


def joined(outputs: list[Any]) -> list[Any]:
    """Outputs with what was printed bit by bit as one."""
    result: list[Any] = []
    for output in outputs:
        if result and output["output_type"] == result[-1]["output_type"] == "stream":
            result[-1]["text"] += output["text"]
        else:
            result.append(output)
    return result


def keeps(output: dict[str, Any]) -> bool:
    """Whether an output is of interest to others: warnings name the machine's paths."""
    return output.get("name") != "stderr"


def kept(output: dict[str, Any]) -> dict[str, Any]:
    """An output with its figure made small."""
    data = output.get("data", {})
    if "image/png" in data:
        png = smaller(base64.b64decode(data["image/png"]))
        output["data"] = {"image/png": base64.b64encode(png).decode()}
        output["metadata"] = {}
    return output


def page(notebook: dict[str, Any]) -> tuple[str, dict[str, bytes]]:
    """Markdown of the notebook, and the figures that it shows by their names."""
    parts: list[str] = []
    figures: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            text = "".join(output.get("text", ""))
            if text:
                parts.append(f"```text\n{text.rstrip()}\n```")
            if png := output.get("data", {}).get("image/png"):
                name = f"notebook_{len(figures) + 1}.png"
                figures[name] = base64.b64decode(png)
                parts.append(f"![What the cell above shows](figures/{name})")
    return "\n\n".join(parts) + "\n", figures


def on_files(files: Any, config: Any) -> Any:
    """Add the page to the site; mkdocs calls this."""
    from mkdocs.structure.files import File

    text, figures = page(json.loads(NOTEBOOK.read_text(encoding="utf-8")))
    files.append(File.generated(config, "notebook.md", content=text))
    for name, content in figures.items():
        files.append(File.generated(config, f"figures/{name}", content=content))
    return files


if __name__ == "__main__":
    import tempfile

    import nbformat

    with tempfile.TemporaryDirectory() as scratch:
        nbformat.write(executed(Path(scratch)), NOTEBOOK)
