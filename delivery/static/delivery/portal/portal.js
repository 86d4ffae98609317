// What the pages do beyond HTML: copy buttons, the place of the navigation, and the height of an embedding frame.
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

// After a form was refused: mark its fields, go to the first, and drop the error of a field that is changed.
function fieldOf(error) {
  const name = error.id.slice("error-".length);
  const fields = error.closest("form")?.elements;
  const found = fields?.namedItem(name) ?? fields?.namedItem(`setting.${name}`);
  return found instanceof HTMLElement ? found : null;
}

const refused = [...document.querySelectorAll(".error[id^='error-']")];
for (const error of refused) {
  const field = fieldOf(error);
  if (!field) continue;
  field.setAttribute("aria-invalid", "true");
  if (!field.getAttribute("aria-describedby")?.includes(error.id)) {
    field.setAttribute("aria-describedby", [field.getAttribute("aria-describedby"), error.id].filter(Boolean).join(" "));
  }
  field.addEventListener("input", () => {
    field.removeAttribute("aria-invalid");
    error.remove();
  }, { once: true });
}
if (refused.length > 0) {
  for (let part = refused[0].closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
  fieldOf(refused[0])?.focus();
  refused[0].scrollIntoView({ block: "center" });
}

// On a phone the navigation is wider than the screen: show the page that is open.
const current = document.querySelector(".top nav [aria-current]");
if (current) {
  const list = current.closest("ul");
  list.scrollLeft = current.offsetLeft - (list.clientWidth - current.offsetWidth) / 2;
}

// When the session has ended, the page is loaded anew, which says so.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status === 401) location.reload();
});

if (parent !== window) { // a height is no secret, so that any parent may know it
  const tell = () => parent.postMessage({ waypostPortalHeight: document.documentElement.offsetHeight }, "*");
  new ResizeObserver(tell).observe(document.documentElement);
}
