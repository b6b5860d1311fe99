// Sorts the table of trials, and marks the curves of the trial under the pointer.
"use strict";

const table = document.getElementById("trials");
const value = (row, place) => {
  const cell = row.cells[place];
  return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
};
let sorted = null, sign = 1;

table.querySelectorAll("th button").forEach((button, place) => {
  button.onclick = () => {
    sign = sorted === place ? -sign : 1;
    sorted = place;
    const rows = [...table.rows].slice(1);
    rows.sort((a, b) => {
      const [x, y] = [value(a, place), value(b, place)];
      if (x === "" || y === "") return (x === "") - (y === ""); // what is not known comes last
      if (typeof x === "number" && typeof y === "number") return sign * (x - y);
      return sign * String(x).localeCompare(String(y));
    });
    table.tBodies[0].append(...rows);
  };
});

for (const row of table.querySelectorAll("tr[data-trial]")) {
  const curves = document.querySelectorAll(`[id="trial-${row.dataset.trial}"]`);
  row.onmouseenter = () => curves.forEach((curve) => curve.classList.add("lit"));
  row.onmouseleave = () => curves.forEach((curve) => curve.classList.remove("lit"));
}
