"use strict";
// The graph, drawn by cytoscape at the places that the site's generator has computed. A canvas says nothing to a screen
// reader, so the list beside it holds what is in focus: the same nodes, as buttons and links.
(window.AtlasWidgets ??= {}).graph = async (element, { address, data, load, make, query, remember }) => {
  const [{ nodes, edges }, { axes, methods }] = await Promise.all([
    data("graph"),
    data("methods-terms"),
    load("cytoscape/cytoscape.min.js"),
  ]);
  const WORDS = {
    extends: ["extends", "extended by"],
    combines: ["combines", "combined by"],
    fixes: ["fixes", "fixed by"],
    attacks: ["attacks", "attacked by"],
    "reduces-to": ["reduces to", "what remains of"],
    "variant-of": ["variant of", "has the variant"],
    evaluated_on: ["reports on", "reported on by"],
    is_a: ["belongs to", "holds"],
  };
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const asked = query();
  const state = { focus: asked.get("focus")?.[0] ?? "", axis: asked.get("axis")?.[0] ?? "", term: asked.get("term")?.[0] ?? "" };
  if (!byId.has(state.focus)) state.focus = "";
  if (!(state.axis in axes)) state.axis = state.term = "";

  const search = make("input", { type: "search", placeholder: "Find a method, benchmark or family …", "aria-label": "Find in the graph", autocomplete: "off" });
  const axis = make("select", { "aria-label": "Axis" }, make("option", { value: "" }, "Highlight by axis …"));
  for (const [name, { label }] of Object.entries(axes)) if (name !== "family") axis.append(make("option", { value: name }, label));
  const term = make("select", { "aria-label": "Term", hidden: true });
  const whole = make("button", { type: "button" }, "Whole graph");
  const controls = make("form", { class: "bar", onsubmit: (event) => event.preventDefault() }, search, axis, term, whole);
  const canvas = make("div", { class: "canvas", role: "img", "aria-label": "The graph as a drawing; the list beside it says the same" });
  const list = make("div", { class: "beside", "aria-live": "polite" });
  element.replaceChildren(controls, make("div", { class: "stage" }, canvas, list));

  const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();
  const style = () => {
    const [ink, paper, text, quiet, rule, mark, gold] = ["--ink", "--paper", "--text", "--quiet", "--rule", "--s0", "--s1"].map(colour);
    return [
      { selector: "node", style: { label: "data(label)", "font-size": 9, color: text, "text-valign": "bottom", "text-margin-y": 2, width: 11, height: 11, "min-zoomed-font-size": 8, "background-color": paper, "border-width": 1.5, "border-color": ink, "font-family": "system-ui, sans-serif" } },
      { selector: "node.made", style: { "background-color": ink } },
      { selector: "node.benchmark", style: { shape: "diamond", width: 12, height: 12, "border-color": gold, "background-color": gold } },
      { selector: "node.family, node.branch", style: { shape: "round-rectangle", width: "data(wide)", height: 24, "text-valign": "center", "text-margin-y": 0, "font-size": 15, "font-weight": 600, "background-color": paper, "border-color": rule, "min-zoomed-font-size": 0, "z-index": 2 } },
      { selector: "node.branch", style: { "font-size": 13, color: quiet } },
      { selector: "edge", style: { width: 1, "line-color": rule, "curve-style": "haystack" } },
      { selector: "edge.lineage", style: { width: 1, opacity: 0.45, "line-color": quiet, "curve-style": "bezier", "target-arrow-shape": "triangle", "target-arrow-color": quiet, "arrow-scale": 0.7 } },
      { selector: "edge.attacks, edge.fixes", style: { "line-color": mark, "target-arrow-color": mark } },
      { selector: "edge.evaluated_on, edge.member", style: { display: "none" } },
      { selector: ".faded", style: { opacity: 0.12, "text-opacity": 0 } },
      { selector: "edge.evaluated_on.near", style: { display: "element", "line-color": gold, width: 1.2 } },
      { selector: "edge.lineage.near", style: { opacity: 1, width: 1.4 } },
      { selector: "node.near", style: { "min-zoomed-font-size": 0 } },
      { selector: "node.focus", style: { "border-width": 4, "border-color": mark, "min-zoomed-font-size": 0, "font-size": 12, "z-index": 3 } },
      { selector: "node.hit", style: { "border-width": 3, "border-color": mark, "min-zoomed-font-size": 0 } },
    ];
  };
  // That a method belongs to its family is said by where it stands.
  const classOf = (type, source) =>
    type === "evaluated_on" ? type : type === "is_a" ? (source.startsWith("methods/") ? "is_a member" : type) : `lineage ${type}`;
  const cy = window.cytoscape({
    container: canvas,
    elements: [
      ...nodes.map((node) => ({ data: { ...node, wide: 16 + 8.6 * node.label.length }, position: { x: node.x, y: node.y }, classes: `${node.kind} ${node.made && node.made !== "none" ? "made" : ""}` })),
      ...edges.map(([source, target, type]) => ({ data: { source, target, type }, classes: classOf(type, source) })),
    ],
    layout: { name: "preset" },
    style: style(),
    minZoom: 0.15,
    maxZoom: 4,
    autoungrabify: true,
    boxSelectionEnabled: false,
  });
  const watch = new MutationObserver(() => cy.style(style()));
  watch.observe(document.body, { attributeFilter: ["data-md-color-scheme"] });

  function link(node) {
    const title = node.name && node.name !== node.label ? `${node.label}: ${node.name}` : node.label;
    return make("button", { type: "button", class: "plain", title: `Focus on ${title}`, onclick: () => focus(node.id) }, node.label);
  }

  function write() {
    remember(Object.entries(state).filter(([, value]) => value));
  }

  /** Fill the list; a keyboard that was in it stays there. */
  function say(title, ...children) {
    const held = list.contains(document.activeElement);
    const heading = make("h2", { tabindex: "-1" }, title);
    list.replaceChildren(heading, ...children);
    if (held) heading.focus();
  }

  /** Show a node and what it shares an edge with, and say the same in the list. */
  function focus(id, quiet = false) {
    state.focus = id;
    if (!quiet) write();
    highlight();
    const node = byId.get(id);
    if (!node) return overview();
    const groups = new Map();
    for (const [source, target, type] of edges) {
      if (source !== id && target !== id) continue;
      const word = WORDS[type][source === id ? 0 : 1];
      groups.set(word, [...(groups.get(word) ?? []), byId.get(source === id ? target : source)]);
    }
    say(
      node.name ?? node.label,
      make("p", {}, make("a", { href: address(node.address) }, "Open its page")),
      ...[...groups].map(([word, found]) => make("div", {}, make("h3", {}, `${word} (${found.length})`), make("p", {}, ...found.flatMap((one, number) => [number ? " " : null, link(one)])))),
    );
    const near = cy.getElementById(id).closedNeighborhood();
    cy.animate({ fit: { eles: near, padding: 50 }, duration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 250 });
  }

  function overview() {
    const families = nodes.filter(({ kind }) => kind === "family");
    say(
      "Families",
      make("p", {}, "Choose one here or a dot in the graph."),
      make("ul", {}, ...families.map((node) => make("li", {}, link(node)))),
      make("p", { class: "legend" }, "● has a reference implementation  ○ has none  ◆ benchmark"),
    );
    cy.fit(undefined, 20);
  }

  function highlight() {
    cy.batch(() => {
      cy.elements().removeClass("faded near focus hit");
      if (state.focus) {
        const node = cy.getElementById(state.focus);
        const near = node.closedNeighborhood();
        cy.elements().not(near).addClass("faded");
        near.addClass("near");
        node.addClass("focus");
      }
      if (state.axis && state.term) {
        const wanted = `${state.axis}:${state.term}`;
        const fits = (node) => methods[node.id().replace("methods/", "")]?.terms.includes(wanted);
        cy.nodes(".method").forEach((node) => void node.addClass(fits(node) ? "hit" : "faded"));
      }
    });
  }

  function terms() {
    term.hidden = !state.axis;
    term.replaceChildren(make("option", { value: "" }, "Term …"));
    for (const [id, label, depth] of axes[state.axis]?.terms ?? []) {
      const count = Object.values(methods).filter(({ terms: held }) => held.includes(`${state.axis}:${id}`)).length;
      if (count) term.append(make("option", { value: id }, `${"\u2003".repeat(depth)}${label} (${count})`));
    }
    term.value = state.term;
  }

  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().trim();
    cy.nodes().removeClass("hit");
    if (!words) return state.focus ? focus(state.focus) : overview();
    const found = nodes.filter(({ label, name }) => `${label} ${name ?? ""}`.toLowerCase().includes(words));
    for (const { id } of found) cy.getElementById(id).addClass("hit");
    say(`${found.length} found`, make("ul", {}, ...found.slice(0, 40).map((node) => make("li", {}, link(node)))));
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") list.querySelector("li button")?.click();
  });
  axis.addEventListener("change", () => ((state.axis = axis.value), (state.term = ""), terms(), highlight(), write()));
  term.addEventListener("change", () => ((state.term = term.value), highlight(), write()));
  whole.addEventListener("click", () => {
    Object.assign(state, { focus: "", axis: "", term: "" });
    search.value = axis.value = "";
    terms();
    highlight();
    overview();
    write();
  });
  cy.on("tap", "node", (event) => focus(event.target.id()));
  cy.on("tap", (event) => event.target === cy && state.focus && whole.click());
  cy.on("mouseover", "node", (event) => (canvas.title = event.target.data("name") ?? event.target.data("label")));
  cy.on("mouseout", "node", () => (canvas.title = ""));

  axis.value = state.axis;
  terms();
  highlight();
  if (state.focus) focus(state.focus, true);
  else overview();
  // The theme replaces the page without leaving it, and keeps what it has replaced: what was drawn must go with it.
  const gone = new MutationObserver(() => {
    if (element.isConnected) return;
    cy.destroy();
    element.replaceChildren();
    watch.disconnect();
    gone.disconnect();
  });
  gone.observe(document.body, { childList: true, subtree: true });
};
