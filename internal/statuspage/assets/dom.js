// Everything that is shown comes in as text: names of hosts, processes and mount points are
// whatever somebody has called them, and nothing here reads markup.

const svgNamespace = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export const byId = id => document.getElementById(id);
export const element = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const drawing = (tag, attributes = {}, ...children) => fill(document.createElementNS(svgNamespace, tag), attributes, children);

// setText leaves alone what is right already, so that a selection stays and nothing is announced.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = text === "";
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// choice is a group of radio buttons that look like switches; it returns their labels by value.
export function choice(group, name, options, chosen, changed) {
  const labels = new Map();
  for (const [value, label] of options) {
    const input = element("input", {type: "radio", name, value});
    input.checked = value === chosen;
    input.addEventListener("change", () => changed(value));
    labels.set(value, element("span", {}, label));
    group.append(element("label", {class: "choice"}, input, labels.get(value)));
  }
  return labels;
}

// meter is a bar for a share in percent, with what it is of and its value as text.
export function meter() {
  const name = element("span", {class: "meter-name"});
  const bar = element("span", {class: "meter-fill"});
  const track = element("span", {class: "meter-track", role: "meter", "aria-valuemin": 0, "aria-valuemax": 100}, bar);
  const value = element("span", {class: "meter-value"});
  const node = element("div", {class: "meter"}, name, track, value);
  return {
    node,
    show(label, percent, text) {
      setText(name, label);
      setAttribute(name, "title", label);
      setText(value, text);
      node.classList.toggle("unknown", percent === null);
      node.dataset.level = percent >= 90 ? "high" : percent >= 75 ? "raised" : "normal";
      setAttribute(track, "aria-label", label);
      setAttribute(track, "aria-valuenow", percent ?? 0);
      setAttribute(track, "aria-valuetext", text);
      bar.style.width = `${Math.min(100, Math.max(0, percent ?? 0))}%`;
    },
  };
}
