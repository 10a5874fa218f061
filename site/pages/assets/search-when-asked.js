// The index of the search is heavier than all else that a first page loads, and the theme asks for it at once. Here it is
// asked for when somebody turns to the search, or when the address says what was searched for. It runs before the theme.
(() => {
  const { open, send } = XMLHttpRequest.prototype;
  const waiting = new WeakSet();
  XMLHttpRequest.prototype.open = function (method, address, ...more) {
    if (`${address}`.endsWith("/search/search_index.json") && !/[?&][hq]=/.test(location.search)) waiting.add(this);
    return open.call(this, method, address, ...more);
  };
  XMLHttpRequest.prototype.send = function (...given) {
    if (!waiting.delete(this)) return send.apply(this, given);
    const asked = ({ target }) => {
      if (!target.closest(".md-search")) return;
      removeEventListener("focusin", asked);
      send.apply(this, given);
    };
    addEventListener("focusin", asked);
  };
})();
