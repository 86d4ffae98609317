// Let the keys reach unfold's controls that are neither links nor buttons, and Enter and Space do what a click does.
const NAMES = { close: "Hide the menu", dock_to_right: "Show or hide the menu", visibility: "Show or hide the password" };
const REACHED = "a[href], button, input, label, select, summary, textarea";

function nameOf(control) {
  const copy = control.cloneNode(true);
  const icons = [control, ...control.querySelectorAll(".material-symbols-outlined")];
  copy.querySelectorAll(".material-symbols-outlined").forEach((icon) => icon.remove());
  const text = control.matches(".material-symbols-outlined") ? "" : copy.textContent.trim().replace(/\s+/g, " ");
  return text || icons.map((icon) => NAMES[icon.textContent.trim()]).find(Boolean) || "";
}

document.addEventListener("DOMContentLoaded", () => {
  for (const control of document.querySelectorAll("[x-on\\:click]")) {
    if (control.matches(REACHED) || !control.textContent.trim()) continue;
    control.tabIndex = 0;
    control.setAttribute("role", "button");
    const name = nameOf(control);
    if (name) control.setAttribute("aria-label", name);
    control.addEventListener("keydown", (event) => {
      if (event.target !== control || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      control.click();
    });
  }
});

// Regions that scroll are landmarks, all named alike by simplebar: each gets a name of its own.
window.addEventListener("load", () => {
  document.querySelectorAll('.simplebar-content-wrapper[role="region"]').forEach((region, number) => {
    const place = region.closest("#nav-sidebar-apps") ? "Menu" : region.closest("#changelist-filter") ? "Filters" : `Content ${number}`;
    region.setAttribute("aria-label", place);
  });
});
