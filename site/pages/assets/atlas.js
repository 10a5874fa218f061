// What the pages gain with a script: typeset equations and tables that can be narrowed. They read without it.
(() => {
  "use strict";
  // The theme's own idea of the site's root goes stale after an instant navigation; this file's address does not.
  const assets = new URL(".", document.currentScript.src);
  let katex;

  function loadKatex() {
    katex ??= new Promise((resolve, reject) => {
      const style = document.createElement("link");
      style.rel = "stylesheet";
      style.href = new URL("katex/katex.min.css", assets);
      const script = document.createElement("script");
      script.src = new URL("katex/katex.min.js", assets);
      script.onload = () => resolve(window.katex);
      script.onerror = reject;
      document.head.append(style, script);
    });
    return katex;
  }

  async function typeset() {
    const found = document.querySelectorAll(".arithmatex:not(.typeset)");
    if (!found.length) return;
    const { render } = await loadKatex();
    for (const element of found) {
      const source = element.textContent.trim();
      const options = { displayMode: source.startsWith("\\["), throwOnError: true, trust: false, strict: "ignore" };
      try {
        render(source.slice(2, -2), element, options);
        element.classList.add("typeset");
      } catch {
        element.textContent = source; // TeX that can't be typeset is still readable as TeX
      }
    }
  }

  function narrow() {
    const form = document.getElementById("facets");
    const table = document.getElementById(form?.dataset.table);
    if (!form || !table || !form.hidden) return;
    const { noun } = form.dataset;
    const rows = [...table.tBodies[0].rows].map((row) => ({
      row,
      terms: new Set(row.dataset.terms.split(" ")),
      text: `${row.textContent} ${row.dataset.also ?? ""}`.toLowerCase(),
    }));
    const selects = [...form.querySelectorAll("select")];
    const output = form.querySelector("output");

    function apply() {
      const chosen = selects.filter((select) => select.value);
      const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const { row, terms, text } of rows) {
        const fits = chosen.every((s) => terms.has(`${s.name}:${s.value}`)) && words.every((word) => text.includes(word));
        row.hidden = !fits;
        shown += fits;
      }
      for (const select of selects) select.parentElement.classList.toggle("chosen", select.value !== "");
      output.textContent = shown === rows.length ? `${shown} ${noun}` : `${shown} of ${rows.length} ${noun}`;
    }

    function remember() {
      const address = new URL(location.href);
      address.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value)).toString();
      history.replaceState(history.state, "", address);
    }

    for (const [name, value] of new URLSearchParams(location.search)) {
      const control = form.elements.namedItem(name);
      if (control instanceof HTMLSelectElement && [...control.options].some((o) => o.value === value)) control.value = value;
      if (control === form.elements.text) control.value = value;
    }
    form.addEventListener("input", () => (apply(), remember()));
    form.addEventListener("reset", () => setTimeout(() => (apply(), remember())));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    apply();
  }

  const start = () => (typeset(), narrow());
  if (window.document$) window.document$.subscribe(start);
  else addEventListener("DOMContentLoaded", start);
})();
