import {element, meter, setAttribute, setText} from "./dom.js";
import {percent} from "./format.js";
import {addressOf, fileSystems, loadText, nameOf, networkText, rankOf, rates, remarkOf, stateOf, systemOf} from "./target.js";

const byName = new Intl.Collator([], {numeric: true, sensitivity: "base"});
const shownFileSystems = 3;

// Card shows one target. Its heading is always there, for searching in the page; the rest is made
// when the card comes near the window, and kept up to date only there.
class Card {
  near = false;
  rates = null;

  constructor(id) {
    this.dot = element("span", {class: "state"});
    this.link = element("a", {href: `#${id}`});
    this.where = element("p", {class: "where"});
    this.node = element("li", {class: "card"}, element("div", {class: "head"}, element("h2", {}, this.link), this.dot), this.where);
    this.node.card = this;
  }

  update(target) {
    const before = this.target?.monitoring;
    // A failed cycle keeps the interfaces as they were, and so says nothing about their rate.
    if (before && target.monitoring.status === "online" && before.timestamp !== target.monitoring.timestamp) {
      this.rates = before.status === "online" ? rates(before, target.monitoring) : null;
    }
    this.target = target;
    this.state = stateOf(target);
    this.rank = rankOf(target, this.state);
    const system = systemOf(target.monitoring);
    this.text = `${target.name}\n${target.ip}\n${system}\n${target.monitoring.osInfo?.hostname}`.toLowerCase();
    setText(this.link, target.name);
    setAttribute(this.link, "title", target.name);
    setText(this.dot, nameOf[this.state]);
    setAttribute(this.node, "data-state", this.state);
    setText(this.where, [addressOf(target), system.replace(/ \(.*\)$/, "")].filter(Boolean).join(" · "));
    this.draw();
  }

  draw() {
    if (!this.near || !this.target) return;
    this.body ??= this.build();
    const {cpu, memory, disks, more, remark, load, network} = this.body;
    const values = this.target.monitoring;
    const live = this.state === "online" && values.timestamp !== null;
    for (const part of [cpu, memory]) part.node.hidden = !live;
    cpu.show("CPU", values.cpuUsage, percent(values.cpuUsage));
    memory.show("Memory", values.memoryUsage, percent(values.memoryUsage));
    const mounted = live ? fileSystems(values) : [];
    disks.forEach((disk, i) => {
      disk.node.hidden = i >= mounted.length;
      if (i < mounted.length) disk.show(mounted[i].mountPoint, mounted[i].usagePercent, percent(mounted[i].usagePercent));
    });
    const hidden = mounted.length - shownFileSystems;
    setText(more, hidden > 0 ? `and ${hidden} more` : "");
    setText(remark, remarkOf(this.target, this.state));
    setText(load, live ? loadText(values) : "");
    setText(network, live ? networkText(values, this.rates) : "");
  }

  build() {
    const disks = Array.from({length: shownFileSystems}, meter);
    const body = {
      cpu: meter(), memory: meter(), disks, more: element("p", {class: "more"}), remark: element("p", {class: "remark"}),
      load: element("p"), network: element("p"),
    };
    this.node.classList.add("filled");
    this.node.append(
      body.remark, element("div", {class: "meters"}, body.cpu.node, body.memory.node, ...disks.map(({node}) => node), body.more),
      element("div", {class: "foot"}, body.load, body.network),
    );
    return body;
  }
}

export class List {
  #cards = new Map();
  #watcher;

  constructor(root) {
    this.root = root;
    this.#watcher = new IntersectionObserver(entries => {
      for (const {target: {card}, isIntersecting} of entries) {
        card.near = isIntersecting;
        card.draw();
      }
    }, {rootMargin: "600px"});
  }

  get size() { return this.#cards.size; }
  target(id) { return this.#cards.get(String(id))?.target; }
  rates(id) { return this.#cards.get(String(id))?.rates; }

  update(targets) {
    const gone = new Set(this.#cards.keys());
    for (const target of targets) {
      const id = String(target.id);
      gone.delete(id);
      if (!this.#cards.has(id)) {
        const card = new Card(id);
        this.#cards.set(id, card);
        this.#watcher.observe(card.node);
      }
      this.#cards.get(id).update(target);
    }
    for (const id of gone) this.#remove(id);
  }

  clear() {
    for (const id of [...this.#cards.keys()]) this.#remove(id);
  }

  #remove(id) {
    const {node} = this.#cards.get(id);
    this.#watcher.unobserve(node);
    node.remove();
    this.#cards.delete(id);
  }

  // redraw lets the words that tell of time follow it.
  redraw() {
    for (const card of this.#cards.values()) card.draw();
  }

  // arrange shows what fits the filter, problems first, and returns how many there are by state and
  // how many are shown. Cards that stand right already are not touched.
  arrange(text, state) {
    const counts = {all: 0, error: 0, offline: 0, unknown: 0, online: 0};
    const wanted = text.trim().toLowerCase();
    const shown = [];
    for (const card of this.#cards.values()) {
      const matches = card.text.includes(wanted);
      if (matches) {
        counts.all++;
        counts[card.state]++;
      }
      card.node.hidden = !matches || (state !== "all" && card.state !== state);
      if (!card.node.hidden) shown.push(card);
    }
    shown.sort((a, b) => a.rank - b.rank || byName.compare(a.target.name, b.target.name) || a.target.serverId - b.target.serverId);
    const focused = document.activeElement;
    let next = this.root.firstElementChild;
    for (const {node} of shown) {
      while (next?.hidden) next = next.nextElementSibling;
      if (node === next) next = next.nextElementSibling;
      else this.root.insertBefore(node, next);
    }
    // A node that moves loses the focus.
    if (focused !== document.activeElement && focused.isConnected) focused.focus({preventScroll: true});
    return {counts, shown: shown.length};
  }
}
