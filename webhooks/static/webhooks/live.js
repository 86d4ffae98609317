// Replace the parts of the page marked with data-live="seconds" by their newest version, while the page is visible.
(() => {
  const parts = () => document.querySelectorAll("[data-live]");
  const first = parts()[0];
  if (!first) return;
  const seconds = Number(first.dataset.live) || 10;
  const status = document.querySelector("[data-live-status]");
  const refresh = async () => {
    if (document.hidden || document.querySelector("[data-live] :focus-visible")) return;
    try {
      const response = await fetch(location.href, { credentials: "same-origin", headers: { "x-live": "1" } });
      if (!response.ok || response.redirected) throw new Error(String(response.status));
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").querySelectorAll("[data-live]");
      parts().forEach((part, place) => fresh[place] && part.replaceWith(document.importNode(fresh[place], true)));
      if (status) status.hidden = true;
    } catch {
      if (status) status.hidden = false;
    }
  };
  setInterval(refresh, seconds * 1000);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
})();
