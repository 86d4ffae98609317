// Show what changes while the page is open. Without this script the page reloads itself.
const EVERY = 1500; // milliseconds between two looks
const SHOWN = 50; // requests
const requests = document.getElementById("requests");
const state = document.getElementById("state");

function say(text, isLive) {
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle("live", isLive);
}

function update(html) {
  const part = new DOMParser().parseFromString(html, "text/html");
  const settings = document.getElementById("settings");
  const changed = part.getElementById("settings");
  if (changed && changed.dataset.version !== settings.dataset.version) {
    settings.replaceChildren(...changed.childNodes); // the same element, so that screen readers announce the change
    settings.dataset.version = changed.dataset.version;
    settings.classList.remove("new");
    void settings.offsetWidth; // begins the animation again
    settings.classList.add("new");
  }
  const arrived = [...part.querySelectorAll("article")].filter((it) => !document.getElementById(it.id));
  if (!arrived.length) return;
  for (const it of arrived) {
    it.classList.add("new");
    showButtons(it);
  }
  requests.prepend(...arrived);
  for (const it of [...requests.querySelectorAll("article")].slice(SHOWN)) it.remove();
  document.getElementById("waiting").hidden = true;
}

async function look() {
  if (document.hidden) return true;
  const newest = requests.querySelector("article");
  const shown = new URLSearchParams({
    after: newest ? newest.id : "", settings: document.getElementById("settings").dataset.version,
  });
  const response = await fetch(`newer/?${shown}`, {
    cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer",
  });
  if (response.status === 404) {
    say("expired", false);
    return false;
  }
  if (response.status === 200) update(await response.text());
  say(response.ok ? "live" : "not reachable", response.ok);
  return true;
}

async function follow() {
  try {
    if (!(await look())) return;
  } catch {
    say("not reachable", false);
  }
  setTimeout(follow, EVERY);
}

function showButtons(part) {
  for (const button of part.querySelectorAll("[data-copies]")) button.hidden = false;
}

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch { // not over plain HTTP to another machine
    const folded = source.closest("details");
    if (folded) folded.open = true;
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
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = button.dataset.label; }, 1500);
});

document.addEventListener("visibilitychange", () => { if (!document.hidden) look().catch(() => {}); });
showButtons(document);
follow();
