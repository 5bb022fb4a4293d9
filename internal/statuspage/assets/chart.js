import {drawing, element} from "./dom.js";
import {clock, percent} from "./format.js";

const height = 200, left = 46, right = 12, top = 10, bottom = 26;
const hour = 3600_000;
// Steps between two times on the axis; the first that leaves room for its labels is taken.
const steps = [10, 15, 30, 60, 120, 240, 360, 720].map(minutes => minutes * 60_000);

// Chart draws the share of CPU and memory over time. Where nothing was collected there is a gap.
export class Chart {
  #points = [];
  #chosen = null;

  constructor() {
    this.svg = drawing("svg", {class: "chart", role: "img", tabindex: 0, height});
    this.readout = element("output", {class: "readout"});
    this.node = element("figure", {}, this.svg, element("figcaption", {},
      element("span", {class: "legend cpu"}, "CPU"), element("span", {class: "legend memory"}, "Memory"),
      element("span", {class: "legend gap"}, "Nothing collected"), this.readout));
    this.svg.addEventListener("pointermove", ({offsetX}) => this.#choose(this.#nearest(offsetX)));
    this.svg.addEventListener("pointerleave", () => this.#choose(null));
    this.svg.addEventListener("blur", () => this.#choose(null));
    this.svg.addEventListener("keydown", event => {
      const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
      if (!step || this.#points.length === 0) return;
      event.preventDefault();
      const last = this.#points.length - 1;
      this.#choose(Math.min(last, Math.max(0, (this.#chosen ?? last + 1) + step)));
    });
    new ResizeObserver(() => this.#draw()).observe(this.node);
  }

  // show takes the points newest first, as the API gives them, and the window's ends.
  show(data, from, to) {
    const points = data.map(({timestamp, cpuUsage, memoryUsage, errorMessage}) => (
      {time: Date.parse(timestamp), cpu: cpuUsage, memory: memoryUsage, error: errorMessage}
    )).reverse();
    this.#points = points;
    this.#chosen = null;
    // What lies outside is the last that is known.
    const outside = points.length > 0 && points[points.length - 1].time < from;
    this.from = outside ? points[0].time : from;
    this.to = outside ? Math.max(points[points.length - 1].time, points[0].time + 60_000) : to;
    this.svg.setAttribute("aria-label", this.#summary());
    this.#draw();
    return outside;
  }

  #summary() {
    const about = (name, values) => values.length === 0 ? `${name}: nothing collected` :
      `${name}: ${percent(values[values.length - 1])} at the end, between ${percent(Math.min(...values))} and ${percent(Math.max(...values))}`;
    const known = key => this.#points.map(point => point[key]).filter(value => value !== null);
    return `From ${clock(this.from)} to ${clock(this.to)}. ${about("CPU", known("cpu"))}. ${about("Memory", known("memory"))}. Arrow keys read single values.`;
  }

  #x(time) { return left + (this.width - left - right) * (time - this.from) / (this.to - this.from); }
  #y(value) { return top + (height - top - bottom) * (1 - value / 100); }

  // most is how far apart two samples can be with none missing between them: thinned ones are evenly
  // apart, so twice and a half of what is usual is too far.
  #most() {
    const distances = this.#points.slice(1).map(({time}, i) => time - this.#points[i].time).sort((a, b) => a - b);
    return 2.5 * (distances[Math.floor(distances.length / 2)] ?? 0);
  }

  // runs are the stretches without a gap.
  #runs(key, most) {
    const runs = [];
    let last = null;
    for (const point of this.#points) {
      if (point[key] === null) {
        last = null;
        continue;
      }
      if (last === null || point.time - last > most) runs.push([]);
      runs[runs.length - 1].push(point);
      last = point.time;
    }
    return runs;
  }

  #draw() {
    this.width = this.node.clientWidth;
    if (this.width === 0 || this.from === undefined) return;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${height}`);
    this.svg.setAttribute("width", this.width);
    const end = this.width - right, floor = height - bottom;
    const parts = [];
    for (const value of [0, 25, 50, 75, 100]) {
      parts.push(drawing("line", {class: "grid", x1: left, x2: end, y1: this.#y(value), y2: this.#y(value)}));
      if (value % 50 === 0) parts.push(drawing("text", {class: "axis", x: left - 6, y: this.#y(value) + 4, "text-anchor": "end"}, `${value} %`));
    }
    const step = steps.find(length => (this.to - this.from) / length <= this.width / 70) ?? 24 * hour;
    const zone = new Date(this.to).getTimezoneOffset() * 60_000;
    for (let time = Math.ceil((this.from - zone) / step) * step + zone; time <= this.to; time += step) {
      parts.push(drawing("line", {class: "grid", x1: this.#x(time), x2: this.#x(time), y1: floor, y2: floor + 4}));
      parts.push(drawing("text", {class: "axis", x: Math.min(this.#x(time), end - 8), y: floor + 17, "text-anchor": "middle"}, clock(time)));
    }
    const most = this.#most();
    let until = this.from;
    const gap = to => {
      const x = this.#x(until), width = this.#x(to) - x;
      if (to - until > most && width > 0) parts.push(drawing("rect", {class: "gap", x, y: top, width, height: floor - top}));
    };
    for (const run of this.#runs("memory", most)) {
      gap(run[0].time);
      until = run[run.length - 1].time;
    }
    gap(this.to);
    for (const key of ["memory", "cpu"]) {
      for (const run of this.#runs(key, most)) {
        const line = run.map(point => `${this.#x(point.time).toFixed(1)},${this.#y(point[key]).toFixed(1)}`);
        if (run.length === 1) parts.push(drawing("circle", {class: `dot ${key}`, cx: this.#x(run[0].time), cy: this.#y(run[0][key]), r: 2}));
        else parts.push(drawing("polyline", {class: `line ${key}`, points: line.join(" ")}));
      }
    }
    this.cursor = drawing("line", {class: "cursor", y1: top, y2: floor});
    this.svg.replaceChildren(...parts, this.cursor);
    this.#choose(this.#chosen);
  }

  #nearest(x) {
    const off = ({time}) => Math.abs(this.#x(time) - x);
    return this.#points.reduce((best, point, i) => best === null || off(point) < off(this.#points[best]) ? i : best, null);
  }

  #choose(index) {
    this.#chosen = index;
    const point = this.#points[index];
    this.cursor?.toggleAttribute("hidden", !point);
    if (!point) {
      this.readout.textContent = "";
      return;
    }
    this.cursor.setAttribute("x1", this.#x(point.time));
    this.cursor.setAttribute("x2", this.#x(point.time));
    this.readout.textContent = point.error ? `${clock(point.time)} ${point.error}` : `${clock(point.time)} CPU ${percent(point.cpu)}, memory ${percent(point.memory)}`;
  }
}
