"""What an entry says ends up as text, whatever it says and wherever it says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import markdown  # type: ignore[import-untyped,unused-ignore]
import pytest
import yaml
from pydantic import ValidationError

import unlearning_atlas
from unlearning_atlas.models import ENTRY_MODELS
from unlearning_atlas.pages.markup import Html, escape, escape_lines, link, pre, tag, tex
from unlearning_atlas.site import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.site.conftest import Document

    Read = Callable[[str], Document]

HOSTILE = [
    "<script>alert(1)</script>",
    "</title></p></div></main><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<!-- comment --> <![CDATA[x]]> <?php x ?>",
    "&lt;script&gt; &amp; &#60; &nbsp;",
    "[text](javascript:alert(1)) ![x](http://x/y.png) [ref][1] <http://x>",
    "**bold** __bold__ *it* _it_ `code` ``code`` ~~del~~ ==mark== ^^ins^^ ++key++",
    "{{ 7 * 7 }} {% include 'x' %} {# gone #} ${x} #{x}",
    "# Heading {#anchor .class onclick=x}",
    "Heading\n===\n\n---\n\n    indented code\n\n```\nfenced\n```",
    "- item",
    "+ item",
    "1. item",
    "12) item",
    ": definition",
    "!!! note",
    '??? quote "x"',
    "| a | b |\n|---|---|\n| c | d |",
    "\\(x^2\\) \\[y\\] $z$ $$w$$ \\* \\`",
    "*[HTML]: abbreviation",
    "[^1]: footnote",
    "--8<-- 'file'",
    "javascript:alert(1)",
    "a\u2028b\u2029c\x0bd\x0ce\x85f\rg",
    "\x02wzxhzdk:0\x03 \x02klzzwxh:0001\x03 \x02amp\x03",
]
# More than the site uses: what it writes must be safe under any of these.
EXTENSIONS = [
    *("abbr", "admonition", "attr_list", "def_list", "footnotes", "md_in_html", "tables", "toc", "pymdownx.arithmatex"),
    *("pymdownx.caret", "pymdownx.critic", "pymdownx.details", "pymdownx.emoji", "pymdownx.inlinehilite"),
    *("pymdownx.keys", "pymdownx.magiclink", "pymdownx.mark", "pymdownx.superfences", "pymdownx.tilde"),
]


def seen(text: str) -> str:
    """Return what a reader should see of a text: white space folded, control characters gone."""
    return " ".join("".join(c for c in text if c.isspace() or c >= " ").split())


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", ["# {}", "<p>{}</p>", "{}", "Before {} after", '<p title="{}">x</p>'])
def test_text_stays_text_in_markdown_html_and_templates(text: str, place: str, read_html: Read) -> None:
    source = jinja2.Template(place.replace("{}", "{{ x }}")).render(x=escape(text))
    source = jinja2.Template(source).render()  # as a template plug-in of the engine would
    page = read_html(markdown.markdown(source, extensions=EXTENSIONS))
    expected = seen(text)
    if "title=" in place:
        assert [" ".join(p.attributes["title"].split()) for p in page.all("p")] == [expected]
    else:
        around = seen(place.removeprefix("# ").replace("<p>", "").replace("</p>", "")).split("{}")
        # Material for footnotes, links or images of Markdown would change the text or add elements.
        assert " ".join(page.text.split()) == f"{around[0]}{expected}{around[1]}"
        assert {element.name for element in page.elements[1:]} <= {"p", "h1"}


@pytest.mark.parametrize("text", HOSTILE)
def test_preformatted_text_keeps_its_lines(text: str, read_html: Read) -> None:
    page = read_html(markdown.markdown(pre(f"first\n\n  {text}\nlast"), extensions=EXTENSIONS))
    assert [element.name for element in page.elements[1:]] == ["div", "pre", "code"]
    shown = page.text.split("\n")
    assert shown[:2] == ["first", ""]
    assert shown[-1] == "last"
    assert shown[2].startswith("  ")
    assert "\n" not in escape_lines(text)


def test_markup_is_escaped_unless_it_was_made_here() -> None:
    assert tag("p", "<b>", tag("i", "x")) == "<p>&#60;b&#62;<i>x</i></p>"
    assert tag("a", "x", href='"><b>', class_="c", data_name="n", hidden=True, title="") == (
        '<a href="&#34;&#62;&#60;b&#62;" class="c" data-name="n" hidden>x</a>'
    )
    assert escape(Html("<b>")) == "<b>"


def test_direction_overrides_are_dropped() -> None:
    assert escape("a\u202eb\u2066c") == "abc"


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "//x", "", "file:///etc/passwd", "https://"]
)
def test_only_web_addresses_become_links(address: str) -> None:
    assert link("label", address) == "label"


def test_tex_stands_between_delimiters_as_text(read_html: Read) -> None:
    page = read_html(tex("a < b_1 </span><script>", display=False))
    assert [element.name for element in page.elements[1:]] == ["span"]
    assert page.elements[1].text == "\\(a < b_1 </span><script>\\)"


MARK = "zq"
PAYLOAD = (
    "{mark} </title></textarea></p></dd></td><script>alert(1)</script><img src=x onerror=alert(1)> "
    '" onmouseover="alert(1) {{{{ 7*7 }}}} **b** [x](javascript:alert(1)) `c` {{: .evil onclick=x }}'
)
ADDRESS = 'https://example.org/{mark}/"onmouseover="alert(1)"><script>alert(1)</script>'


class Poison:
    """Puts hostile text into every field of an entry that takes any text, with a mark of its own in each."""

    def __init__(self) -> None:
        self.marks: list[str] = []

    def mark(self) -> str:
        """Return a new mark."""
        self.marks.append(f"{MARK}{len(self.marks)}{MARK}")
        return self.marks[-1]

    def entry(self, kind: str, entry: dict[str, Any]) -> dict[str, Any]:
        """Return the entry with every free text replaced; what its model refuses stays as it was."""
        for place in list(_strings(entry)):
            if "supports" in place:  # names of fields
                continue
            for payload in (PAYLOAD, ADDRESS):
                mark = self.mark()
                changed = _replaced(entry, place, payload.format(mark=mark))
                try:
                    ENTRY_MODELS[kind].model_validate_json(json.dumps(changed))
                except ValidationError:
                    self.marks.pop()
                else:
                    entry = changed
                    break
        return entry


def _strings(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, str):
        yield place
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, (*place, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _strings(item, (*place, number))


def _replaced(value: Any, place: tuple[Any, ...], text: str) -> Any:
    if not place:
        return text
    copy: Any = value.copy()
    copy[place[0]] = _replaced(value[place[0]], place[1:], text)
    return copy


@pytest.fixture
def poisoned(site_root: Path) -> tuple[Path, list[str]]:
    """Return a checkout in which every free text is hostile, and the marks that must be seen."""
    root = site_root
    poison = Poison()
    for kind in ENTRY_MODELS:
        for path in sorted((root / "catalog" / kind).glob("*.yaml")):
            entry = poison.entry(kind, yaml.safe_load(path.read_text("utf-8")))
            path.write_text(yaml.safe_dump(entry, allow_unicode=True), "utf-8")
    families = root / "taxonomy" / "families.yaml"
    axis = yaml.safe_load(families.read_text("utf-8"))
    for field in ("label", "question"):
        axis[field] = PAYLOAD.format(mark=poison.mark())
    for field in ("label", "definition"):
        axis["terms"][0]["children"][0][field] = PAYLOAD.format(mark=poison.mark())
    families.write_text(yaml.safe_dump(axis, allow_unicode=True), "utf-8")
    bibliography = root / "catalog" / "references.bib"
    hostile = f"{poison.mark()} <script>alert(1)</script> \\{{\\{{ 7*7 \\}}\\}}"
    text = bibliography.read_text("utf-8").replace("Alpha Ascent: Forgetting by Climbing", hostile)
    # An address that is none is refused when the bibliography is read, one with hostile characters is not.
    address = ADDRESS.format(mark=poison.mark())
    bibliography.write_text(text.replace("https://example.org/gamma", address), "utf-8")
    return root, poison.marks


@pytest.mark.slow
def test_hostile_text_in_every_field_is_only_ever_text(poisoned: tuple[Path, list[str]], read_html: Read) -> None:
    root, marks = poisoned
    assert len(marks) > 80
    assert len(unlearning_atlas.load(root).methods) == 3
    # The rules on entries refuse some of it, and must not be what the pages rely on.
    output = build(root, strict=False)
    shown = ""
    scripts = set()
    for path in output.rglob("*.html"):
        page = read_html(path.read_text("utf-8"))
        shown += page.text + " ".join(e.attributes.get("href", "") for e in page.all("a"))
        scripts |= {element.text.strip() for element in page.all("script")}
        for element in page.elements:
            handlers = [name for name in element.attributes if name.startswith("on")]
            assert not handlers, (path.name, element)
            assert not element.attributes.get("href", "").startswith(("javascript:", "data:")), (path.name, element)
            assert "evil" not in element.attributes.get("class", ""), (path.name, element)
        assert not [element for element in page.all("img") if element.attributes["src"] == "x"]
    assert not [text for text in scripts if text.startswith("alert(")]
    assert "{{ 7*7 }}" in shown
    missing = [mark for mark in marks if mark not in shown]
    assert not missing
    told = ""
    for path in (output / "api").rglob("*.json"):
        text = path.read_text("utf-8")
        assert "<" not in text or path.parent.name == "schema", path
        told += json.dumps(json.loads(text))
    assert not [mark for mark in marks if mark not in told]
