"use strict";
// The guide counts the methods that fit while its questions are answered. Its form works without this.
(window.AtlasWidgets ??= {}).guide = async (form, { address, data, make }) => {
  const { methods } = await data("methods-terms");
  const output = form.querySelector("output");
  const all = Object.entries(methods).map(([id, { name, terms }]) => ({ id, name, terms: new Set(terms) }));

  function chosen() {
    const found = new Map();
    for (const [name, value] of new FormData(form)) {
      if (value) found.set(name, [...(found.get(name) ?? []), ...value.split(",")]);
    }
    return found;
  }

  function count() {
    const asked = [...chosen()];
    const fitting = all.filter(({ terms }) =>
      // What one does not have must all be done without; elsewhere any answer will do, as in the table.
      asked.every(([name, values]) => values[name === "without" ? "every" : "some"]((value) => terms.has(`${name}:${value}`))),
    );
    const named = fitting.slice(0, 5).flatMap(({ id, name }, number) => [
      number ? ", " : ": ",
      make("a", { href: address(`methods/${id}/`) }, name),
    ]);
    const more = fitting.length > 5 ? ` and ${fitting.length - 5} more` : "";
    output.replaceChildren(`${fitting.length} of ${all.length} methods fit`, ...named, more);
  }

  form.addEventListener("input", count);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const pairs = [...chosen()].flatMap(([name, values]) => values.map((value) => [name, value]));
    location.assign(address(`methods/?${new URLSearchParams(pairs)}`));
  });
  form.action = address("methods/");
  count();
};
