import {Chart} from "./chart.js";
import {byId, choice, element, meter, setAttribute, setText} from "./dom.js";
import {bytes, duration, now, percent} from "./format.js";
import {addressOf, fileSystems, memoryText, nameOf, remarkOf, stateOf, systemOf} from "./target.js";

const windows = {"1h": 3600_000, "24h": 24 * 3600_000};

function table(name, heads, rows) {
  const row = cells => element("tr", {}, ...cells.map((cell, i) => element("td", {class: heads[i][1]}, cell)));
  return element("section", {}, element("h3", {}, name), element("div", {class: "scroll", role: "region", tabindex: 0, "aria-label": name},
    element("table", {}, element("thead", {}, element("tr", {}, ...heads.map(([head, kind]) => element("th", {scope: "col", class: kind}, head)))),
      element("tbody", {}, ...rows.map(row)))));
}

function facts({latest, server}) {
  const {osInfo, loadAverage, uptime, processes, timestamp} = latest;
  const all = [
    ["Address", addressOf(server)], ["System", systemOf(latest)], ["Host name", osInfo?.hostname], ["Kernel", [osInfo?.kernel, osInfo?.architecture].filter(Boolean).join(" ")],
    ["Up", uptime === null ? "" : duration(uptime)], ["Load", loadAverage?.map(value => value.toFixed(2)).join(" ")],
    ["CPU", latest.cpuUsage === null ? "" : percent(latest.cpuUsage)], ["Memory", latest.memoryUsage === null ? "" : memoryText(latest)],
    ["Processes", processes], ["Newest sample", timestamp && new Date(timestamp).toLocaleString([], {dateStyle: "short", timeStyle: "short"})],
  ];
  return element("dl", {}, ...all.filter(([, value]) => value || value === 0).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))));
}

function disks(latest) {
  const rows = fileSystems(latest).map(({name, mountPoint, type, size, used, usagePercent}) => {
    const bar = meter();
    bar.show(mountPoint, usagePercent, percent(usagePercent));
    return element("li", {}, bar.node, element("p", {class: "more"}, `/dev/${name} · ${type ?? "unknown type"} · ${bytes(used)} of ${bytes(size)} used`));
  });
  return element("section", {}, element("h3", {}, "File systems"), element("ul", {class: "meters", role: "list"}, ...rows));
}

function interfaces({network}, rates) {
  const rate = (known, count) => known === undefined ? bytes(count) : `${bytes(known)}/s, ${bytes(count)}`;
  return table("Network", [["Interface", ""], ["Received", "number"], ["Sent", "number"], ["State", ""], ["Addresses", "wide"]], network.map(item => [
    item.name, rate(rates?.get(item.name)?.received, item.rxBytes), rate(rates?.get(item.name)?.sent, item.txBytes),
    [item.state, item.speed && `${item.speed} Mbit/s`].filter(Boolean).join(", "), [...item.ipv4, ...item.ipv6].join(" "),
  ]));
}

function processTable({processList}) {
  return table("Processes", [["CPU", "number"], ["Memory", "number"], ["Command", "wide"], ["User", ""], ["PID", "number"], ["Time", "number"]], processList.map(item => [
    `${item.cpu} %`, bytes(item.rss * 1024), item.command, item.user, String(item.pid), item.time,
  ]));
}

// Detail is the dialog on one target: its chart, and all that is known of it.
export class Detail {
  #target = null;
  #range = "1h";
  #etag = null;
  #asked = 0;

  // ask sends a request with the token, rates tells those of a target's interfaces, terminal opens one,
  // and closed is called when the dialog has been.
  constructor({ask, rates, terminal, closed}) {
    this.ask = ask;
    this.rates = rates;
    this.dialog = byId("detail");
    this.name = element("h2", {id: "detail-name", tabindex: -1});
    this.state = element("span", {class: "state"});
    this.remark = element("p", {class: "remark"});
    this.error = element("p", {class: "error", role: "alert"});
    this.chart = new Chart();
    this.outdated = element("p", {class: "more"});
    this.body = element("div", {class: "sections"});
    const close = element("button", {type: "button", class: "close", "aria-label": "Close"}, "×");
    close.addEventListener("click", () => this.dialog.close());
    this.terminal = element("button", {type: "button"}, "Open terminal");
    this.terminal.addEventListener("click", () => terminal(this.#target.serverId));
    const range = element("fieldset", {class: "choices"}, element("legend", {class: "hidden"}, "Period"));
    choice(range, "range", [["1h", "Last hour"], ["24h", "Last day"]], this.#range, value => {
      this.#range = value;
      this.#etag = null;
      this.refresh();
    });
    this.dialog.append(element("header", {}, this.name, this.state, this.terminal, close), this.remark, this.error, range, this.chart.node, this.outdated, this.body);
    this.dialog.addEventListener("close", () => {
      this.#target = null;
      closed();
    });
    // The dialog's own box is filled by its children; a click that hits it is on the backdrop.
    this.dialog.addEventListener("click", event => {
      if (event.target === this.dialog) this.dialog.close();
    });
  }

  get id() { return this.#target?.id ?? null; }

  open(target) {
    this.update(target);
    this.#etag = null;
    this.chart.show([], now() - windows[this.#range], now());
    this.body.replaceChildren();
    setText(this.outdated, "");
    if (!this.dialog.open) this.dialog.showModal();
    this.name.focus();
    this.dialog.scrollTop = 0;
    return this.refresh();
  }

  close() { this.dialog.close(); }

  // update takes what the overview says of the target.
  update(target) {
    this.#target = target;
    const state = stateOf(target);
    setText(this.name, target.name);
    setText(this.state, nameOf[state]);
    setText(this.remark, remarkOf(target, state));
    this.terminal.hidden = Boolean(target.integrationId);
    setAttribute(this.dialog, "data-state", state);
  }

  async refresh() {
    const target = this.#target, range = this.#range;
    if (!target) return;
    const asked = ++this.#asked;
    const path = target.integrationId ? `integration/${target.integrationId}` : target.serverId;
    try {
      const {body, etag} = await this.ask("GET", `/api/monitoring/${path}?timeRange=${range}`, {etag: this.#etag});
      // An older answer must not come after a newer one, or to another target.
      if (asked !== this.#asked || this.#target === null) return;
      setText(this.error, "");
      if (body === null) return;
      this.#etag = etag;
      this.#show(body, range);
    } catch (failure) {
      if (asked === this.#asked) setText(this.error, failure.message);
    }
  }

  #show(body, range) {
    const outside = this.chart.show(body.data, now() - windows[range], now());
    setText(this.outdated, outside ? "Nothing was collected in this time. These are the last known values." : "");
    const {latest} = body;
    const scrolled = [...this.body.querySelectorAll(".scroll")].map(({scrollLeft}) => scrollLeft);
    const sections = latest.timestamp === undefined ? [] : [facts(body)];
    if (fileSystems(latest).length > 0) sections.push(disks(latest));
    if (latest.network?.length > 0) sections.push(interfaces(latest, this.rates(this.id)));
    if (latest.processList?.length > 0) sections.push(processTable(latest));
    this.body.replaceChildren(...sections);
    this.body.querySelectorAll(".scroll").forEach((part, i) => { part.scrollLeft = scrolled[i] ?? 0; });
  }
}
