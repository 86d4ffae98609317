// Focus the search box of the header with the key "/", unless a field has the focus.
document.addEventListener("keydown", (event) => {
  const box = document.getElementById("wp-find");
  const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "") || document.activeElement?.isContentEditable;
  if (box && event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping) {
    event.preventDefault();
    box.focus();
  }
});
