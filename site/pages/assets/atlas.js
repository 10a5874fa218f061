// What the pages gain with a script: typeset equations, tables that can be narrowed, sorted, picked from and downloaded,
// and the widgets that only a few pages have and that load their own script. The pages read without any of it.
(() => {
  "use strict";
  // The theme's own idea of the site's root goes stale after an instant navigation; this file's address does not.
  const assets = new URL(".", document.currentScript.src);
  const root = new URL("..", assets);
  const loaded = new Map();

  /** Load a script of the site once. */
  function load(path) {
    if (!loaded.has(path)) {
      const promise = new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = new URL(path, assets);
        script.onload = resolve;
        script.onerror = () => (loaded.delete(path), reject(new Error(`${path} could not be loaded`)));
        document.head.append(script);
      });
      loaded.set(path, promise);
    }
    return loaded.get(path);
  }

  /** Return what assets/data/NAME.js holds. */
  const data = async (name) => (await load(`data/${name}.js`), window.AtlasData[name]);

  /** Return the address of a page of the site; on a disk no server adds the file's name. */
  function address(path) {
    const url = new URL(path, root);
    if (url.protocol === "file:" && url.pathname.endsWith("/")) url.pathname += "index.html";
    return url.href;
  }

  /** Make an element: text and elements become its children, everything else of `given` its attributes. */
  function make(name, given = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(given)) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  const katexStyle = make("link", { rel: "stylesheet", href: new URL("katex/katex.min.css", assets) });
  async function loadKatex() {
    // Not in the head: when pages change, the theme drops from there what the next page did not bring.
    if (!katexStyle.isConnected) document.body.append(katexStyle);
    await load("katex/katex.min.js");
    return window.katex;
  }

  /** Typeset the equations within an element, then make what has become too wide reachable. */
  async function typeset(within = document) {
    const found = within.querySelectorAll(".arithmatex:not(.typeset)");
    if (!found.length) return reachable();
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
    reachable();
  }

  /** Return the address' query as facet → terms; several terms of one facet may stand behind one comma-separated. */
  function query() {
    const found = new Map();
    for (const [name, value] of new URLSearchParams(location.search)) {
      if (value) found.set(name, [...(found.get(name) ?? []), ...value.split(",")]);
    }
    return found;
  }

  // The address that the page in view was made for, or has written since.
  let shown = location.href;

  /** Write a query into the address without a new entry in the history. */
  function remember(pairs) {
    const url = new URL(location.href);
    url.search = new URLSearchParams(pairs).toString();
    history.replaceState(history.state, "", url);
    shown = location.href;
  }

  // The theme changes pages without loading them and takes two addresses of one page for the same, whatever they ask for.
  // A link to the page in view is left to the browser, and a way back to it that asks for something else loads it.
  const another = (address) => address.pathname === location.pathname && address.search !== location.search;
  document.addEventListener(
    "click",
    (event) => {
      const link = event.target.closest("a[href]:not(.md-search a)");
      if (link && another(new URL(link.href, location.href))) event.stopPropagation();
    },
    true,
  );
  addEventListener("popstate", () => another(new URL(shown)) && location.reload());

  function save(name, type, text) {
    const url = URL.createObjectURL(new Blob([text], { type }));
    make("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  const FORMATS = {
    csv: (ids, { head, entries }) => ["text/csv", head + ids.map((id) => entries[id].csv).join("")],
    json: (ids, { entries }) => ["application/json", `${JSON.stringify(ids.map((id) => entries[id].record), null, 2)}\n`],
    bibtex: (ids, { entries, bibtex }) => {
      const keys = [...new Set(ids.map((id) => entries[id].record.paper))].sort();
      return ["application/x-bibtex", keys.map((key) => `${bibtex[key]}\n`).join("\n")];
    },
  };

  /** Sort a table's rows by a column: numbers as numbers, what is empty last, equal ones as they stood. */
  function sortRows(table, column, descending) {
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row, number) => {
      const text = row.cells[column]?.textContent.trim() ?? "";
      // "0.32 ±0.01" is a number, and so is "over 40", beyond all others; "2024-05" is not.
      const plain = /^[-−+]?[\d.,]+(?= ?±|$)/.exec(text)?.[0].replace(/,/g, "").replace("−", "-");
      return { row, number, text: text.toLowerCase(), value: text.startsWith("over ") ? 1e9 : Number.parseFloat(plain) };
    });
    const numeric = keyed.filter(({ value }) => !Number.isNaN(value)).length > keyed.filter(({ text }) => text).length / 2;
    keyed.sort((a, b) => {
      const [x, y] = numeric ? [a.value, b.value] : [a.text, b.text];
      const [no, none] = numeric ? [Number.isNaN(x), Number.isNaN(y)] : [!x, !y];
      if (no || none) return no - none || a.number - b.number;
      const order = x < y ? -1 : x > y ? 1 : 0;
      return (descending ? -order : order) || a.number - b.number;
    });
    body.append(...keyed.map(({ row }) => row));
    for (const [number, cell] of [...table.tHead.rows[0].cells].entries()) {
      if (number === column) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
  }

  /** Make a table's heads sort it; `changed` hears of the column's number and direction. */
  function sortable(table, offset, changed = () => {}) {
    for (const [number, cell] of [...table.tHead.rows[0].cells].entries()) {
      if (number < offset || !cell.textContent.trim()) continue;
      const button = make("button", { type: "button", class: "sort" }, cell.textContent);
      button.addEventListener("click", () => {
        const descending = cell.getAttribute("aria-sort") === "ascending";
        sortRows(table, number, descending);
        changed(number - offset, descending);
      });
      cell.replaceChildren(button);
    }
  }

  const MOST = 4;

  /** Bring the controls of a table of entries into view. */
  function finder(form) {
    const table = document.getElementById(form.dataset.table);
    if (!table || !form.hidden) return;
    const { noun, kind } = form.dataset;
    const picks = "pick" in form.dataset;
    const rows = [...table.tBodies[0].rows].map((row) => ({
      row,
      id: row.dataset.id,
      terms: new Set(row.dataset.terms.split(" ")),
      text: `${row.textContent} ${row.dataset.also ?? ""}`.toLowerCase(),
    }));
    const facets = [...form.querySelectorAll("details[data-facet]")].map((element) => ({
      element,
      name: element.dataset.facet,
      every: "every" in element.dataset,
      boxes: [...element.querySelectorAll("input")],
      shown: element.querySelector("summary b"),
    }));
    const output = form.querySelector("output");
    const picked = new Set();
    let sorted = null;
    let tray;

    const fitsFacet = ({ name, every }, chosen, terms) =>
      !chosen.length || chosen[every ? "every" : "some"]((term) => terms.has(`${name}:${term}`));
    const chosenOf = ({ boxes }) => boxes.filter((box) => box.checked).map((box) => box.value);
    const inView = () => [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.dataset.id);

    function apply() {
      const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
      const chosen = facets.map(chosenOf);
      // What each facet would leave if it alone were not asked: the numbers beside its terms count those.
      const counts = facets.map(() => new Map());
      let shown = 0;
      for (const { row, terms, text } of rows) {
        const failing = facets.filter((facet, number) => !fitsFacet(facet, chosen[number], terms));
        const found = words.every((word) => text.includes(word));
        row.hidden = !found || failing.length > 0;
        shown += !row.hidden;
        if (!found || failing.length > 1) continue;
        for (const term of terms) {
          const facet = facets.findIndex(({ name }) => term.startsWith(`${name}:`));
          if (facet >= 0 && (!failing.length || (failing[0] === facets[facet] && !facets[facet].every)))
            counts[facet].set(term, (counts[facet].get(term) ?? 0) + 1);
        }
      }
      for (const [number, { element, name, boxes, shown: label }] of facets.entries()) {
        element.classList.toggle("chosen", chosen[number].length > 0);
        const names = boxes.filter((box) => box.checked).map((box) => box.nextSibling.textContent.trim());
        label.textContent = names.length > 1 ? `${names.length} chosen` : names[0] ?? "any";
        for (const box of boxes) {
          const count = counts[number].get(`${name}:${box.value}`) ?? 0;
          box.parentElement.querySelector(".count").textContent = count;
          box.closest("li").classList.toggle("empty", !count && !box.checked);
        }
      }
      form.querySelector("[type=reset]").hidden = !words.length && !chosen.flat().length;
      output.textContent = shown === rows.length ? `${shown} ${noun}` : `${shown} of ${rows.length} ${noun}`;
    }

    function write() {
      const pairs = [];
      if (form.elements.text.value) pairs.push(["text", form.elements.text.value]);
      for (const facet of facets) pairs.push(...chosenOf(facet).map((term) => [facet.name, term]));
      if (sorted) pairs.push(["sort", (sorted[1] ? "-" : "") + heads[sorted[0]]]);
      for (const id of picked) pairs.push(["pick", id]);
      remember(pairs);
    }

    const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim().toLowerCase());
    // On a phone a row becomes a card, whose cells say what they are.
    for (const { row } of rows) {
      for (const [number, cell] of [...row.cells].entries()) if (number) cell.dataset.label = table.tHead.rows[0].cells[number].textContent;
    }
    if (picks) {
      table.tHead.rows[0].prepend(make("td", { class: "pick" }));
      for (const { row, id } of rows) {
        const name = row.cells[0].querySelector("a").textContent;
        const box = make("input", { type: "checkbox", "aria-label": `Compare ${name}`, value: id });
        box.addEventListener("change", () => (choose(id, box.checked), write()));
        row.prepend(make("td", { class: "pick" }, box));
      }
      tray = make("aside", { class: "tray", "aria-live": "polite", "aria-label": "Picked for comparison", hidden: true });
      form.after(tray);
    }

    function choose(id, wanted) {
      const found = rows.find((row) => row.id === id);
      if (!found) return;
      if (wanted && picked.size < MOST) picked.add(id);
      else picked.delete(id);
      const box = (one) => one.row.cells[0].querySelector("input");
      for (const one of rows) {
        box(one).checked = picked.has(one.id);
        box(one).disabled = picked.size === MOST && !picked.has(one.id);
      }
      tray.hidden = !picked.size;
      const names = [...picked].map((one) => {
        const name = rows.find((row) => row.id === one).row.cells[1].querySelector("a").textContent;
        const remove = () => {
          choose(one, false);
          write();
          // The button that had the keyboard is gone.
          (tray.querySelector("button") ?? box(rows.find((row) => row.id === one))).focus({ preventScroll: true });
        };
        return make("button", { type: "button", title: "Remove", onclick: remove }, `${name} ×`);
      });
      const target = address(`compare/?${new URLSearchParams([...picked].map((one) => ["method", one]))}`);
      const go =
        picked.size > 1
          ? make("a", { class: "go", href: target }, `Compare ${picked.size}`)
          : make("span", { class: "quiet" }, "pick one more to compare");
      tray.replaceChildren(...names, go);
    }

    const asked = query();
    for (const { name, boxes } of facets) {
      for (const box of boxes) box.checked = (asked.get(name) ?? []).includes(box.value);
    }
    form.elements.text.value = asked.get("text")?.join(",") ?? "";
    sortable(table, picks ? 1 : 0, (column, descending) => ((sorted = [column, descending]), write()));
    const order = asked.get("sort")?.[0] ?? "";
    const column = heads.indexOf(order.replace(/^-/, ""));
    if (column >= 0) {
      sorted = [column, order.startsWith("-")];
      sortRows(table, column + (picks ? 1 : 0), sorted[1]);
    }
    if (picks) for (const id of (asked.get("pick") ?? []).slice(0, MOST)) choose(id, true);

    form.addEventListener("input", () => (apply(), write()));
    form.addEventListener("reset", () => setTimeout(() => (apply(), write())));
    form.addEventListener("submit", (event) => event.preventDefault());
    // One list open at a time, as with any menu; a click elsewhere or Escape closes it.
    for (const { element } of facets) {
      element.addEventListener("toggle", () => {
        if (element.open) for (const other of facets) if (other.element !== element) other.element.open = false;
      });
    }
    form.addEventListener("keydown", (event) => {
      const open = facets.find(({ element }) => element.open)?.element;
      if (event.key === "Escape" && open) {
        open.open = false;
        open.querySelector("summary").focus();
      }
    });
    for (const button of form.querySelectorAll("[data-format]")) {
      button.addEventListener("click", async () => {
        const { format } = button.dataset;
        const [type, text] = FORMATS[format](inView(), await data(`${kind}-download`));
        save(`unlearning-atlas-${kind}.${format === "bibtex" ? "bib" : format}`, type, text);
      });
    }
    form.hidden = false;
    apply();
  }

  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll("#facets details[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
  });

  /** Give what scrolls a place in the order of the keyboard, where it does scroll. */
  function reachable() {
    for (const element of document.querySelectorAll(":is(.scroll, .equation, .symbols dt, .comparison .arithmatex):not([tabindex])")) {
      if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
    }
  }

  /** Start the widgets of a page: each has a script of its own that registers a function. */
  async function widgets() {
    for (const element of document.querySelectorAll("[data-widget]:not([data-started])")) {
      element.dataset.started = "";
      const name = element.dataset.widget;
      await load(`widgets/${name}.js`);
      await window.AtlasWidgets[name](element, { address, assets, data, load, make, query, remember, sortable, typeset });
      element.dataset.ready = "";
    }
  }

  function start() {
    shown = location.href;
    typeset();
    const form = document.getElementById("facets");
    if (form) finder(form);
    for (const table of document.querySelectorAll("table.sortable:not([data-started])")) {
      table.dataset.started = "";
      sortable(table, 0);
    }
    // Where not all months fit, the newest are in view.
    for (const element of document.querySelectorAll(".timeline")) element.scrollLeft = element.scrollWidth;
    widgets();
  }

  if (window.document$) window.document$.subscribe(start);
  else addEventListener("DOMContentLoaded", start);
})();
