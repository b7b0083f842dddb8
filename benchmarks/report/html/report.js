// A click on a head sorts its table: the largest first, then the smallest first. Cells without a value stay last.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const table = head.closest("table");
    const column = [...head.parentElement.children].indexOf(head);
    const falls = head.getAttribute("aria-sort") !== "descending";
    for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falls ? "descending" : "ascending");
    const valueOf = (row) => row.children[column].dataset.value;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [left, right] = [valueOf(a), valueOf(b)];
      if (left === "" || right === "") return (left === "") - (right === "");
      const order = head.dataset.kind === "text" ? right.localeCompare(left) : right - left;
      return falls ? order : -order;
    });
    table.tBodies[0].append(...rows);
  });
}
// Shows only the worst images that have an error of the chosen class and kind.
for (const section of document.querySelectorAll(".filtered")) {
  const [named, kind] = section.querySelectorAll("select");
  const figures = [...section.querySelectorAll("figure[data-errors]")];
  const choose = () => {
    for (const figure of figures) {
      figure.hidden = !JSON.parse(figure.dataset.errors).some(
        ([name, error]) => (!named.value || name === named.value) && (!kind.value || error === kind.value));
    }
    section.querySelector("output").value = `${figures.filter((figure) => !figure.hidden).length} of ${figures.length} images`;
  };
  named.addEventListener("change", choose);
  kind.addEventListener("change", choose);
  choose();
}
