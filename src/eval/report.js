"use strict";
(() => {
  const find = document.getElementById("find");
  const kind = document.getElementById("kind");
  const count = document.getElementById("count");
  const rows = [...document.querySelectorAll("[data-kind]")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const apply = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, at) => {
      const fits = !kind.value || row.dataset.kind === kind.value;
      row.hidden = !(fits && words.every((word) => texts[at].includes(word)));
      shown += row.hidden || row.tagName !== "TR" ? 0 : 1;
    });
    count.textContent = shown + " rows";
  };
  find.addEventListener("input", apply);
  kind.addEventListener("change", apply);
  apply();
})();
