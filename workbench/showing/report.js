"use strict";
(function () {
  const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
  const drawn = JSON.parse(document.getElementById("figures").textContent);
  const packs = openPacks(drawn);
  const long = packs.dates.length > 0;
  const config = { displayModeBar: false, responsive: true, displaylogo: false, doubleClick: "reset" };

  function draw(element, figure, width) {
    const narrow = (width || element.clientWidth) < 520 && figure.data.length > 3;      // its legend takes several lines
    const layout = Object.assign({}, figure.layout, { height: figure.layout.height + (narrow ? 110 : 0), width: width });
    element.style.height = layout.height + "px";
    return Plotly.react(element, figure.data, layout, config);
  }
  function shown(element) {
    const name = element.dataset.figure;
    return name ? drawn.figures[name] : chosen && chosen[element.dataset.dated];
  }

  // Figures of the whole run, and of one date.
  const selects = all("select.date");
  const days = Array.from(selects[0].options, (option) => option.value);
  let chosen = null;
  async function show(date) {
    selects.forEach((select) => { select.value = date; });
    all(".dated").forEach((block) => block.classList.toggle("on", block.dataset.date === date));
    const figures = long ? (await packs.open(date)).figures : drawn.dates[date];
    if (selects[0].value !== date) return;          // another was chosen meanwhile
    const first = chosen === null;
    chosen = figures;
    all("[data-dated]").forEach((element) => {
      draw(element, chosen[element.dataset.dated]);
      if (first) element.on("plotly_click", answer);
    });
  }
  async function answer(event) {
    const date = selects[0].value, told = event.points[0].customdata;
    const rows = long ? (await packs.open(date)).rows : standing;
    if (told && rows.some((row) => row.date === date && row.symbol === written(told[0]))) ordersOf(date, told[0]);
  }
  all("[data-figure]").forEach((element) => {
    draw(element, drawn.figures[element.dataset.figure]);
    element.on("plotly_click", (event) => { if (days.includes(event.points[0].x)) show(event.points[0].x); });
  });
  selects.forEach((select) => select.addEventListener("change", () => show(select.value)));
  if (selects[0].value) show(selects[0].value);
  all("a[data-date]").forEach((link) => link.addEventListener("click", () => show(link.dataset.date)));
  all("details[data-packed]").forEach((details) => details.addEventListener("toggle", async () => {
    const rows = (await packs.open(details.dataset.packed)).weights;
    const body = details.querySelector("tbody");
    const sum = body.querySelector(".sum");
    body.innerHTML = rows;
    body.append(sum);
    details.querySelector("caption .part").remove();
  }, { once: true }));

  // Orders: find, sort, open. Of a short report all stand in the page; of a long one those that match are drawn.
  const PAGE = 500;
  const table = document.querySelector("table.orders");
  const headers = Array.from(table.tHead.rows[0].cells);
  const form = document.querySelector("form.filter");
  const output = form.querySelector("output");
  const further = document.querySelector(".further");
  const fields = { text: form.querySelector("#f-text"), date: form.querySelector("#f-date"), status: form.querySelector("#f-status") };
  const standing = all("tbody.order").map((element) => {
    const { date, status, symbol, text } = element.dataset;
    return { element, id: element.id, date, status: written(status), symbol: written(symbol), found: written(text),
             value: (column) => element.rows[0].cells[column].dataset.v };
  });
  const every = long ? drawn.every : standing.length;
  let sorted = null;                                // the column, and whether downwards
  let wanted = null;                                // the symbol that was clicked
  let turn = 0;

  function written(text) {                          // as markup says it: texts of packs are markup
    const marks = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;", "=": "&#61;" };
    return text.replace(/[&<>"'=]/g, (mark) => marks[mark]);
  }
  function grouped(count) { return String(count).replace(/\B(?=(\d{3})+$)/g, ","); }
  function compare(first, second, numbers) {
    if (first === second) return 0;
    if (first === "") return 1;                     // what is not known stands last, whichever way it is sorted
    if (second === "") return -1;
    return numbers ? Number(first) - Number(second) : first < second ? -1 : 1;
  }
  function inOrder(rows) {
    if (sorted === null) return rows;
    const { column, down } = sorted;
    const numbers = headers[column].classList.contains("n");
    return rows.map((row, at) => [row.value(column), at, row]).sort((a, b) => {
      const way = down && a[0] !== "" && b[0] !== "" ? -1 : 1;
      return way * compare(a[0], b[0], numbers) || a[1] - b[1];
    }).map((one) => one[2]);
  }
  function asked() {                                // whether a row is one of those that are asked for
    const text = written(fields.text.value.trim().toLowerCase());
    const date = fields.date.value, status = written(fields.status.value), symbol = wanted;
    return (row) => (!date || row.date === date) && (!status || row.status === status)
      && (symbol === null || row.symbol === symbol) && (!text || row.found.includes(text));
  }
  async function known() {                          // the rows to look through: of a long report only the date's, where one is chosen
    const nothing = !fields.text.value.trim() && !fields.date.value && !fields.status.value && sorted === null;
    if (!long || nothing) return standing;
    const dates = fields.date.value ? [fields.date.value] : packs.dates;
    return (await Promise.all(dates.map(packs.open))).flatMap((pack) => pack.rows);
  }
  async function find(most = PAGE) {
    const mine = turn += 1;
    if (long) output.textContent = "looking\u2026";
    let rows;
    try {
      rows = inOrder((await known()).filter(asked()));
    } catch (error) {
      output.textContent = "this browser can't unpack the rows that do not stand here: " + error.message;
      return;
    }
    if (mine !== turn) return;                      // something else was asked for meanwhile
    output.textContent = grouped(rows.length) + " of " + grouped(every) + " rows";
    if (long) {
      all("tbody.order", table).forEach((element) => element.remove());
      further.hidden = rows.length <= most;
      further.querySelector("button").onclick = () => find(most + PAGE);
      if (rows.length > most) output.textContent += "; the first " + grouped(most) + " are shown";
      rows = rows.slice(0, most);
    } else {
      const hits = new Set(rows);
      standing.forEach((row) => { row.element.hidden = !hits.has(row); });
    }
    table.append(...rows.map((row) => row.element));
  }
  function ordersOf(date, symbol, text) {
    fields.date.value = date;
    fields.text.value = symbol || text || "";
    fields.status.value = "";
    wanted = symbol === undefined ? null : written(symbol);
    document.getElementById("orders").scrollIntoView();
    return find();
  }
  form.addEventListener("input", () => { wanted = null; find(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => {
    wanted = null;
    if (long) sort(null);                           // back to the rows that stand in the page
    find();
  }));
  all("a[data-orders]").forEach((link) => link.addEventListener("click", (event) => {
    event.preventDefault();
    ordersOf(link.dataset.orders);
  }));

  function open(order, yes) {
    order.classList.toggle("on", yes);
    order.querySelector(".open").setAttribute("aria-expanded", String(yes));
  }
  table.addEventListener("click", (event) => {
    const main = event.target.closest(".main");
    if (!main || event.target.closest("a") || String(window.getSelection())) return;
    open(main.parentElement, !main.parentElement.classList.contains("on"));
  });

  function sort(way) {
    sorted = way;
    headers.forEach((header, column) => {
      header.setAttribute("aria-sort", way === null || way.column !== column ? "none" : way.down ? "descending" : "ascending");
    });
  }
  headers.forEach((header, column) => header.querySelector("button").addEventListener("click", () => {
    sort({ column, down: header.getAttribute("aria-sort") === "ascending" });
    find();
  }));

  // An address that names an order opens it.
  async function follow() {
    const id = decodeURIComponent(location.hash.slice(1));
    if (!id.startsWith("o-")) return;
    if (!document.getElementById(id) && long) {
      const row = (await Promise.all(packs.dates.map(packs.open))).flatMap((pack) => pack.rows).find((one) => one.id === written(id));
      if (row) await ordersOf(row.date, undefined, id.slice(2));
    }
    const target = document.getElementById(id);
    if (target && target.classList.contains("order")) {
      target.hidden = false;
      open(target, true);
      target.scrollIntoView({ block: "center" });
    }
  }
  window.addEventListener("hashchange", follow);
  find().then(follow);

  // On paper the figures are as wide as an upright page.
  const charts = () => all(".chart").filter(shown);
  window.addEventListener("beforeprint", () => charts().forEach((element) => draw(element, shown(element), 680)));
  window.addEventListener("afterprint", () => charts().forEach((element) => {
    draw(element, shown(element));
    Plotly.Plots.resize(element);
  }));
}());
