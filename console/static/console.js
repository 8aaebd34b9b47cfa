// Keys for whoever decides a lot; every page works without.
"use strict";
(() => {
  const rows = [...document.querySelectorAll("[data-row]")];
  const writing = (place) => place.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  let at = -1;
  const move = (by) => {
    if (!rows.length) return;
    rows[at]?.classList.remove("here");
    at = Math.min(Math.max(at + by, 0), rows.length - 1);
    rows[at].classList.add("here");
    rows[at].querySelector("a").focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.form) {
      event.preventDefault();
      event.target.form.requestSubmit();
      return;
    }
    if (event.key === "Escape" && writing(event.target)) event.target.blur();
    if (event.ctrlKey || event.metaKey || event.altKey || writing(event.target)) return;
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else {
      // A key only leads to a form: nothing is decided on one bare key.
      const place = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
      if (!place) return;
      event.preventDefault();
      if (place.tagName === "DETAILS") place.open = true;
      const field = place.matches("a, button") ? place : place.querySelector("textarea, input:not([type=hidden])") ?? place;
      if (place.tagName === "A") place.click();
      else field.focus();
      place.scrollIntoView({ block: "nearest" });
    }
  });
})();
