// Follow the colours that the browser prefers, before anything is drawn: Swagger UI is dark below html.dark-mode.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
