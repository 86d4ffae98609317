// Show new requests while they arrive. Without this script the page reloads itself.
const EVERY = 1500; // milliseconds between two looks
const SHOWN = 50; // requests
const requests = document.getElementById("requests");
const state = document.getElementById("state");

function say(text, isLive) {
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle("live", isLive);
}

function add(html) {
  const part = new DOMParser().parseFromString(html, "text/html");
  const arrived = [...part.querySelectorAll("article")].filter((it) => !document.getElementById(it.id));
  for (const it of arrived) it.classList.add("new");
  requests.prepend(...arrived);
  for (const it of [...requests.querySelectorAll("article")].slice(SHOWN)) it.remove();
  document.getElementById("waiting").hidden = true;
}

async function look() {
  if (document.hidden) return true;
  const newest = requests.querySelector("article");
  const response = await fetch(`newer/?after=${newest ? newest.id : ""}`, {
    cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer",
  });
  if (response.status === 404) {
    say("expired", false);
    return false;
  }
  if (response.status === 200) add(await response.text());
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

for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) look().catch(() => {}); });
follow();
