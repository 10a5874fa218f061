"use strict";
// Up to four methods side by side. Everything that an entry says is set as text, never as markup.
(window.AtlasWidgets ??= {}).compare = async (element, { address, data, make, query, remember, typeset }) => {
  const MOST = 4;
  const { rows, methods } = await data("methods-compare");
  const byName = Object.entries(methods).sort(([, a], [, b]) => a.name.localeCompare(b.name));
  let chosen = (query().get("method") ?? []).filter((id, number, all) => id in methods && all.indexOf(id) === number);
  chosen = chosen.slice(0, MOST);
  let onlyDifferences = query().get("only")?.[0] === "differences";

  const choice = make("select", { "aria-label": "Add a method" });
  choice.addEventListener("change", () => choice.value && ((chosen = [...chosen, choice.value]), write()));
  const box = make("input", { type: "checkbox" });
  box.checked = onlyDifferences;
  box.addEventListener("change", () => ((onlyDifferences = box.checked), write()));
  const label = make("label", {}, box, " only what differs");
  const controls = make("form", { class: "bar", onsubmit: (event) => event.preventDefault() }, choice, label);
  const table = make("table", { class: "data comparison" });
  const frame = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Comparison" }, table);
  const empty = make("p", { class: "quiet" }, "Choose two or more methods.");
  element.append(controls, empty, frame);

  function write() {
    const pairs = chosen.map((id) => ["method", id]);
    if (onlyDifferences) pairs.push(["only", "differences"]);
    remember(pairs);
    draw();
  }

  function cell(found) {
    if (!found?.length) return make("td", { class: "none" }, "—");
    const parts = found.flatMap(([text, target], number) => {
      const before = number ? [", "] : [];
      if (target === "tex") return [make("div", { class: "arithmatex" }, `\\[\n${text}\n\\]`)];
      if (!target) return [...before, text];
      const href = /^https?:\/\//.test(target) ? target : address(target);
      return [...before, make("a", { href }, text)];
    });
    return make("td", {}, ...parts);
  }

  function draw() {
    choice.disabled = chosen.length >= MOST;
    choice.replaceChildren(make("option", { value: "" }, choice.disabled ? "Four are chosen" : "Add a method …"));
    for (const [id, { name }] of byName) if (!chosen.includes(id)) choice.append(make("option", { value: id }, name));

    empty.hidden = chosen.length > 0;
    frame.hidden = !chosen.length;
    const head = make("tr", {}, make("td"));
    for (const id of chosen) {
      const { name } = methods[id];
      const remove = make("button", { type: "button", title: `Remove ${name}`, "aria-label": `Remove ${name}` }, "×");
      remove.addEventListener("click", () => {
        chosen = chosen.filter((other) => other !== id);
        write();
        choice.focus(); // the button that had the keyboard is gone
      });
      head.append(make("th", { scope: "col" }, make("a", { href: address(`methods/${id}/`) }, name), " ", remove));
    }
    const body = make("tbody");
    let last;
    for (const [label, part] of rows) {
      const cells = chosen.map((id) => methods[id].cells[label]);
      const same = chosen.length > 1 && cells.every((other) => JSON.stringify(other) === JSON.stringify(cells[0]));
      if ((onlyDifferences && same) || cells.every((found) => !found?.length)) continue;
      if (part !== last) {
        body.append(make("tr", { class: "part" }, make("th", { colspan: chosen.length + 1, scope: "rowgroup" }, part)));
        last = part;
      }
      const name = label.replace(/ \([a-z]+\)$/, "");
      body.append(make("tr", { class: same && "same" }, make("th", { scope: "row" }, name), ...cells.map(cell)));
    }
    table.replaceChildren(make("thead", {}, head), body);
    table.style.setProperty("--count", chosen.length);
    typeset(table);
  }

  draw();
};
