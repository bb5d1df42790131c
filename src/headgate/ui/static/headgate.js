// Keys only; every page works without this file. Ctrl+Enter in a text: send its form. j/k: next and previous row, Enter: open it, /: search, ?: help.
(() => {
  "use strict";
  const rows = () => [...document.querySelectorAll("[data-row] a[data-open], a[data-row]")];
  const step = (by) => {
    const all = rows();
    const at = all.indexOf(document.activeElement);
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by];
    if (next) next.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.key === "Enter" && event.target.matches("textarea")) event.target.form.requestSubmit();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const button = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (button) {
      event.preventDefault();
      if (button.matches("input, textarea, select")) button.focus();
      else button.click();
    } else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
  });
  document.addEventListener("submit", (event) => {
    const asked = event.submitter && event.submitter.dataset.ask;
    if (asked && !window.confirm(asked)) event.preventDefault();
  });
})();
