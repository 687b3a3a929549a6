"use strict";
(function () {
  const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
  const drawn = JSON.parse(document.getElementById("figures").textContent);
  const config = { displayModeBar: false, responsive: true, displaylogo: false, doubleClick: "reset" };

  function draw(element, figure, width) {
    const narrow = (width || element.clientWidth) < 520 && figure.data.length > 3;      // its legend takes several lines
    const layout = Object.assign({}, figure.layout, { height: figure.layout.height + (narrow ? 110 : 0), width: width });
    element.style.height = layout.height + "px";
    return Plotly.react(element, figure.data, layout, config);
  }
  function shown(element) {
    const name = element.dataset.figure;
    return name ? drawn.figures[name] : drawn.dates[selects[0].value] && drawn.dates[selects[0].value][element.dataset.dated];
  }

  // Figures of the whole run, and of one date.
  const selects = all("select.date");
  function show(date) {
    selects.forEach((select) => { select.value = date; });
    all(".dated").forEach((block) => block.classList.toggle("on", block.dataset.date === date));
    all("[data-dated]").forEach((element) => draw(element, drawn.dates[date][element.dataset.dated]));
  }
  all("[data-figure]").forEach((element) => {
    draw(element, drawn.figures[element.dataset.figure]);
    element.on("plotly_click", (event) => { if (drawn.dates[event.points[0].x]) show(event.points[0].x); });
  });
  selects.forEach((select) => select.addEventListener("change", () => show(select.value)));
  if (selects[0].value) show(selects[0].value);
  all("a[data-date]").forEach((link) => link.addEventListener("click", () => show(link.dataset.date)));

  // Orders: find, sort, open.
  const table = document.querySelector("table.orders");
  const orders = all("tbody.order");
  const form = document.querySelector("form.filter");
  const fields = { text: form.querySelector("#f-text"), date: form.querySelector("#f-date"), status: form.querySelector("#f-status") };

  function filter(symbol) {
    const text = fields.text.value.trim().toLowerCase();
    let shown = 0;
    orders.forEach((order) => {
      const hit = (!text || order.dataset.text.includes(text)) && (!fields.date.value || order.dataset.date === fields.date.value)
        && (!fields.status.value || order.dataset.status === fields.status.value)
        && (typeof symbol !== "string" || order.dataset.symbol === symbol);
      order.hidden = !hit;
      shown += hit;
    });
    form.querySelector("output").textContent = shown + " of " + orders.length + " rows";
  }
  function ordersOf(date, symbol) {
    form.reset();
    fields.date.value = date;
    fields.text.value = symbol === undefined ? "" : symbol;
    filter(symbol);
    document.getElementById("orders").scrollIntoView();
  }
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  all("a[data-orders]").forEach((link) => link.addEventListener("click", (event) => {
    event.preventDefault();
    ordersOf(link.dataset.orders);
  }));
  all("[data-dated]").forEach((element) => element.on("plotly_click", (event) => {
    const told = event.points[0].customdata;
    if (told && orders.some((order) => order.dataset.date === selects[0].value && order.dataset.symbol === told[0])) {
      ordersOf(selects[0].value, told[0]);
    }
  }));

  function open(order, yes) {
    order.classList.toggle("on", yes);
    order.querySelector(".open").setAttribute("aria-expanded", String(yes));
  }
  orders.forEach((order) => {
    order.querySelector(".main").addEventListener("click", (event) => {
      if (event.target.closest("a") || String(window.getSelection())) return;
      open(order, !order.classList.contains("on"));
    });
  });

  const value = (order, column) => order.rows[0].cells[column].dataset.v;
  function compare(first, second, numbers) {
    if (first === second) return 0;
    if (first === "") return 1;              // what is not known stands last, whichever way it is sorted
    if (second === "") return -1;
    return numbers ? Number(first) - Number(second) : first < second ? -1 : 1;
  }
  const headers = Array.from(table.tHead.rows[0].cells);
  headers.forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") === "ascending";
      headers.forEach((other) => other.setAttribute("aria-sort", "none"));
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const numbers = header.classList.contains("n");
      const sorted = orders.map((order, at) => [value(order, column), at, order]).sort((a, b) => {
        const way = down && a[0] !== "" && b[0] !== "" ? -1 : 1;
        return way * compare(a[0], b[0], numbers) || a[1] - b[1];
      });
      table.append(...sorted.map((one) => one[2]));
    });
  });

  // An address that names an order opens it.
  function follow() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.classList.contains("order")) {
      target.hidden = false;
      open(target, true);
      target.scrollIntoView({ block: "center" });
    }
  }
  window.addEventListener("hashchange", follow);
  filter();
  follow();

  // On paper the figures are as wide as an upright page.
  const charts = () => all(".chart").filter(shown);
  window.addEventListener("beforeprint", () => charts().forEach((element) => draw(element, shown(element), 680)));
  window.addEventListener("afterprint", () => charts().forEach((element) => {
    draw(element, shown(element));
    Plotly.Plots.resize(element);
  }));
}());
