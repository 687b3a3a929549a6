"use strict";
/* The packs of a long report: what it has of each date as columns of texts, deflated (packed.py), and the rows made of them.
   A row's form is the one that Python fills in for the rows that stand in the page; nothing is computed or rounded here. */
function openPacks(drawn) {
  const scripts = new Map(Array.from(document.querySelectorAll("script[data-pack]"), (script) => [script.dataset.pack, script]));
  const opened = new Map();
  const FIELD = /\{(\w+)(?::([nc]))?\}/;
  const NOTHING = "\u2013", MINUS = "\u2212";

  function fill(form, text) {
    const parts = form.split(FIELD);
    let markup = parts[0];
    for (let at = 1; at < parts.length; at += 3) {
      const told = text(parts[at]);
      markup += (parts[at + 1] ? cell(told, parts[at + 1]) : told) + parts[at + 2];
    }
    return markup;
  }
  function cell(written, kind) {
    const [text, exact] = written.split("\t");
    if (!exact) return `<td class="n${text === NOTHING ? "" : " unknown"}" data-v="">${text}</td>`;
    const gain = kind === "c" && exact.startsWith("-") ? " gain" : "";
    return `<td class="n${gain}" data-v="${exact}" title="${exact}">${text}</td>`;
  }
  function whole(text) {                  // the digits of a number that are its text's are packed as "="
    if (!text.endsWith("\t=")) return text;
    const told = text.slice(0, -2);
    const plain = told.replace(/[,+]/g, "").replace(MINUS, "-");
    return told + "\t" + (plain.includes(".") ? plain.replace(/\.?0+$/, "") : plain);
  }

  class Columns {
    constructor(told) { this.told = told; this.split = {}; }
    text(name, row) { return whole((this.split[name] ??= this.told[name].split("\n"))[row]); }
  }

  class Pack {
    constructor(date, told) {
      this.date = date;
      this.first = told.first;
      this.figures = told.figures;
      this.form = told.form;
      this.orders = new Columns(told.orders);
      this.fills = new Columns(told.fills);
      this.gaps = new Columns(told.gaps);
      let fills = 0;
      this.rows = told.filled.map((count, row) => new Row(this, row, fills, fills += count));
      this.weighed = told.weighed;
    }
    get weights() {                       // the rows of the date's table of weights
      return Array.from({ length: this.weighed }, (_, row) => fill(this.form, (name) => this.gaps.text(name, row))).join("");
    }
  }

  class Row {
    constructor(pack, row, first, stop) { Object.assign(this, { pack, row, first, stop }); }
    text(name) {
      const text = this.pack.orders.text(name, this.row);
      return text === "=" ? this.text(drawn.like[name]) : text;
    }
    get date() { return this.pack.date; }
    get status() { return this.text("status"); }
    get symbol() { return this.text("symbol"); }
    get id() { return "o-" + this.text("intent"); }
    get found() { return drawn.searched.map((name) => this.text(name)).join(" ").toLowerCase(); }
    value(column) {
      const name = drawn.columns[column];
      return drawn.cells.includes(name) ? this.text(name).split("\t")[1] || "" : this.text(name);
    }
    get fills() {
      if (this.first === this.stop) return '<p class="note">No fill.</p>';
      const own = (name) => (name === "symbol" ? `<a href="#o-${this.text("link")}">${this.symbol}</a>` : this.text(drawn.own[name]));
      let rows = "";
      for (let at = this.first; at < this.stop; at += 1) {
        rows += fill(drawn.forms.fill, (name) => {
          const text = this.pack.fills.text(name, at);
          return text === "=" ? own(name) : text;
        });
      }
      return fill(drawn.forms.fills, (name) => (name === "rows" ? rows : "Fills of " + this.symbol));
    }
    get element() {
      const made = { at: () => String(this.pack.first + this.row), found: () => this.found, fills: () => this.fills };
      const holder = document.createElement("template");
      holder.innerHTML = "<table>" + fill(drawn.forms.order, (name) => (made[name] ? made[name]() : this.text(name))) + "</table>";
      return holder.content.querySelector("tbody");
    }
  }

  async function inflate(script) {
    const text = atob(script.textContent);
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }
  function open(date) {
    if (!opened.has(date)) opened.set(date, inflate(scripts.get(date)).then((told) => new Pack(date, told)));
    return opened.get(date);
  }
  return { dates: Array.from(scripts.keys()), open };
}
