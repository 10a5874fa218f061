"use strict";
// A matrix of any two axes: how many methods stand where their terms cross, and where none does.
(window.AtlasWidgets ??= {}).gaps = async (element, { address, data, make, query, remember }) => {
  const { axes, methods } = await data("methods-terms");
  const sets = Object.values(methods).map(({ terms }) => new Set(terms));
  const asked = query();
  const pick = (name, other) => (asked.get(name)?.[0] in axes ? asked.get(name)[0] : other);
  const axis = { rows: pick("rows", "objective"), columns: pick("columns", "access_level") };
  const MANY = 10; // columns whose names side by side would push the matrix out of the window
  let leaves = asked.get("terms")?.[0] !== "all";

  const form = make("form", { class: "bar", onsubmit: (event) => event.preventDefault() });
  const table = make("table", { class: "data matrix" });
  const frame = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Matrix" }, table);
  const said = make("output", { "aria-live": "polite" });
  for (const side of ["rows", "columns"]) {
    const select = make("select", { name: side });
    for (const [name, { label }] of Object.entries(axes)) select.append(make("option", { value: name }, label));
    select.value = axis[side];
    select.addEventListener("change", () => ((axis[side] = select.value), draw(true)));
    form.append(make("label", {}, make("span", {}, side === "rows" ? "Down" : "Across"), " ", select));
  }
  const box = make("input", { type: "checkbox" });
  box.checked = !leaves;
  box.addEventListener("change", () => ((leaves = !box.checked), draw(true)));
  form.append(make("label", {}, box, " broader terms too"), said);
  element.append(make("h2", {}, "Any two axes"), form, frame);

  function termsOf(name) {
    const { terms } = axes[name];
    return terms.filter(([id, , depth], number) => {
      const used = sets.some((set) => set.has(`${name}:${id}`));
      const narrower = (terms[number + 1]?.[2] ?? 0) > depth;
      return (used || !["benchmark", "attack"].includes(name)) && (!leaves || !narrower);
    });
  }

  function draw(changed) {
    if (changed) {
      const pairs = [["rows", axis.rows], ["columns", axis.columns]];
      if (!leaves) pairs.push(["terms", "all"]);
      remember(pairs);
    }
    const across = termsOf(axis.columns);
    const head = make("tr", {}, make("td"), ...across.map(([, label]) => make("th", { scope: "col" }, make("span", {}, label))));
    let empty = 0;
    const body = termsOf(axis.rows).map(([id, label, depth]) =>
      make(
        "tr",
        { class: depth > 0 && !leaves && `depth${depth}` },
        make("th", { scope: "row" }, label),
        ...across.map(([other]) => {
          const terms = [`${axis.rows}:${id}`, `${axis.columns}:${other}`];
          const count = sets.filter((set) => terms.every((term) => set.has(term))).length;
          if (!count) {
            empty += 1;
            return make("td", { class: "empty" }, make("span", { class: "hidden-text" }, "0"));
          }
          const target = new URLSearchParams([[axis.rows, id], [axis.columns, other]]);
          const link = make("a", { href: address(`methods/?${target}`) }, `${count}`);
          return make("td", { class: `n${Math.min(5, 1 + Math.floor(count / 4))}` }, link);
        }),
      ),
    );
    table.classList.toggle("turned", across.length > MANY);
    table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
    said.textContent = `${empty} of ${across.length * body.length} cells are empty`;
  }

  draw(false);
};
