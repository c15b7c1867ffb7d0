// Tables of steps get a slider each, and a bar of the interval; without this they are read as tables.
for (const figure of document.querySelectorAll("figure.steps")) {
  const rows = [...figure.querySelectorAll("tbody tr")];
  const heads = [...figure.querySelectorAll("thead th")].slice(1).map((each) => each.textContent);
  const ends = rows.map((row) => [...row.cells].slice(1).map((cell) => [+cell.dataset.low, +cell.dataset.high]));
  const known = ends.flat(2).filter((each) => each > 0 && Number.isFinite(each));
  if (!known.length) continue;
  const [least, most] = [Math.min(...known), Math.max(...known)].map(Math.log);
  const place = (value) =>
    value > 0 && most > least ? Math.min(100, (100 * (Math.log(value) - least)) / (most - least)) : 0;
  const make = (name, properties, parent) => parent.appendChild(Object.assign(document.createElement(name), properties));

  const panel = document.createElement("div");
  panel.className = "panel";
  const names = figure.querySelector("figcaption").id;
  const choice = rows.length > 1 ? make("select", {}, panel) : null;
  for (const row of choice ? rows : []) make("option", { textContent: row.cells[0].textContent }, choice);
  const slider = make("input", { type: "range", min: 0, max: heads.length - 1, value: (heads.length - 1) / 2 }, panel);
  const said = make("output", {}, panel);
  const bar = make("span", { className: "bar" }, panel).appendChild(document.createElement("span"));
  for (const each of choice ? [choice, slider] : [slider]) each.setAttribute("aria-labelledby", names);
  const show = () => {
    const row = choice ? choice.selectedIndex : 0;
    const cell = rows[row].cells[+slider.value + 1];
    const [low, high] = ends[row][+slider.value].map((each, end) => (Number.isFinite(each) ? place(each) : 100 * end));
    said.replaceChildren();
    make("strong", { textContent: cell.textContent }, said);
    said.append(` ${heads[+slider.value]}`);
    slider.setAttribute("aria-valuetext", said.textContent);
    bar.style.left = `${low}%`;
    bar.style.width = `${Math.max(high - low, 0.5)}%`;
    for (const each of figure.querySelectorAll("td.now")) each.classList.remove("now");
    cell.classList.add("now");
  };
  slider.addEventListener("input", show);
  if (choice) choice.addEventListener("change", show);
  figure.querySelector("figcaption").after(panel);
  show();
}
// What is folded is printed too.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
});
