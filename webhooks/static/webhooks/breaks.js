// Let long names break at their dots, slashes and underscores, as between words, before they break inside a word.
(() => {
  const places = ".wp-link, .wp-bar, .wp-card, .wp-title, #result_list tbody :is(td, th), fieldset .readonly";
  const long = /\S{8,}/;
  const after = /(?<=[./_@?&=])(?<!\b[a-z]{1,4}_)(?=[\p{L}\p{N}])/u; // not within an ID, such as evt_01h2
  const seen = new WeakSet();
  const divide = (text) => {
    seen.add(text);
    const parts = text.data.split(after);
    if (parts.length < 2 || text.parentElement.closest("pre, textarea, select, script, style, svg, .wp-id, .material-symbols-outlined")) return;
    const pieces = parts.flatMap((part, place) => (place ? [document.createElement("wbr"), part] : [part]));
    const made = pieces.map((it) => (typeof it === "string" ? document.createTextNode(it) : it));
    for (const it of made) seen.add(it);
    text.replaceWith(...made);
  };
  const write = () => {
    for (const place of document.querySelectorAll(places)) {
      const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
      const found = [];
      while (walker.nextNode()) if (!seen.has(walker.currentNode) && long.test(walker.currentNode.data)) found.push(walker.currentNode);
      found.forEach(divide);
    }
  };
  write();
  new MutationObserver(write).observe(document.body, { childList: true, subtree: true });
})();
