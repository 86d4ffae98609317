// What the pages do beyond HTML: copy buttons, and the height that an embedding page gives to its frame.
async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch { // not allowed in this frame, or over plain HTTP
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.execCommand("copy");
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  await copy(document.getElementById(button.dataset.copies));
  button.dataset.label ??= button.textContent;
  button.textContent = "✓";
  setTimeout(() => { button.textContent = button.dataset.label; }, 1500);
});

function prepare(part) {
  for (const button of part.querySelectorAll("[data-copies]")) button.hidden = false;
}

prepare(document);
document.addEventListener("htmx:afterSwap", (event) => prepare(event.target));

// When the session has ended, the page is loaded anew, which says so.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status === 401) location.reload();
});

if (parent !== window) { // a height is no secret, so that any parent may know it
  const tell = () => parent.postMessage({ waypostPortalHeight: document.documentElement.offsetHeight }, "*");
  new ResizeObserver(tell).observe(document.documentElement);
}
